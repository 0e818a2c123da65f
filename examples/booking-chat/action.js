// Tells a chat channel that a booking is about to begin. Its action waits by `when: {at: /starts_at, offset: -5m}`.
//
// params: `chat_url` (where the channel takes messages), `chat_token` (a secret), `time_zone_offset` (minutes; optional).

import { Reject, Retry, action, http, log, outcome } from "fusebox";

/** Not recoverable by trying again: the channel does not want this message. */
const CODE_REFUSED = 20;
const CODE_NO_START = 21;
const MS_PER_MINUTE = 60_000;
const TITLE_MAX = 200;

/** `14:05`, where the office is. */
function clock(time, offsetMinutes) {
  return new Date(time + offsetMinutes * MS_PER_MINUTE).toISOString().slice(11, 16);
}

/** What people would take for a mention, or for markup, is a text like any other. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").slice(0, TITLE_MAX);
}

function message(booking, ctx) {
  const startsAt = Date.parse(booking.starts_at);
  if (Number.isNaN(startsAt)) throw new Reject(`starts_at is no time: ${booking.starts_at}`, { code: CODE_NO_START });
  const minutes = Math.round((startsAt - ctx.now) / MS_PER_MINUTE);
  const when = minutes > 0 ? `in ${minutes} min` : minutes > -5 ? "now" : `${-minutes} min ago`;
  const where = booking.location ? ` in ${plain(booking.location)}` : "";
  const at = clock(startsAt, ctx.params.time_zone_offset ?? 0);
  return { text: `*${plain(booking.title ?? booking.id)}* begins ${when} (${at})${where}`, late: minutes <= -5 };
}

/** How long the channel asks us to wait; without a word about it the retry policy decides. */
function patience(response) {
  const seconds = Number(response.header("retry-after"));
  return seconds > 0 ? { afterMs: seconds * 1000 } : {};
}

export default action(async (booking, ctx) => {
  const { text, late } = message(booking, ctx);
  const response = http.send({
    method: "POST",
    url: ctx.params.chat_url,
    // The run's id is the same for all attempts, so a channel that knows it shows the message once.
    headers: { authorization: `Bearer ${ctx.params.chat_token}`, "idempotency-key": ctx.runId },
    body: { text },
    timeoutMs: 5000,
  });
  log.info("told the channel", { status: response.status, booking: booking.id });
  if (response.status === 429 || response.status >= 500) {
    throw new Retry(`the channel answered ${response.status}`, patience(response));
  }
  if (!response.ok) throw new Reject(`the channel answered ${response.status}: ${response.text().slice(0, 200)}`, { code: CODE_REFUSED });
  return outcome({ text, status: response.status }, { warnings: late ? ["the booking had begun long before"] : [] });
});
