import host from "#host/emit";
import { asking } from "./failure.js";

export function emit(eventType, payload, object = null) {
  asking("emit", () => host.event(eventType, JSON.stringify(payload ?? null), object));
}
