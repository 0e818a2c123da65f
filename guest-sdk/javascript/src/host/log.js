export { default } from "fusebox:action/log";
