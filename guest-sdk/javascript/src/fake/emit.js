import { host } from "./attempt.js";

export default { event: (eventType, payload, object) => host().emit(eventType, payload, object) };
