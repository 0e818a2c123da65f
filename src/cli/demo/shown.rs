//! What became of the samples, for people and for programs.

use super::Way;
use crate::cli::{DATA, ServerArgs, URL, output};
use crate::domain::Clock;
use crate::server::SystemClock;
use serde_json::{Value, json};
use std::path::Path;

/// A booking short enough to be typed, and where.
const BOOKING: &str = r#"{"id":"bk_1","title":"Breakfast","starts_at":"2096-05-04T08:00:00Z","ends_at":"2096-05-04T09:00:00Z","organizer":{"name":"Ada","email":"ada@example.com"}}"#;
const OBJECT: &str = "object_type=public.bookable&object_id=42";
/// When what is shown next begins: the channel is told a minute after.
const NEXT_MS: u64 = 6 * 60 * 1_000;

/// An event and its runs for programs, on one line.
pub(super) fn short(file: &str, event: &Value) -> Value {
    let run = |run: &Value| json!({ "id": run["id"], "action": run["action"], "scope": run["scope"], "state": run["state"], "reason": run["reason"] });
    let runs: Vec<Value> = event["runs"].as_array().into_iter().flatten().map(run).collect();
    json!({
        "sample": file, "event": event["id"], "event_type": event["event_type"], "parent": event["parent_id"],
        "state": event["state"], "reason": event["reason"], "runs": runs,
    })
}

/// Every run with where it came from, and what followed from it below.
pub(super) fn show(file: &str, way: Way, events: &[Value]) {
    let how = match way {
        Way::Fired => "",
        Way::Soon => ", which begins in five minutes",
        Way::Delivered => ", signed and delivered as by Stripe",
    };
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let object = place(&event["object"]).map(|object| format!(" on {object}")).unwrap_or_default();
        match event["parent_id"].as_str() {
            None => println!("\n{}{object}  ({file}{how})", text("event_type")),
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
pub(super) fn show_next(server: &ServerArgs, run: &str) {
    let (url, data) = (&server.url, server.data.display());
    println!("\nLook around from another terminal, in this folder (or cargo run --release -- instead of fusebox):");
    if url != URL {
        println!("  export FUSEBOX_URL={url}");
    }
    if server.data != Path::new(DATA) {
        println!("  export FUSEBOX_DATA={data}");
    }
    println!("  fusebox runs                      # what ran");
    println!("  fusebox runs {run}   # one run: input, output, used against limit");
    println!("  fusebox logs {run}   # what it said");
    let next = SystemClock.now().plus_ms(NEXT_MS);
    println!(
        "  fusebox fire booking_starts --payload '{{\"id\":\"bk_2\",\"title\":\"Tea\",\"starts_at\":\"{next}\"}}'   # waits a minute, and the channel is told here"
    );
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
