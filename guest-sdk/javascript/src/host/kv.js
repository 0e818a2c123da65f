export { default } from "fusebox:action/kv";
