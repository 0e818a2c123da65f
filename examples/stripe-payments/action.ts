// Makes one shape of Stripe's many: whatever says that money came or went becomes a payment of ours, once.
//
// The server has verified the signature already (a source with the preset `stripe`). params: `live` (boolean; optional): which
// of Stripe's two worlds this is, so that a test payment never counts. What it counts it fires as `payment_counted`.

import { Reject, action, emit, kv, log, outcome } from "fusebox";

interface StripeEvent {
  id: string;
  type: string;
  created: number;
  livemode: boolean;
  data: { object: StripeObject };
}

interface StripeObject {
  id: string;
  amount?: number;
  amount_received?: number;
  amount_refunded?: number;
  amount_paid?: number;
  amount_total?: number | null;
  currency?: string;
  customer?: string | { id: string } | null;
  payment_intent?: string | { id: string } | null;
  metadata?: Record<string, string>;
  last_payment_error?: { code?: string; message?: string } | null;
}

type Kind = "received" | "refunded" | "failed";

/** The payload of `payment_counted`. */
export interface Payment {
  kind: Kind;
  /** What Stripe knows the payment by. */
  payment: string;
  /** In the currency's smallest unit, as Stripe has it. */
  amount: number;
  currency: string;
  customer: string | null;
  order: string | null;
  at: string;
  reason: string | null;
}

const CODE_SHAPE = 20;
const CODE_WORLD = 21;
/** Stripe sends an event again for three days. */
const REMEMBERED_MS = 4 * 24 * 60 * 60 * 1000;

/** Which kind of payment an event tells of, and which of its amounts is the one. */
const KINDS: Record<string, [Kind, (object: StripeObject) => number | null | undefined]> = {
  "payment_intent.succeeded": ["received", (object) => object.amount_received ?? object.amount],
  "payment_intent.payment_failed": ["failed", (object) => object.amount],
  "charge.refunded": ["refunded", (object) => object.amount_refunded],
  "invoice.paid": ["received", (object) => object.amount_paid],
  "checkout.session.completed": ["received", (object) => object.amount_total],
};

/** Stripe names a thing by its id, or, when asked to, shows all of it. */
const id = (thing: string | { id: string } | null | undefined): string | null =>
  typeof thing === "string" ? thing : (thing?.id ?? null);

function payment(event: StripeEvent): Payment | null {
  const found = Object.hasOwn(KINDS, event.type) ? KINDS[event.type] : undefined;
  if (!found) return null;
  const [kind, amountOf] = found;
  const { object } = event.data;
  const amount = amountOf(object);
  if (!Number.isInteger(amount) || !/^[a-z]{3}$/.test(object.currency ?? "")) {
    throw new Reject(`${event.type} ${event.id} has no amount and currency`, { code: CODE_SHAPE });
  }
  return {
    kind,
    payment: id(object.payment_intent) ?? object.id,
    amount: amount as number,
    currency: object.currency!.toUpperCase(),
    customer: id(object.customer),
    order: object.metadata?.order_id ?? null,
    at: new Date(event.created * 1000).toISOString(),
    reason: object.last_payment_error?.code ?? null,
  };
}

export default action<StripeEvent, { live?: boolean }>((event, ctx) => {
  const { live } = ctx.params;
  if (live !== undefined && live !== event.livemode) {
    throw new Reject(`${event.id} is of Stripe's ${event.livemode ? "live" : "test"} world`, { code: CODE_WORLD });
  }
  const found = payment(event);
  if (!found) return { ignored: event.type };
  // Stripe may deliver an event more than once, and says so.
  if (kv.get(`seen/${event.id}`)) return outcome({ repeated: event.id }, { warnings: [`${event.id} was counted before`] });
  kv.set(`seen/${event.id}`, "", { expect: "nothing", ttlMs: REMEMBERED_MS });
  log.info(`${found.kind} ${found.amount} ${found.currency}`, { payment: found.payment, order: found.order });
  // Not chained on: that would follow also from what is no payment, or was counted before.
  emit("payment_counted", found);
  return found;
});
