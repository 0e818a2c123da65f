//! `serve --demo`: the folder `examples/demo` is applied and sample events are fired, as anybody could by hand. What is outside
//! of a server is played here: a chat channel that is told, and Stripe, which delivers.

mod channel;
mod shown;
mod stripe;

pub(super) use channel::Channel;

use super::catalogue::{self, Ending, Files, Job};
use super::client::Client;
use super::{ServerArgs, output};
use crate::domain::Clock;
use crate::server::SystemClock;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use stripe::Stripe;

/// How long a sample may take before the demo goes on without it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a chain.
const PAUSE: Duration = Duration::from_millis(20);

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../../examples/", $path)).as_slice())),*]
    };
}

/// What is applied: the folder, and what it names.
const FILES: [(&str, &[u8]); 19] = files![
    "demo/air.yaml",
    "demo/bookings.yaml",
    "demo/channel.yaml",
    "demo/mornings.yaml",
    "demo/payments.yaml",
    "demo/pictures.yaml",
    "demo/places.yaml",
    "demo/secrets.yaml",
    "demo/webhooks.yaml",
    "booking-chat/action.js",
    "stripe-payments/action.ts",
    "components/air_quality.wasm",
    "components/booking_calendar.wasm",
    "components/booking_notice.wasm",
    "components/door_code.wasm",
    "components/failure_gallery.wasm",
    "components/image_hash.wasm",
    "components/invoice_render.wasm",
    "components/issue_triage.wasm",
];

/// How something comes to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Fired,
    /// Fired for a booking that begins in [`SOON_MS`].
    Soon,
    /// Signed and delivered, as Stripe does it.
    Delivered,
}

/// What happens, on which object, and files with payloads for it.
struct Sample {
    event_type: &'static str,
    object: Option<(&'static str, &'static str)>,
    way: Way,
    payloads: &'static [(&'static str, &'static [u8])],
}

/// The channel is told five minutes before: a second to see it wait.
const SOON_MS: u64 = (5 * 60 + 1) * 1_000;
const ROOM: Option<(&str, &str)> = Some(("public.bookable", "42"));

const SAMPLES: [Sample; 9] = [
    Sample {
        event_type: "booking_created",
        object: ROOM,
        way: Way::Fired,
        payloads: &files!["booking-calendar/sample.json"],
    },
    Sample {
        event_type: "booking_created",
        object: Some(("public.bookable", "43")),
        way: Way::Fired,
        payloads: &files!["booking-calendar/samples/backwards.json"],
    },
    Sample {
        event_type: "booking_starts",
        object: ROOM,
        way: Way::Soon,
        payloads: &files!["booking-chat/sample.json"],
    },
    Sample {
        event_type: "github.issues",
        object: Some(("repository", "octo-org/octo-repo")),
        way: Way::Fired,
        payloads: &files!["issue-triage/sample.json"],
    },
    Sample {
        event_type: "stripe.invoice.paid",
        object: None,
        way: Way::Fired,
        payloads: &files!["invoice-render/sample.json"],
    },
    Sample {
        event_type: "stripe.payment",
        object: None,
        way: Way::Delivered,
        payloads: &files!["stripe-payments/sample.json", "stripe-payments/samples/refund.json"],
    },
    Sample {
        event_type: "picture_uploaded",
        object: ROOM,
        way: Way::Fired,
        payloads: &files!["image-hash/sample.json", "image-hash/samples/larger.json"],
    },
    Sample {
        event_type: "air_measured",
        object: ROOM,
        way: Way::Fired,
        payloads: &files!["air-quality/sample.json", "air-quality/samples/close.json", "air-quality/samples/bad.json",],
    },
    Sample {
        event_type: "gallery.fail",
        object: None,
        way: Way::Fired,
        payloads: &files![
            "failure-gallery/samples/ok.json",
            "failure-gallery/samples/warning.json",
            "failure-gallery/samples/reject.json",
            "failure-gallery/samples/retry.json",
            "failure-gallery/samples/retry_after.json",
            "failure-gallery/samples/trap.json",
            "failure-gallery/samples/loop.json",
            "failure-gallery/samples/memory.json",
            "failure-gallery/samples/stack.json",
            "failure-gallery/samples/log_flood.json",
            "failure-gallery/samples/huge_output.json",
            "failure-gallery/samples/wait.json",
        ],
    },
];

/// Applies the folder to the server, fires the samples, and prints what became of them. `channel` is where the chat channel
/// takes messages.
pub(super) fn run(server: &ServerArgs, channel: &str, json: bool) -> Result<()> {
    let client = Client::new(server)?;
    let applied = apply(&client, channel).context("the demo could not be applied")?;
    if json {
        output::line(&applied);
    } else {
        let count = |name: &str| applied["data"][name].as_u64().unwrap_or(0);
        let (new, old) = (count("created") + count("changed"), count("unchanged"));
        println!("\nexamples/demo was applied: {new} things new, {old} as they were. Then this happened:");
    }
    let stage = Stage { stripe: Stripe::find(&client)?, client };
    let mut last = None;
    for sample in &SAMPLES {
        for (file, payload) in sample.payloads {
            let events = stage.play(sample, payload).with_context(|| format!("{file} was not fired"))?;
            if json {
                events.iter().for_each(|event| output::line(&shown::short(file, event)));
            } else {
                shown::show(file, sample.way, &events);
            }
            last = last.or_else(|| events[0]["runs"][0]["id"].as_str().map(str::to_owned));
        }
    }
    stage.deliver_badly(json).context("what Stripe delivers twice, or somebody else delivers")?;
    if json {
        output::line(&json!({ "demo": "shown" }));
    } else {
        shown::show_next(server, &last.unwrap_or_default());
    }
    Ok(())
}

/// Secrets whose values both sides must have: `value_from`, key, value.
fn secrets(channel: &str) -> [(&'static str, &'static str, &str); 3] {
    [
        ("CHAT_URL", "chat_url", channel),
        ("CHAT_TOKEN", "chat_token", channel::TOKEN),
        ("STRIPE_WEBHOOK_SECRET", "stripe_webhook", stripe::SIGNING),
    ]
}

fn apply(client: &Client, channel: &str) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    for (path, bytes) in FILES {
        let path = folder.path().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, bytes)?;
    }
    let secrets = secrets(channel);
    // Others are keys of nobody's: nothing is sent with them, they only show that they are masked.
    let values = |name: &str| {
        let played = secrets.iter().find(|(env, _, _)| *env == name).map(|(_, _, value)| (*value).to_owned());
        played.or_else(|| std::env::var(name).ok()).or_else(|| Some(format!("{name}-of-the-demo")))
    };
    let mut files = Files::read(&folder.path().join("demo"), &values)?;
    let applied = catalogue::send(client, &mut files, &Job { owner: None, prune: false, ending: Ending::Do })?;
    // `apply` leaves the values of secrets alone that are there, and the channel is elsewhere at each start.
    for (_, key, value) in secrets {
        let body = json!({ "value": value }).to_string();
        client.put(&format!("/secret/{key}"), &[], body.as_bytes())?;
    }
    Ok(applied)
}

/// Where samples are played: the server, and those outside of it.
struct Stage {
    client: Client,
    stripe: Stripe,
}

impl Stage {
    /// Makes one sample happen, and gives its event and those that followed from it, in order, all with their runs.
    fn play(&self, sample: &Sample, payload: &[u8]) -> Result<Vec<Value>> {
        let mut payload: Value = serde_json::from_slice(payload)?;
        let now = SystemClock.now();
        let id = match sample.way {
            Way::Fired => self.fire(sample, &payload)?,
            Way::Soon => {
                payload["starts_at"] = now.plus_ms(SOON_MS).to_string().into();
                self.fire(sample, &payload)?
            }
            Way::Delivered => self.stripe.deliver(&fresh(payload, now.as_ms()), now.as_ms() / 1_000)?,
        };
        self.follow(&id)
    }

    fn fire(&self, sample: &Sample, payload: &Value) -> Result<String> {
        let mut body = json!({ "event_type": sample.event_type, "payload": payload });
        if let Some((object_type, object_id)) = sample.object {
            body["object"] = json!({ "object_type": object_type, "object_id": object_id });
        }
        let prefer = [("prefer", format!("wait={}", PATIENCE.as_secs()))];
        let fired = self.client.post("/event", &prefer, body.to_string().as_bytes())?["data"].take();
        Ok(fired["id"].as_str().context("the server gave no event")?.to_owned())
    }

    fn follow(&self, id: &str) -> Result<Vec<Value>> {
        let started = Instant::now();
        loop {
            let events = self.client.get(&format!("/event?root_id={id}&sort=created_at&limit=200"))?["data"].take();
            let events = events.as_array().cloned().unwrap_or_default();
            let open =
                events.iter().any(|event| matches!(event["state"].as_str(), Some("QUEUED" | "WAITING" | "RUNNING")));
            if !open || started.elapsed() > PATIENCE {
                let whole = |event: &Value| Ok(self.client.get(&path(event))?["data"].take());
                let events: Vec<Value> = events.iter().map(whole).collect::<Result<_>>()?;
                if events.is_empty() {
                    bail!("the event {id} is not there");
                }
                return Ok(events);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The same delivery twice is one event, and one that somebody else signed is none.
    fn deliver_badly(&self, json: bool) -> Result<()> {
        let now_ms = SystemClock.now().as_ms();
        let ping = json!({ "id": "evt_nothing", "type": "customer.created", "created": 0, "livemode": false, "data": { "object": { "id": "cus_1" } } });
        let ping = fresh(ping, now_ms);
        let [first, second] =
            [self.stripe.deliver(&ping, now_ms / 1_000)?, self.stripe.deliver(&ping, now_ms / 1_000)?];
        let forged = self.stripe.forge(&ping, now_ms / 1_000)?;
        if json {
            output::line(&json!({ "delivered": { "first": first, "second": second }, "forged": forged }));
        } else if first == second {
            println!("\nWhat Stripe delivers twice is one event. Signed by somebody else it is refused:\n  {forged}");
        }
        Ok(())
    }
}

/// Another event of Stripe's at each start: one that was delivered before would be known.
fn fresh(mut payload: Value, now_ms: i64) -> Value {
    let id = payload["id"].as_str().unwrap_or_default();
    payload["id"] = format!("{id}_{now_ms}").into();
    payload
}

fn path(event: &Value) -> String {
    format!("/event/{}", event["id"].as_str().unwrap_or_default())
}
