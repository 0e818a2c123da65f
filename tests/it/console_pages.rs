//! The pages of events and runs: what they show, filter, and let one do.

use crate::support::{Browser, TestServer, is_ended, is_page};
use serde_json::{Value, json};

/// The ids of the rows of a list, in order.
fn rows(html: &str) -> Vec<String> {
    let ids = html.split("<tr id=\"e-").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// What stands behind a piece of HTML, up to another.
#[track_caller]
fn behind<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = html.split_once(from).unwrap_or_else(|| panic!("there is no {from} in {html}"));
    rest.split(to).next().unwrap()
}

/// The text of a piece of HTML.
fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text = parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(text, |text, (written, meant)| text.replace(written, meant))
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

#[test]
fn the_events_are_listed_with_what_became_of_them_the_newest_first() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/events");
    assert!(is_page(&empty, 200).contains("Nothing has fired yet."), "{}", empty.text);
    assert!(empty.text.contains("fusebox fire EVENT_TYPE"), "it says what to do next");
    server.install("noop", "noop", json!({}));
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    assert!(browser.get("/console/events").text.contains("fusebox fire gallery"));
    let body =
        json!({ "event_type": "noop", "payload": { "n": 17 }, "object": { "object_type": "place", "object_id": "7" } });
    let first =
        server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone();
    let second = server.fire_and_wait("gallery", json!({ "way": "reject" }));
    let page = browser.get("/console/events");
    let page = is_page(&page, 200);
    assert_eq!(rows(page), [id(&second), id(&first)]);
    let row = |event: &Value| behind(page, &format!("<tr id=\"e-{}\"", id(event)), "</tr>");
    let [good, bad] = [row(&first), row(&second)];
    assert!(good.contains("class=\"state success\">SUCCESS") && good.contains("title=\"{&#34;n&#34;:17}\""), "{good}");
    assert!(text(good).contains("noop platform place/7 {\"n\":17} API"), "{}", text(good));
    assert!(good.contains(&format!("datetime=\"{}\"", first["created_at"].as_str().unwrap())), "{good}");
    let message = second["message"].as_str().unwrap();
    assert!(!message.is_empty() && bad.contains("class=\"state error\">ERROR") && text(bad).contains(message), "{bad}");
    assert!(good.contains(&format!("hx-get=\"/console/events/{}\" hx-target=\"#panel\"", id(&first))), "{good}");
}

#[test]
fn a_list_is_filtered_searched_sorted_and_paged_by_its_address() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    server.install("noop", "noop", json!({}));
    server.install("other", "noop", json!({}));
    let mut fired = Vec::new();
    for n in 0..5 {
        server.pass_ms(3_600_000);
        let event_type = if n % 2 == 0 { "noop" } else { "other" };
        fired.push(id(&server.fire_and_wait(event_type, json!({ "word": format!("w{n}") }))).to_owned());
    }
    let found = |query: &str| {
        let part = browser.part(&format!("/console/events?{query}"), "list");
        let page = is_page(&part, 200).to_owned();
        assert!(page.trim_start().starts_with("<section id=\"list\""), "only the part is answered: {page}");
        assert_eq!(rows(&browser.get(&format!("/console/events?{query}")).text), rows(&page), "{query}");
        let places = rows(&page).into_iter().map(|id| fired.iter().position(|known| *known == id).unwrap());
        (places.collect::<Vec<_>>(), page)
    };
    for (query, expected) in [
        ("", vec![4, 3, 2, 1, 0]),
        ("sort=created_at", vec![0, 1, 2, 3, 4]),
        ("q=W3&state=&event_type=", vec![3]),
        ("event_type=OTHER", vec![3, 1]),
        ("state=ERROR", vec![]),
        ("state=success&q=w4", vec![4]),
        ("span=1h", vec![4, 3]),
        ("span=15m", vec![4]),
        ("span=24h&event_type=noop", vec![4, 2, 0]),
        ("span=custom&from=2023-11-15T00:13&to=2023-11-15T01:14", vec![2, 1]),
        ("span=custom&from=2023-11-15T00:13:20.000Z", vec![4, 3, 2, 1]),
        ("span=custom", vec![4, 3, 2, 1, 0]),
        ("from=2023-11-15T00:13", vec![4, 3, 2, 1, 0]),
    ] {
        assert_eq!(found(query).0, expected, "{query}");
    }
    assert!(found("state=ERROR").1.contains("No event matches."));
    assert!(found("state=ERROR&q=x").1.contains("href=\"/console/events\">Clear filters"));
    let (first, page) = found("limit=2&sort=created_at");
    let next = behind(&page, "rel=\"next\" href=\"/console/events?", "\"").replace("&#38;", "&");
    let (second, page) = found(&next);
    let next = behind(&page, "rel=\"next\" href=\"/console/events?", "\"").replace("&#38;", "&");
    assert_eq!((first, second, found(&next).0), (vec![0, 1], vec![2, 3], vec![4]));
    assert!(!found(&next).1.contains("data-live"), "a page in the middle stays as it is");
    for (query, status) in
        [("state=odd", 400), ("span=odd", 400), ("event_type=nothing", 404), ("limit=0", 400), ("odd=1", 400)]
    {
        let whole = browser.get(&format!("/console/events?{query}"));
        let part = browser.part(&format!("/console/events?{query}"), "list");
        assert!(is_page(&whole, status).contains("<nav"), "{query}");
        assert!(is_page(&part, status).trim_start().starts_with("<div id=\"list\" class=\"problem\""), "{}", part.text);
        let api = server.admin.get(&format!("/event?{query}"));
        if !query.starts_with("span") {
            assert!(part.text.contains(&format!("<code>{}</code>", api.body["code"].as_str().unwrap())), "{query}");
        }
    }
}

/// An event whose plan has a failure, what it stops, and what is skipped for another reason.
fn planned(server: &TestServer) -> Value {
    let digest = server.upload("failure_gallery");
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "after" })).expect(201);
    for (place, (name, more)) in [
        ("off", json!({ "enabled": false })),
        ("goes on", json!({ "continue_on_fail": true })),
        ("stops", json!({ "on_failure": "after" })),
        ("never", json!({})),
    ]
    .iter()
    .enumerate()
    {
        let mut body = json!({ "name": name, "module": digest, "trigger": "t", "retry": { "attempts": 1 } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
        let attachment = json!({ "object_type": "place", "object_id": "1", "priority": 100 - place });
        server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    }
    let object = json!({ "object_type": "place", "object_id": "1" });
    let body = json!({ "event_type": "t", "object": object, "payload": { "way": "reject" } });
    let fired = server.admin.post("/event", &body);
    server.until(id(fired.expect(202)), is_ended)
}

#[test]
fn an_events_page_has_its_plan_in_order_with_what_was_skipped_and_why() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let event = planned(&server);
    let page = browser.get(&format!("/console/events/{}", id(&event)));
    let page = is_page(&page, 200);
    let plan = behind(page, "<table class=\"rows plan\">", "</table>");
    for (place, run) in event["runs"].as_array().unwrap().iter().enumerate() {
        let row = text(behind(plan, &format!("<tr id=\"r-{}\"", id(run)), "</tr>"));
        let word = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
        let expected = format!("{} {} {}", place + 1, word("state"), word("action"));
        assert!(row.contains(&expected), "{row}: {expected}");
        assert!(row.contains(&word("reason")) && row.contains(&word("message")), "{row}: {run:#}");
        assert!(row.contains("place/1"), "{row}");
    }
    let states: Vec<&str> =
        event["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert!(states.contains(&"SKIPPED") && states.contains(&"ERROR"), "{states:?}");
    let drawn = behind(page, "<ol class=\"timeline\">", "</ol>");
    assert_eq!(drawn.matches("<li>").count(), states.len());
    assert!(drawn.contains("<rect class=\"error\"") && drawn.contains("attempt 1: "), "{drawn}");
    assert!(page.contains("&#34;way&#34;: &#34;reject&#34;"), "the payload is there in full");
    let child = server.chain(&event["id"], 2).into_iter().find(|child| child["parent_id"] == event["id"]).unwrap();
    for (here, other) in [(&event, &child), (&child, &event)] {
        let page = browser.get(&format!("/console/events/{}", id(here))).text;
        let chain = behind(&page, "<ol class=\"chain\">", "</ol>");
        assert_eq!(chain.matches("<li").count(), 2, "{chain}");
        assert!(
            chain.find("<strong>").is_some() && chain.contains(&format!("/console/events/{}\"", id(other))),
            "{chain}"
        );
        assert!(chain.contains("class=\"depth-0\"") && chain.contains("class=\"depth-1\""), "{chain}");
    }
    let panel = browser.part(&format!("/console/events/{}", id(&event)), "panel");
    assert!(is_page(&panel, 200).trim_start().starts_with("<article id=\"detail\""), "{}", panel.text);
    assert!(!panel.text.contains("<nav"));
}

#[test]
fn an_event_is_replayed_with_its_payload_or_another() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.install("noop", "noop", json!({}));
    let event = server.fire_and_wait("noop", json!({ "n": 1 }));
    let path = format!("/console/events/{}/replay", id(&event));
    let asked = browser.part(&path, "dialog");
    let asked = is_page(&asked, 200);
    assert!(asked.contains("name=\"/payload:json\"") && asked.contains("{\n  &#34;n&#34;: 1\n}"), "{asked}");
    let replayed = browser.post(&path, &[("/payload:json", "{\"n\": 2}")]);
    let new = replayed.header("location").strip_prefix("/console/events/").unwrap().to_owned();
    assert_eq!(replayed.status, 303);
    let new = server.event(&new);
    assert_eq!((&new["payload"], &new["replay_of"]), (&json!({ "n": 2 }), &event["id"]));
    // As htmx asks, the answer says where to go.
    let own = browser.csrf.clone();
    let headers = [("hx-request", "true"), ("x-csrf-token", own.as_str())];
    let sent = browser.post_as_it_is(&path, &[("/payload:json", "")], &headers);
    assert_eq!(sent.status, 200, "{}", sent.text);
    let same = server.event(sent.header("hx-redirect").strip_prefix("/console/events/").unwrap());
    assert_eq!(same["payload"], json!({ "n": 1 }));
    let refused = browser.post_as_it_is(&path, &[("/payload:json", "{\"n\": ")], &headers);
    let refused = is_page(&refused, 422);
    assert!(refused.contains("<li data-pointer=\"/payload\">") && refused.contains("not valid JSON"), "{refused}");
    assert!(refused.trim_start().starts_with("<div class=\"problem\""), "it goes into the form: {refused}");
    let run = format!("/console/runs/{}/replay", id(&event["runs"][0]));
    assert!(is_page(&browser.get(&run), 200).contains("Replay noop alone"));
    let replayed = browser.post(&run, &[]);
    let new = server.event(replayed.header("location").strip_prefix("/console/events/").unwrap());
    assert_eq!(new["replay_of_run"], event["runs"][0]["id"]);
    let audit = server.admin.get("/audit?what=replayed");
    assert_eq!(audit.body["count"], 3, "the audit log has it as of any caller: {}", audit.text);
}

#[test]
fn what_runs_is_cancelled_after_one_question() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let event = server.fire("gallery", json!({ "way": "wait" }));
    let run = server.until_run_is(&event, "RUNNING");
    let path = format!("/console/events/{event}/cancel");
    assert!(is_page(&browser.get(&format!("/console/events/{event}")), 200).contains(&format!("hx-get=\"{path}\"")));
    let question = browser.part(&path, "dialog");
    let question = is_page(&question, 200);
    assert!(text(question).contains("gallery · RUNNING: ends as CANCELLED"), "{question}");
    assert!(!is_ended(&server.event(&event)), "a question does nothing");
    assert_eq!(browser.post(&path, &[]).header("location"), format!("/console/events/{event}"));
    assert_eq!(server.event(&event)["state"], "CANCELLED");
    for path in [path, format!("/console/runs/{}/cancel", id(&run))] {
        assert!(is_page(&browser.get(&path), 409).contains("already_ended"));
        assert!(is_page(&browser.post(&path, &[]), 409).contains("already_ended"));
    }
    let other = server.fire("gallery", json!({ "way": "wait" }));
    let run = server.until_run_is(&other, "RUNNING");
    let path = format!("/console/runs/{}/cancel", id(&run));
    assert!(is_page(&browser.get(&path), 200).contains("Cancel this run of gallery?"));
    assert_eq!(browser.post(&path, &[]).status, 303);
    assert_eq!(server.event(&other)["runs"][0]["state"], "CANCELLED");
}

#[test]
fn a_runs_page_has_what_it_used_of_what_it_may_and_its_log() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let code = "export default (payload) => { console.debug(\"one\"); console.info(\"two\"); console.warn(\"three\", { n: 3 }); \
        return { said: payload.n }; }";
    let body = json!({ "name": "talks", "language": "javascript", "code": code });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("talk", &action, json!({}));
    let event = server.fire_and_wait("talk", json!({ "n": 4 }));
    let run = &event["runs"][0];
    let path = format!("/console/runs/{}", id(run));
    let page = browser.get(&path);
    let page = is_page(&page, 200);
    let used = &run["attempts"][0]["usage"]["fuel"];
    let (used, limit) = (used["used"].as_u64().unwrap(), used["limit"].as_u64().unwrap());
    let share = used * 1_000 / limit;
    assert!(page.contains(&format!("value=\"{share}\" aria-label=\"Fuel\"")), "{used} of {limit}: {page}");
    assert!(page.contains("&#34;said&#34;: 4") && page.contains(id(&event)), "{page}");
    let lines = |query: &str| {
        let part = browser.part(&format!("{path}{query}"), "log");
        let part = is_page(&part, 200);
        assert!(part.trim_start().starts_with("<div id=\"log\""), "{part}");
        let words = part.split("<span class=\"words\">").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(lines(""), ["one", "two", "three"]);
    assert_eq!(lines("?level=info"), ["two", "three"]);
    assert_eq!(lines("?level=debug&q=TWO"), ["two"]);
    assert!(lines("?level=error").is_empty());
    assert!(page.contains("<span class=\"pair\">n=3</span>"), "{page}");
    assert!(is_page(&browser.part(&format!("{path}?level=odd"), "log"), 400).contains("use trace, debug, info"));
}

#[test]
fn a_page_is_told_that_something_changed_once_in_a_while_however_much_does() {
    let mut server = TestServer::start();
    let (client, token) = server.client_and_token_for("a", &["read", "write", "execute"]);
    let browser = Browser::signed_in(&server, &token);
    let (_, other) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &other);
    let page = browser.get("/console/events").text;
    assert!(page.contains("data-stream=\"/console/stream\"") && page.contains("data-live hx-get=\"/console/events\""));
    let digest = client.request("POST", "/module").bytes(crate::support::component("noop")).send();
    let action = client.post("/action", &json!({ "name": "n", "module": digest.body["data"]["digest"] }));
    client.post("/event-type", &json!({ "display_name": "n", "action": action.expect(201)["id"] })).expect(201);
    let mut lines = browser.lines("/console/stream").filter(|line| line.starts_with("event:"));
    let others = stranger.lines("/console/stream").filter(|line| line.starts_with("event:"));
    let fire = |client: &crate::support::Client, event_type: &str| {
        client.request("POST", "/event").header("prefer", "wait=60").json(&json!({ "event_type": event_type })).send()
    };
    for _ in 0..20 {
        fire(&client, "n").expect(200);
    }
    assert_eq!(lines.next().unwrap(), "event: changed");
    assert_eq!(lines.next().unwrap(), "event: changed", "what came after the first tick is told by another");
    let odd = browser.get_with("/console/stream?odd=1", &[("accept", "text/event-stream")]);
    is_page(&odd, 400);
    // Everything that was committed is told before a stream ends, so whom nothing was told saw nothing.
    server.stop();
    assert_eq!(others.count(), 0, "another tenant was told");
}
