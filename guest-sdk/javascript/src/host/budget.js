export { default } from "fusebox:action/budget";
