import { host } from "./attempt.js";

export default { write: (level, message, fields) => host().write(level, message, fields) };
