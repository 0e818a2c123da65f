import host from "#host/emit";
import { asking } from "./failure.js";

/** @type {typeof import("./index.js").emit} */
export function emit(eventType, payload, object) {
  asking("emit", () => host.event(eventType, JSON.stringify(payload ?? null), object ?? null));
}
