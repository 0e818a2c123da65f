import { host } from "./attempt.js";

export default { send: (request) => host().send(request) };
