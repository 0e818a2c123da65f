export { default } from "fusebox:action/emit";
