//! The overview: what there was lately as a drawing and in numbers, and what is the matter.

use crate::support::{Browser, TestServer, is_page};
use serde_json::json;

const MINUTE_MS: i64 = 60_000;

fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join("").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of a page between two marks.
#[track_caller]
fn between<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = html.split_once(from).unwrap_or_else(|| panic!("there is no {from} in {html}"));
    rest.split(to).next().unwrap()
}

#[test]
fn the_console_begins_with_the_overview() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let root = browser.get("/console");
    assert_eq!((root.status, root.header("location")), (303, "/console/overview"));
    let page = browser.get("/console/overview");
    let page = is_page(&page, 200);
    for words in [
        "Nothing was fired in this time.",
        "Nothing: all is in order.",
        "No run failed in this time.",
        "Nothing runs at the moment.",
    ] {
        assert!(page.contains(words), "there is no {words:?} in {page}");
    }
    assert!(
        page.contains("data-stream=\"/console/stream\"")
            && page.contains("data-live hx-get=\"/console/overview?span=1h\"")
    );
    assert_eq!(browser.get("/console/overview?span=odd").status, 400);
}

#[test]
fn events_and_failures_are_drawn_and_stand_below_in_numbers() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-01-10T12:00:00Z");
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    for way in ["reject", "warning", "warning", "warning"] {
        server.fire_and_wait("gallery", json!({ "way": way }));
    }
    server.pass_ms(30 * MINUTE_MS);
    server.fire_and_wait("gallery", json!({ "way": "trap" }));
    let browser = Browser::admin(&server);
    let page = browser.get("/console/overview");
    let page = is_page(&page, 200);
    let drawn = between(page, "<svg", "</svg>");
    assert!(
        drawn.contains("role=\"img\" aria-label=\"5 events, of which 2 failed; at most 4 in one minute\""),
        "{drawn}"
    );
    // A quarter of the highest bar failed; the lower one is as high as that, and all red.
    let bars: Vec<&str> = drawn.split("<g>").skip(1).collect();
    assert_eq!(bars.len(), 2, "{drawn}");
    for mark in ["y=\"0\"", "height=\"120\"", "y=\"120\"", "height=\"40\""] {
        assert!(bars[0].contains(mark), "there is no {mark} in {}", bars[0]);
    }
    assert!(
        bars[1].contains("class=\"error\"")
            && bars[1].contains("height=\"40\"")
            && !bars[1].contains("class=\"plain\""),
        "{}",
        bars[1]
    );
    assert!(bars[0].contains("<title>2026-01-10T12:00:00.000Z: 4 events, 1 failed</title>"), "{}", bars[0]);
    let numbers = between(page, "<details id=\"numbers\"", "</details>");
    assert!(
        text(numbers).ends_with("2026-01-10 12:30:00 UTC11 2026-01-10 12:00:00 UTC41")
            || text(numbers).contains("12:30:00 UTC11"),
        "{}",
        text(numbers)
    );
    let failed = "/console/events?span=custom&#38;from=2026-01-10T12%3A00%3A00.000Z&#38;to=2026-01-10T12%3A01%3A00.000Z&#38;state=ERROR";
    assert!(numbers.contains(failed), "{numbers}");
    let list = browser.get(&failed.replace("&#38;", "&"));
    assert_eq!(is_page(&list, 200).matches("<tr id=\"e-").count(), 1, "each number leads to just these events");
    let figures = text(between(page, "<dl class=\"figures\">", "</dl>"));
    assert_eq!(figures, "Events5 Failed2 40.0 % Running now0 Waiting0");
    assert!(page.contains("href=\"/console/events?span=1h&#38;state=ERROR\""), "{page}");
    let failing = text(between(page, "id=\"failing-title\"", "</section>"));
    assert!(
        failing.contains("gallery") && failing.contains("guest_error 1") && failing.contains("trap 1"),
        "{failing}"
    );
    assert!(page.contains("href=\"/console/events?span=1h&#38;state=ERROR&#38;reason=trap\""), "{page}");
    for (span, bars) in [("24h", 2), ("7d", 1)] {
        let page = browser.get(&format!("/console/overview?span={span}")).text;
        assert_eq!(page.matches("<g>").count(), bars, "{span}");
        assert!(page.contains("5 events, of which 2 failed"), "{span}");
    }
    let part = browser.part("/console/overview?span=24h", "lately");
    assert!(is_page(&part, 200).trim_start().starts_with("<div id=\"lately\""), "{}", part.text);
    server.pass_ms(3 * 60 * MINUTE_MS);
    assert!(browser.get("/console/overview").text.contains("Nothing was fired in this time."));
}

#[test]
fn what_runs_waits_and_is_the_matter_is_named_with_a_link_to_it() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    let action = server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let event = server.fire("gallery", json!({ "way": "wait", "n": 0 }));
    let run = server.until_run_is(&event, "RUNNING")["id"].as_str().unwrap().to_owned();
    server.fire("gallery", json!({ "way": "wait", "n": 1 }));
    server.until_gauge("fusebox_runs_queued", 1);
    let held = server.admin.post("/event-type", &json!({ "display_name": "held" })).expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.admin.post("/event-type/held/pause", &json!({})).expect(200);
    server.admin.put("/sink/local", &json!({ "name": "local", "enabled": false })).expect(200);
    let browser = Browser::admin(&server);
    let page = browser.get("/console/overview");
    let page = is_page(&page, 200);
    assert!(text(between(page, "<dl class=\"figures\">", "</dl>")).ends_with("Running now1 Waiting1"), "{page}");
    let matters = between(page, "<ul class=\"matters\">", "</section>");
    let words = text(matters);
    for expected in [
        "1 sink type has runs that no sink takes wasm 1 run waits",
        "1 sink is offline local last seen",
        "1 event type is paused held 0 events are held",
    ] {
        assert!(words.contains(expected), "there is no {expected:?} in {words}");
    }
    assert!(
        matters.contains("href=\"/console/sinks\"")
            && matters.contains(&format!("href=\"/console/event-types/{held}\"")),
        "{matters}"
    );
    let running = between(page, "id=\"running-title\"", "</section>");
    assert!(running.contains(&format!("<a href=\"/console/runs/{run}\">gallery</a>")), "{running}");
    assert!(text(between(page, "id=\"queues-title\"", "</section>")).contains("wasmOFFLINE1"), "{page}");
    assert!(!page.contains(&format!("/console/actions/{action}\"")), "nothing failed");
}

#[test]
fn a_tenant_sees_nothing_of_anothers() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let (a, token) = server.client_and_token_for("a", &["read", "execute"]);
    let (_, other) = server.client_and_token_for("b", &["admin"]);
    let fired = a.request("POST", "/event").header("prefer", "wait=60");
    fired.json(&json!({ "event_type": "gallery", "payload": { "way": "reject" } })).send().expect(200);
    let figures = |token: &str, query: &str| {
        let page = Browser::signed_in(&server, token).get(&format!("/console/overview{query}"));
        text(between(is_page(&page, 200), "<dl class=\"figures\">", "</dl>"))
    };
    assert!(figures(&token, "").starts_with("Events1 Failed1 100.0 %"));
    assert!(figures(&other, "").starts_with("Events0 Failed0"));
    assert!(figures(&other, "?owner_id=a").starts_with("Events0 Failed0"));
    assert!(figures(&server.token, "").starts_with("Events1 Failed1"));
    let (_, blind) = server.client_and_token_for("a", &["write"]);
    assert_eq!(Browser::signed_in(&server, &blind).get("/console/overview").status, 403);
}
