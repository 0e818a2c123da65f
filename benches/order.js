// What an order comes to: the same action as tests/guests/order.
import { Reject, outcome } from "fusebox";

const RATES = { CH: 81, DE: 190, FR: 200 };

const amount = (cents) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

export default function ({ id, country, lines = [] }) {
  if (lines.length === 0) throw new Reject(`order ${id} has no lines`, { code: 3 });
  const rate = RATES[country];
  if (rate === undefined) throw new Reject(`no rate for ${country}`, { code: 4 });
  let net = 0;
  const texts = [];
  const warnings = [];
  for (const { sku, quantity, cents } of lines) {
    if (quantity === 0) {
      warnings.push(`nothing was ordered of ${sku}`);
      continue;
    }
    net += quantity * cents;
    texts.push(`${quantity} x ${sku}: ${amount(quantity * cents)}`);
  }
  const tax = Math.round((net * rate) / 1000);
  texts.push(`tax: ${amount(tax)}, in all: ${amount(net + tax)}`);
  return outcome({ id, net, tax, total: net + tax, text: texts.join("\n") }, { warnings });
}
