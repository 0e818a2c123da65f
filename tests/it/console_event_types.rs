//! The pages of event types: the list, one in words, its form, pausing, firing with a sample, deleting it.

use crate::console_actions::{behind, fields, lasting, names, rows, send, text};
use crate::support::{Browser, TestServer, is_page};
use serde_json::{Value, json};

/// An event type with something in every field; its id and that of its action.
fn full(server: &TestServer) -> (String, String) {
    let module = server.upload_bytes(crate::support::ECHO);
    let action = server.action("greet", &module, json!({}));
    server.admin.post("/source-type", &json!({ "name": "desk" })).expect(201);
    server.admin.post("/sink-type", &json!({ "name": "small", "limits": { "fuel": 5_000_000 } })).expect(201);
    let parameters = json!([
        { "name": "channel", "type": "STATIC", "value": "#vip" },
        { "name": "who", "type": "DATA", "value": "who", "default": [1] },
        { "name": "key", "type": "SECRET", "value": "bank.key" },
    ]);
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let id = server.event_type(
        "booked",
        &action,
        json!({ "description": "Somebody booked.", "sink_type": "small", "source_type": "desk", "flow": "up",
            "parameters": parameters, "payload_schema": schema, "dedup_window_s": 3_600 }),
    );
    (id, action)
}

#[test]
fn the_event_types_are_listed_filtered_sorted_and_paged() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/event-types");
    assert!(is_page(&empty, 200).contains("There is no event type yet."), "{}", empty.text);
    assert!(empty.text.contains(&format!("curl -X POST {}/event-type", server.url())), "it says what to do next");
    let (id, action) = full(&server);
    server.pass_ms(1_000);
    server
        .admin
        .post("/event-type", &json!({ "display_name": "alarm", "enabled": false, "description": "rings" }))
        .expect(201);
    server.pass_ms(1_000);
    server.admin.post("/event-type", &json!({ "display_name": "other", "owner_id": "a" })).expect(201);
    server.pass_ms(1_000);
    server.admin.post("/event-type/other/pause", &Value::Null).problem(404, "not_found");
    let other = server.admin.get("/event-type?owner_id=a").body["data"][0]["id"].as_str().unwrap().to_owned();
    server.admin.post(&format!("/event-type/{other}/pause"), &Value::Null).expect(200);
    let page = browser.get("/console/event-types");
    let page = is_page(&page, 200);
    assert_eq!(rows(page, "t").len(), 3);
    let row = text(behind(page, &format!("<tr id=\"t-{id}\""), "</tr>"));
    assert!(row.contains("booked runs greet small from desk Enabled platform"), "{row}");
    assert!(page.contains(&format!("href=\"/console/actions/{action}\"")), "{page}");
    assert!(text(behind(page, &format!("<tr id=\"t-{other}\""), "</tr>")).contains("Enabled Paused a "), "{page}");
    let heads = text(behind(page, "<thead>", "</thead>"));
    assert_eq!(heads, "Display Name ↑ Action Sink Type Source Type Enabled Tenant Changed Pause or resume");
    for (query, expected) in [
        ("", vec!["alarm", "booked", "other"]),
        ("sort=-name", vec!["other", "booked", "alarm"]),
        ("sort=-updated_at", vec!["other", "alarm", "booked"]),
        ("q=RING", vec!["alarm"]),
        ("enabled=false", vec!["alarm"]),
        ("paused=true", vec!["other"]),
        ("paused=false&enabled=true", vec!["booked"]),
        ("sink_type=SMALL", vec!["booked"]),
        ("source_type=Desk", vec!["booked"]),
        ("sink_type=wasm", vec!["alarm", "other"]),
        (&format!("action={action}"), vec!["booked"]),
        ("owner_id=a", vec!["other"]),
    ] {
        let part = browser.part(&format!("/console/event-types?{query}"), "list");
        assert_eq!(names(is_page(&part, 200)), expected, "{query}");
        let listed = server.admin.get(&format!("/event-type?{query}"));
        let listed = listed.expect(200).as_array().unwrap().iter().map(|found| found["display_name"].as_str().unwrap());
        assert_eq!(listed.collect::<Vec<_>>(), expected, "the API: {query}");
    }
    let first = browser.part("/console/event-types?limit=2&sort=-name", "list").text;
    let next = behind(&first, "rel=\"next\" href=\"", "\"").replace("&#38;", "&");
    assert_eq!(names(&browser.get(&next).text), ["alarm"]);
    assert!(browser.part("/console/event-types?q=nothing", "list").text.contains("No event type matches."));
    for query in ["paused=maybe", "action=x", "odd=1"] {
        is_page(&browser.get(&format!("/console/event-types?{query}")), 400);
    }
    // A tenant sees its own and those that the platform shares, and no button for the latter.
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let list = Browser::signed_in(&server, &token).get("/console/event-types").text;
    assert_eq!(names(&list), ["alarm", "booked"]);
    assert!(!list.contains("/pause\""), "{list}");
}

#[test]
fn an_event_types_page_says_everything_about_it_in_words() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let (id, action) = full(&server);
    let module = server.upload_bytes(crate::support::ECHO);
    server.action("triggered", &module, json!({ "trigger": "booked" }));
    server.action("after", &module, json!({ "on_success": "BOOKED", "on_failure": "booked" }));
    let schedule = json!({ "name": "nightly", "event_type": "booked", "cron": "0 3 * * *", "payload": { "n": 1 } });
    server.admin.post("/schedule", &schedule).expect(201);
    for path in [format!("/console/event-types/{id}"), "/console/event-types/booked".to_owned()] {
        let page = browser.get(&path);
        let page = is_page(&page, 200);
        let said = text(page);
        for words in [
            "Somebody booked.",
            "Action greet",
            "Sink Type small",
            "Source Type desk only its sources fire it",
            "what is attached to the object and above it",
            "Accepted once within 1 h 0 min",
            "channel STATIC #vip",
            "who DATA from the payload: who default [1]",
            "key SECRET •••• secret bank.key",
            "\"required\": [ \"n\" ]",
            "triggers where they are attached triggered",
            "is fired when these succeed after",
            "is fired when these fail after",
            "is fired by the schedules nightly",
            "What was changed In the audit log",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(page.contains(&format!("href=\"/console/actions/{action}\"")), "{page}");
        assert!(page.contains(&format!("href=\"/console/events?event_type={id}\"")), "{page}");
    }
    let panel = browser.part(&format!("/console/event-types/{id}"), "panel");
    assert!(is_page(&panel, 200).trim_start().starts_with("<article id=\"detail\""), "{}", panel.text);
    let (_, reader) = server.client_and_token_for("", &["read"]);
    let page = Browser::signed_in(&server, &reader).get(&format!("/console/event-types/{id}")).text;
    for button in ["/edit\"", "/delete\"", "/pause\"", "/fire\""] {
        assert!(!page.contains(button), "{button}: {page}");
    }
}

#[test]
fn an_event_type_is_made_and_changed_by_its_form_and_one_that_nobody_touched_changes_nothing() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let (id, action) = full(&server);
    let before = server.admin.get(&format!("/event-type/{id}")).expect(200).clone();
    let path = format!("/console/event-types/{id}/edit");
    let page = browser.get(&path);
    let form = fields(is_page(&page, 200));
    assert!(form.contains(&("/action".to_owned(), "greet".to_owned())), "by its name: {form:?}");
    let saved = send(&browser, &path, &form, &[]);
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, &*format!("/console/event-types/{id}")),
        "{}",
        saved.text
    );
    let after = server.admin.get(&format!("/event-type/{id}")).expect(200).clone();
    assert_eq!(lasting(&before), lasting(&after));
    // What the curl line would send has the id that the name stands for.
    let line = send(&browser, &format!("/console/curl?method=PUT&path=/event-type/{id}"), &form, &[]);
    assert!(is_page(&line, 200).contains(&action), "{}", line.text);

    let form = fields(&browser.get("/console/event-types/new").text);
    let row = [
        ("/display_name", "paid"),
        ("/action", "GREET"),
        ("/parameters/0/name", "x"),
        ("/parameters/0/value:value", "true"),
    ];
    let made = send(&browser, "/console/event-types/new", &form, &row);
    let made = made.header("location").strip_prefix("/console/event-types/").unwrap().to_owned();
    let made = server.admin.get(&format!("/event-type/{made}")).expect(200).clone();
    assert_eq!((&made["display_name"], &made["action"]), (&json!("paid"), &json!(action)));
    assert_eq!(made["parameters"], json!([{ "name": "x", "type": "STATIC", "value": true }]));
    for (field, said, status, pointer) in [
        ("/display_name", "9", 422, "/display_name"),
        ("/action", "nothing", 422, "/action"),
        ("/sink_type", "nothing", 422, "/sink_type"),
        ("/source_type", "nothing", 422, "/source_type"),
        ("/payload_schema:json", "{\"type\": 3}", 422, "/payload_schema"),
        ("/dedup_window_s:number", "0", 422, "/dedup_window_s"),
        ("/parameters/0/name", "x", 422, "/parameters/0/value"),
        ("/owner_id", "NO!", 422, "/owner_id"),
    ] {
        let refused = send(&browser, "/console/event-types/new", &form, &[("/display_name", "new"), (field, said)]);
        let page = is_page(&refused, status);
        assert!(page.contains(&format!("<li data-pointer=\"{pointer}\">")), "{field}={said}: {page}");
    }
    let taken = send(&browser, "/console/event-types/new", &form, &[("/display_name", "PAID")]);
    assert!(is_page(&taken, 409).contains("name_taken"), "{}", taken.text);
    let form = fields(&browser.get(&path).text);
    assert_eq!(send(&browser, &path, &form, &[("/description", "mine")]).status, 303);
    let conflict = send(&browser, &path, &form, &[("/description", "stale")]);
    assert!(text(is_page(&conflict, 412)).contains("The event type is at version 3 now"), "{}", conflict.text);
    assert_eq!(server.admin.get(&format!("/event-type/{id}")).body["data"]["description"], "mine");
}

#[test]
fn an_event_type_is_paused_and_resumed_where_it_is_seen() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.install("noop", "noop", json!({}));
    let id = server.admin.get("/event-type/noop").body["data"]["id"].as_str().unwrap().to_owned();
    let list = browser.get("/console/event-types?q=no").text;
    let form = behind(&list, "<form class=\"inline\"", "</form>");
    assert!(form.contains(&format!("hx-post=\"/console/event-types/{id}/pause\"")), "{form}");
    assert!(form.contains("name=\"back\" value=\"/console/event-types?q=no\""), "{form}");
    let path = format!("/console/event-types/{id}/pause");
    let paused = browser.post(&path, &[("version", "1"), ("back", "/console/event-types?q=no")]);
    assert_eq!((paused.status, paused.header("location")), (303, "/console/event-types?q=no"));
    assert_eq!(server.admin.get("/event-type/noop").body["data"]["paused"], true);
    let page = browser.get(&format!("/console/event-types/{id}")).text;
    assert!(text(&page).contains("Paused: its events are accepted and held") && page.contains("/resume\""), "{page}");
    is_page(&browser.post(&format!("/console/event-types/{id}/resume"), &[("version", "1")]), 412);
    let evil = browser.post(&format!("/console/event-types/{id}/resume"), &[("back", "https://evil.example/")]);
    assert_eq!(evil.header("location"), "/console");
    assert_eq!(server.admin.get("/event-type/noop").body["data"]["paused"], false);
    let audit = server.admin.get("/audit?kind=event-type&what=paused");
    assert_eq!(audit.body["count"], 1, "{}", audit.text);
}

#[test]
fn an_event_is_fired_with_a_sample_or_only_foreseen() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let (id, _) = full(&server);
    server.admin.put("/secret/bank.key", &json!({ "value": "hunter2-hunter2" })).expect(201);
    let path = format!("/console/event-types/{id}/fire");
    let page = browser.get(&path);
    let form = fields(is_page(&page, 200));
    assert!(text(&page.text).contains("Made from the payload schema."), "{}", page.text);
    assert!(form.contains(&("/payload:json".to_owned(), "{\r\n  \"n\": 1\r\n}".to_owned())), "{form:?}");
    let foreseen = send(&browser, &path, &form, &[("dry_run", "true")]);
    let plan = text(is_page(&foreseen, 200));
    assert!(plan.contains("1 would run greet v1") && plan.contains("Nothing was kept, and nothing ran."), "{plan}");
    assert_eq!(server.admin.get("/event").body["count"], 0);
    let object = [("/object/object_type", "place"), ("/object/object_id", "7"), ("/payload:json", "{\"n\": 5}")];
    let fired = send(&browser, &path, &form, &[&object[..], &[("/event_type", "another")]].concat());
    let event = fired.header("location").strip_prefix("/console/events/").unwrap().to_owned();
    let ended = server.until(&event, crate::support::is_ended);
    assert_eq!((&ended["event_type"], &ended["payload"]), (&json!("booked"), &json!({ "n": 5 })), "that of the page");
    assert_eq!((&ended["origin"], &ended["object"]["object_id"]), (&json!("api"), &json!("7")));
    let page = browser.get(&path).text;
    let form = fields(&page);
    assert!(
        form.contains(&("/payload:json".to_owned(), "{\r\n  \"n\": 5\r\n}".to_owned())),
        "the last event's: {form:?}"
    );
    let from_schema = fields(&browser.get(&format!("{path}?from=schema")).text);
    assert!(from_schema.contains(&("/payload:json".to_owned(), "{\r\n  \"n\": 1\r\n}".to_owned())), "{from_schema:?}");
    for (said, pointer) in [("{\"n\": \"x\"}", "/payload/n"), ("{", "/payload")] {
        let refused = send(&browser, &path, &form, &[("/payload:json", said)]);
        assert!(is_page(&refused, 422).contains(&format!("<li data-pointer=\"{pointer}\">")), "{}", refused.text);
    }
    assert!(form.contains(&("/object/object_id".to_owned(), "7".to_owned())), "and what it was about: {form:?}");
    let refused = send(&browser, &path, &form, &[("/object/object_id", "")]);
    is_page(&refused, 422);
    // A tenant's event type is fired for the tenant, also by the platform.
    server.admin.post("/event-type", &json!({ "display_name": "own", "owner_id": "a" })).expect(201);
    let own = server.admin.get("/event-type?owner_id=a").body["data"][0]["id"].as_str().unwrap().to_owned();
    let fired = browser.post(&format!("/console/event-types/{own}/fire"), &[]);
    let event = server.event(fired.header("location").strip_prefix("/console/events/").unwrap());
    assert_eq!(event["owner_id"], "a");
    server.admin.put(&format!("/event-type/{own}"), &json!({ "display_name": "own", "enabled": false })).expect(200);
    let refused = browser.post(&format!("/console/event-types/{own}/fire"), &[]);
    assert!(is_page(&refused, 409).contains("event_type_disabled"), "{}", refused.text);
    // Whoever may not fire is not asked what to fire.
    let (_, reader) = server.client_and_token_for("", &["read", "write"]);
    is_page(&Browser::signed_in(&server, &reader).get(&path), 403);
}

#[test]
fn an_event_type_is_deleted_after_what_goes_with_it_was_counted_and_named() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let (id, _) = full(&server);
    let module = server.upload_bytes(crate::support::ECHO);
    let triggered = server.action("triggered", &module, json!({ "trigger": "booked" }));
    let after = server.action("after", &module, json!({ "on_success": "booked" }));
    server
        .admin
        .post(
            "/schedule",
            &json!({ "name": "nightly", "event_type": "booked", "cron": "0 3 * * *", "payload": { "n": 1 } }),
        )
        .expect(201);
    let path = format!("/console/event-types/{id}/delete");
    let refused = browser.part(&path, "dialog");
    assert!(is_page(&refused, 409).contains("while it is the trigger of 1 action: triggered"), "{}", refused.text);
    server.admin.delete(&format!("/action/{triggered}")).expect(200);
    let asked = browser.part(&path, "dialog");
    let said = text(is_page(&asked, 200));
    assert!(said.contains("Blank On Success, as a new version, of 1 action: after."), "{said}");
    assert!(said.contains("Disabled: 1 schedule: nightly."), "{said}");
    is_page(&browser.post(&path, &[]), 412);
    let target = behind(&asked.text, "action=\"", "\"").to_owned();
    assert_eq!(browser.post(&target, &[]).header("location"), "/console/event-types");
    server.admin.get(&format!("/event-type/{id}")).problem(404, "not_found");
    assert_eq!(server.admin.get(&format!("/action/{after}")).body["data"]["on_success"], Value::Null);
}

#[test]
fn a_field_offers_what_there_is_while_something_is_typed() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    full(&server);
    let digest = server.upload("noop");
    server
        .admin
        .request("POST", "/module?name=noop&version=1.0")
        .bytes(crate::support::component("noop"))
        .send()
        .expect(200);
    server.admin.put("/secret/bank.key", &json!({ "value": "hunter2-hunter2" })).expect(201);
    let offered = |query: &str| {
        let part = browser.part(&format!("/console/offers?{query}"), "");
        let options = is_page(&part, 200).split("<option value=\"").skip(1);
        options.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("of=event-types&%2Ftrigger=BOO"), ["booked"]);
    assert_eq!(offered("of=event-types&%2Ftrigger=nothing"), Vec::<String>::new());
    assert_eq!(offered("of=actions"), ["greet"]);
    assert_eq!(offered("of=modules&%2Fmodule=noop"), ["noop", "noop@1.0"]);
    assert!(!offered("of=modules").contains(&digest), "what has a name is offered by it");
    assert_eq!(offered("of=sink-types&q=mall"), ["small"]);
    assert_eq!(offered("of=source-types"), ["desk"]);
    assert_eq!(offered("of=secrets"), ["bank.key"]);
    let (_, token) = server.client_and_token_for("b", &["read"]);
    let stranger = Browser::signed_in(&server, &token);
    assert!(!stranger.part("/console/offers?of=secrets", "").text.contains("bank.key"), "not for a tenant to see");
}
