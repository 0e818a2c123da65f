// The types of authors say what the contract says: this file compiles only as long as they do.

import budgetHost, { type Remaining } from "fusebox:action/budget";
import type { Error as EmitError } from "fusebox:action/emit";
import type { Error as HttpError, Request, Response } from "fusebox:action/http";
import type { Error as KvError, Scope } from "fusebox:action/kv";
import type { Level } from "fusebox:action/log";
import type { Context as Sent, Failure, Outcome as Done } from "fusebox:action/types";
import { HostError, Outcome, Reject, Retry, action, budget, emit, http, kv, log, outcome } from "fusebox";
import type { Context, HttpRequest, HttpResponse, KvOptions, ObjectRef } from "fusebox";
import { refused, run } from "fusebox/testing";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <Claim extends true>(): Claim | void => {};

// All of the context but what is handed over otherwise: the payload as the first argument, the seed as `random`.
holds<Same<keyof Context, Exclude<keyof Sent, "payload" | "seed">>>();
holds<Same<keyof Context["chain"], keyof Sent["chain"]>>();
holds<Same<Context["budget"], Readonly<Sent["budget"]>>>();
holds<Same<ObjectRef, Readonly<NonNullable<Sent["object"]>>>>();
holds<Same<keyof typeof log, Level>>();
holds<Same<HostError["kind"], (KvError | EmitError | HttpError)["tag"]>>();
holds<Same<NonNullable<KvOptions["scope"]>, Scope>>();
holds<Same<ReturnType<typeof budget.left>, Remaining>>();
holds<Same<keyof typeof budget, keyof typeof budgetHost>>();
holds<Same<keyof HttpRequest, keyof Request>>();
holds<Same<Exclude<keyof Response, "body">, Extract<keyof HttpResponse, keyof Response>>>();
holds<Same<keyof Outcome, keyof Done>>();
holds<Same<Reject["code"], Extract<Failure, { tag: "reject" }>["val"]["code"]>>();
holds<Same<Retry["afterMs"], Extract<Failure, { tag: "retry" }>["val"]["afterMs"]>>();

interface Booking {
  id: string;
  guests: number;
}

/** What authors write. */
export const seat = action<Booking, { seats: number }, { table: string }>(async (payload, ctx) => {
  if (payload.guests > ctx.params.seats) throw new Reject("full", { code: 10 });
  const seen = kv.get(payload.id);
  kv.set(payload.id, { guests: payload.guests }, { expect: seen?.version ?? "nothing", ttlMs: 1000 });
  emit("seated", { table: ctx.input.table }, { objectType: "table", objectId: ctx.input.table });
  log.info("seated", { guests: payload.guests });
  const answer = http.send({ method: "POST", url: "https://chat.test", body: { text: "x" } });
  return outcome({ status: answer.status }, { warnings: ["x"], event: payload });
});

export const report = run(seat, { payload: { id: "b", guests: 2 }, params: { seats: 4 }, http: () => refused("denied") });

// @ts-expect-error - a level that there is not
log.fatal("x");
// @ts-expect-error - an expectation that there is not
kv.set("a", 1, { expect: "something" });
// @ts-expect-error - the code is a number
new Reject("x", { code: "10" });
// @ts-expect-error - bookings have no names
action<Booking>((payload) => payload.name);
// @ts-expect-error - a refusal that there is not
refused("forbidden");

export type { Context };
