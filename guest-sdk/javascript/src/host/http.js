export { default } from "fusebox:action/http";
