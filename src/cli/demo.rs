//! `serve --demo`: the folder `examples/demo` is applied and sample events are fired, as anybody could by hand.

use super::catalogue::{self, Ending, Files, Job};
use super::client::Client;
use super::{ServerArgs, output};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a sample may take before the demo goes on without it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a chain.
const PAUSE: Duration = Duration::from_millis(20);

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../examples/", $path)).as_slice())),*]
    };
}

/// What is applied: the folder, and the components that it names.
const FILES: [(&str, &[u8]); 10] = files![
    "demo/bookings.yaml",
    "demo/mornings.yaml",
    "demo/places.yaml",
    "demo/secrets.yaml",
    "demo/webhooks.yaml",
    "components/booking_calendar.wasm",
    "components/booking_notice.wasm",
    "components/failure_gallery.wasm",
    "components/invoice_render.wasm",
    "components/issue_triage.wasm",
];

/// A booking short enough to be typed, and where.
const BOOKING: &str = r#"{"id":"bk_1","title":"Breakfast","starts_at":"2096-05-04T08:00:00Z","ends_at":"2096-05-04T09:00:00Z","organizer":{"name":"Ada","email":"ada@example.com"}}"#;
const OBJECT: &str = "object_type=public.bookable&object_id=42";

/// An event type, an object, and files with payloads for them.
type Shown = (&'static str, Option<(&'static str, &'static str)>, &'static [(&'static str, &'static [u8])]);

const SAMPLES: [Shown; 5] = [
    ("booking_created", Some(("public.bookable", "42")), &files!["booking-calendar/sample.json"]),
    ("booking_created", Some(("public.bookable", "43")), &files!["booking-calendar/samples/backwards.json"]),
    ("github.issues", Some(("repository", "octo-org/octo-repo")), &files!["issue-triage/sample.json"]),
    ("stripe.invoice.paid", None, &files!["invoice-render/sample.json"]),
    (
        "gallery.fail",
        None,
        &files![
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
    ),
];

/// Applies the folder to the server, fires the samples, and prints what became of them.
pub(super) fn run(server: &ServerArgs, json: bool) -> Result<()> {
    let client = Client::new(server)?;
    let applied = apply(&client).context("the demo could not be applied")?;
    if json {
        output::line(&applied);
    } else {
        let count = |name: &str| applied["data"][name].as_u64().unwrap_or(0);
        let (new, old) = (count("created") + count("changed"), count("unchanged"));
        println!("\nexamples/demo was applied: {new} things new, {old} as they were. Then this was fired:");
    }
    let mut last = None;
    for (event_type, object, samples) in SAMPLES {
        for (file, payload) in samples {
            let events = fire(&client, event_type, object, payload).with_context(|| format!("{file} was not fired"))?;
            if json {
                events.iter().for_each(|event| output::line(&short(file, event)));
            } else {
                show(file, &events);
            }
            last = last.or_else(|| events[0]["runs"][0]["id"].as_str().map(str::to_owned));
        }
    }
    if json {
        output::line(&json!({ "demo": "shown" }));
    } else {
        show_next(server, &last.unwrap_or_default());
    }
    Ok(())
}

fn apply(client: &Client) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    for (path, bytes) in FILES {
        let path = folder.path().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, bytes)?;
    }
    // A key of nobody's: the demo sends nothing, it only shows that the key is masked.
    let values = |name: &str| std::env::var(name).ok().or_else(|| Some(format!("{name}-of-the-demo")));
    let mut files = Files::read(&folder.path().join("demo"), &values)?;
    catalogue::send(client, &mut files, &Job { owner: None, prune: false, ending: Ending::Do })
}

/// Fires one sample, and gives its event and those that followed from it, in order, all with their runs.
fn fire(client: &Client, event_type: &str, object: Option<(&str, &str)>, payload: &[u8]) -> Result<Vec<Value>> {
    let payload: Value = serde_json::from_slice(payload)?;
    let mut body = json!({ "event_type": event_type, "payload": payload });
    if let Some((object_type, object_id)) = object {
        body["object"] = json!({ "object_type": object_type, "object_id": object_id });
    }
    let prefer = [("prefer", format!("wait={}", PATIENCE.as_secs()))];
    let fired = client.post("/event", &prefer, body.to_string().as_bytes())?["data"].take();
    let id = fired["id"].as_str().context("the server gave no event")?;
    let started = Instant::now();
    loop {
        let events = client.get(&format!("/event?root_id={id}&sort=created_at&limit=200"))?["data"].take();
        let events = events.as_array().cloned().unwrap_or_default();
        let open = events.iter().any(|event| matches!(event["state"].as_str(), Some("QUEUED" | "WAITING" | "RUNNING")));
        if !open || started.elapsed() > PATIENCE {
            let whole = |event: &Value| Ok(client.get(&path(event))?["data"].take());
            let events: Vec<Value> = events.iter().map(whole).collect::<Result<_>>()?;
            if events.is_empty() {
                bail!("the event {id} is not there");
            }
            return Ok(events);
        }
        std::thread::sleep(PAUSE);
    }
}

fn path(event: &Value) -> String {
    format!("/event/{}", event["id"].as_str().unwrap_or_default())
}

/// An event and its runs for programs, on one line.
fn short(file: &str, event: &Value) -> Value {
    let run = |run: &Value| json!({ "id": run["id"], "action": run["action"], "scope": run["scope"], "state": run["state"], "reason": run["reason"] });
    let runs: Vec<Value> = event["runs"].as_array().into_iter().flatten().map(run).collect();
    json!({
        "sample": file, "event": event["id"], "event_type": event["event_type"], "parent": event["parent_id"],
        "state": event["state"], "reason": event["reason"], "runs": runs,
    })
}

/// Every run with where it came from, and what followed from it below.
fn show(file: &str, events: &[Value]) {
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let object = place(&event["object"]).map(|object| format!(" on {object}")).unwrap_or_default();
        match event["parent_id"].as_str() {
            None => println!("\n{}{object}  ({file})", text("event_type")),
            Some(_) => println!("  and then {}", text("event_type")),
        }
        for run in event["runs"].as_array().into_iter().flatten() {
            show_run(run, &event["object"]);
        }
        if !text("message").is_empty() && event["runs"].as_array().is_none_or(Vec::is_empty) {
            println!("  {}", text("message"));
        }
    }
}

fn show_run(run: &Value, object: &Value) {
    let text = |name: &str| run[name].as_str().unwrap_or_default();
    let attempts = run["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = |name: &str| attempts.last().and_then(|attempt| attempt["usage"][name]["used"].as_f64()).unwrap_or(0.0);
    let from = match place(&run["scope"]) {
        None => "the event type's own".to_owned(),
        Some(_) if run["scope"] == *object => "attached to it".to_owned(),
        Some(scope) => format!("attached to {scope}"),
    };
    let tries = if attempts.len() > 1 { format!(" ({} attempts)", attempts.len()) } else { String::new() };
    let state = output::state(text("state"), run["reason"].as_str());
    let (wall_ms, fuel) = (used("wall_ms"), output::group(used("fuel")));
    let message = text("message").lines().next().unwrap_or_default();
    let action = text("action");
    anstream::println!("  {state} {action:<18} {wall_ms:>9.3} ms {fuel:>13} fuel  {from}{tries}  {message}");
}

fn place(object: &Value) -> Option<String> {
    Some(format!("{}/{}", object["object_type"].as_str()?, object["object_id"].as_str()?))
}

/// What to try next, each line as it can be pasted.
fn show_next(server: &ServerArgs, run: &str) {
    let (url, data) = (&server.url, server.data.display());
    println!("\nLook around from another terminal, in this folder (or cargo run --release -- instead of fusebox):");
    if url != super::URL {
        println!("  export FUSEBOX_URL={url}");
    }
    if server.data != Path::new(super::DATA) {
        println!("  export FUSEBOX_DATA={data}");
    }
    println!("  fusebox runs                      # what ran");
    println!("  fusebox runs {run}   # one run: input, output, used against limit");
    println!("  fusebox logs {run}   # what it said");
    println!("  fusebox export mine               # all of it as files; change them, then");
    println!("  fusebox apply -f mine --dry-run   # what would change; without --dry-run it does");
    println!("\nOr with nothing but curl:");
    println!("  auth=\"authorization: Bearer $(cat {data}/{})\"", crate::server::ADMIN_TOKEN_FILE);
    println!(
        "  curl -sS -H \"$auth\" -H 'prefer: wait=10' '{url}/trigger/booking_created?{OBJECT}' --data '{BOOKING}'"
    );
    println!("  curl -sS -H \"$auth\" '{url}/object/public.bookable/42/effective?event_type=booking_created'");
    println!("  curl -sS -H \"$auth\" '{url}/run?state=ERROR'");
    println!("  curl -sS {url}/openapi.json");
    println!("\nStop with Ctrl-C; everything is kept.");
}
