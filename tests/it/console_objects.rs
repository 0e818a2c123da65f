//! The pages of objects: the hierarchy, what an event would run, and attaching by a form made from a schema.

use crate::support::{Answer, Browser, Client, ECHO, TestServer, is_page};
use serde_json::{Value, json};

fn parents(objects: &[&str]) -> Value {
    let parts = objects.iter().map(|object| object.split_once('/').unwrap());
    parts.map(|(kind, id)| json!({ "object_type": kind, "object_id": id })).collect()
}

#[track_caller]
fn put(client: &Client, object: &str, above: &[&str]) {
    client.put(&format!("/object/{object}"), &json!({ "parents": parents(above) })).expect(201);
}

/// An action that `booked` triggers; its id.
fn action(client: &Client, name: &str, more: Value) -> String {
    let module = client.request("POST", "/module").bytes(ECHO).send();
    let mut body = json!({ "name": name, "module": module.body["data"]["digest"], "trigger": "booked" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned()
}

fn attach(client: &Client, action: &str, object: &str, more: Value) -> String {
    let mut body = parents(&[object])[0].clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post(&format!("/action/{action}/object"), &body).expect(201)["id"].as_str().unwrap().to_owned()
}

/// What each piece of HTML from one mark up to another says, in order.
fn texts(html: &str, from: &str, to: &str) -> Vec<String> {
    html.split(from).skip(1).map(|rest| text(rest.split(to).next().unwrap())).collect()
}

fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join("").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The objects of a branch.
fn nodes(answer: &Answer) -> Vec<String> {
    texts(is_page(answer, 200), "<a class=\"main\"", "</a>")
}

/// The rows of what an event would run: `number action`.
fn order(html: &str) -> Vec<String> {
    let list = html.split("<ol class=\"order\">").nth(1).unwrap_or_default().split("</ol>").next().unwrap();
    let rows = list.split("<li id=\"o-").skip(1);
    rows.map(|row| text(row.split("class=\"number\">").nth(1).unwrap().split("</a>").next().unwrap())).collect()
}

#[test]
fn the_hierarchy_is_opened_from_the_top_and_searched() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/objects");
    assert!(is_page(&empty, 200).contains("There are no objects yet.") && empty.text.contains("curl -X PUT"));
    put(&server.admin, "room/1%20a", &["house/a", "kind/room"]);
    put(&server.admin, "room/2", &["house/a"]);
    put(&server.admin, "house/a", &["town/berlin"]);
    server.admin.put("/object/room/2", &json!({ "name": "Hall", "parents": parents(&["house/a"]) })).expect(200);
    assert_eq!(nodes(&browser.get("/console/objects")), ["kind/room", "town/berlin"]);
    let part = browser.part("/console/objects", "list");
    assert!(is_page(&part, 200).trim_start().starts_with("<section id=\"list\""), "{}", part.text);
    let below = |object: &str, query: &str| browser.part(&format!("/console/objects/{object}/children{query}"), "");
    assert_eq!(nodes(&below("town/berlin", "")), ["house/a"]);
    let rooms = below("house/a", "");
    assert_eq!(nodes(&rooms), ["room/1 a", "room/2"]);
    assert!(!rooms.text.contains("<html") && text(&rooms.text).contains("also below kind/room"), "{}", rooms.text);
    assert!(rooms.text.contains("href=\"/console/objects/room/1%20a\"") && rooms.text.contains(">Hall<"));
    // What is not shown at once is behind a button.
    let first = below("house/a", "?limit=1");
    assert_eq!(nodes(&first), ["room/1 a"]);
    let more = first.text.split("class=\"more\" hx-get=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(nodes(&browser.part(&more.replace("&#38;", "&"), "")), ["room/2"]);
    for (query, expected) in [
        ("?q=ROOM", vec!["kind/room", "room/1 a", "room/2"]),
        ("?q=hall", vec!["room/2"]),
        ("?object_type=room", vec!["room/1 a", "room/2"]),
        ("?object_type=room&limit=1", vec!["room/1 a"]),
    ] {
        assert_eq!(nodes(&browser.part(&format!("/console/objects{query}"), "list")), expected, "{query}");
    }
    assert!(browser.get("/console/objects?object_type=room&limit=1").text.contains("rel=\"next\""));
    assert!(browser.get("/console/objects?q=nothing").text.contains("No object matches."));
    assert_eq!(browser.get("/console/objects?odd=1").status, 400);
}

#[test]
fn an_objects_page_has_exactly_what_an_event_would_run_and_why_not_the_rest() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    let linked = action(admin, "linked", json!({ "trigger": null }));
    admin.post("/event-type", &json!({ "display_name": "booked", "action": linked })).expect(201);
    put(admin, "room/1", &["house/a", "kind/room"]);
    put(admin, "seat/7", &["room/1"]);
    let twice = action(admin, "twice", json!({ "dedup_mode": "per_action" }));
    for object in ["room/1", "house/a"] {
        attach(admin, &twice, object, json!({}));
    }
    attach(
        admin,
        &action(admin, "off", json!({ "enabled": false })),
        "room/1",
        json!({ "priority": 5, "reason": "the boss said so" }),
    );
    attach(admin, &action(admin, "down", json!({})), "seat/7", json!({}));
    attach(admin, &action(admin, "alone", json!({})), "house/a", json!({ "inherits": false }));
    let page = browser.get("/console/objects/room/1");
    let page = is_page(&page, 200);
    // The trigger of what is attached is what is shown first.
    assert!(page.contains("name=\"event_type\" value=\"booked\""), "{page}");
    assert_eq!(order(page), ["1 linked", "2 off", "3 twice", "4 twice", "5 down"]);
    let effective = admin.get("/object/room/1/effective?event_type=booked");
    assert_eq!(effective.body["count"], 5);
    let said = text(page);
    for words in [
        "linked from the event type",
        "from above: house/a, 1 step",
        "from below: seat/7, 1 step",
        "SKIPPED disabled the action `off` is disabled",
        "SKIPPED duplicate it runs once for an event, as number 3",
        "1 attached above or below is not reached alone on house/a, 1 step it sees only events on its own object",
        "it is below 2 objects house/a, kind/room",
        "the boss said so",
        "3 would run",
    ] {
        assert!(said.contains(words), "there is no {words:?} in {said}");
    }
    let part = browser.part("/console/objects/room/1?event_type=booked&flow=none", "effective");
    assert!(is_page(&part, 200).trim_start().starts_with("<section id=\"effective\""), "{}", part.text);
    assert_eq!(order(&part.text), ["1 linked", "2 off", "3 twice"]);
    let odd = browser.part("/console/objects/room/1?event_type=nothing", "effective");
    assert!(is_page(&odd, 200).contains("there is no event type `nothing`"), "{}", odd.text);
    let panel = browser.part("/console/objects/seat/7", "panel");
    assert!(is_page(&panel, 200).trim_start().starts_with("<article id=\"detail\""), "{}", panel.text);
    // One that nobody ever registered has a page too.
    let unknown = browser.get("/console/objects/any/thing");
    assert!(is_page(&unknown, 200).contains("Choose an event type") && unknown.text.contains("never, which is fine"));
    assert_eq!(browser.get("/console/objects/no%20type/1").status, 400);
}

#[test]
fn the_order_is_changed_by_buttons_and_is_the_one_that_then_holds() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let ids: Vec<String> = ["one", "two", "three"]
        .map(|name| attach(admin, &action(admin, name, json!({})), "room/1", json!({})))
        .to_vec();
    let page = browser.get("/console/objects/room/1").text;
    assert_eq!(order(&page), ["1 one", "2 two", "3 three"]);
    let button = |page: &str, id: &str| {
        let rest = page.split_once(&format!("id=\"{id}\" name=\"move\" value=\"")).map(|(_, rest)| rest);
        rest.map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    assert_eq!(button(&page, &format!("up-{}", ids[0])), None, "the first goes no further up");
    assert_eq!(button(&page, &format!("down-{}", ids[2])), None);
    let send = |path: &str, button: &str| {
        browser.post(path, &[("/event_type", "booked"), ("/flow", ""), ("/owner_id", ""), ("move", button)])
    };
    let moved = send("/console/objects/room/1/order", &button(&page, &format!("up-{}", ids[2])).unwrap());
    assert_eq!((moved.status, moved.header("location")), (303, "/console/objects/room/1?event_type=booked"));
    let page = browser.get(moved.header("location")).text;
    assert_eq!(order(&page), ["1 one", "2 three", "3 two"]);
    let moved = send("/console/objects/room/1/order", &button(&page, &format!("down-{}", ids[0])).unwrap());
    assert_eq!(order(&browser.get(moved.header("location")).text), ["1 three", "2 one", "3 two"]);
    let said = |answer: &Answer| {
        let items = answer.expect(200).as_array().unwrap();
        items.iter().map(|item| item["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(said(&admin.get("/object/room/1/effective?event_type=booked")), ["three", "one", "two"]);
    // As htmx sends it, the list comes back in its place, and says what was done.
    let own = browser.csrf.clone();
    let htmx = [("hx-request", "true"), ("x-csrf-token", own.as_str())];
    let fields = [("/event_type", "booked"), ("move", ids[0].as_str())];
    let last = browser.post_as_it_is("/console/objects/room/1/order", &fields, &htmx);
    assert_eq!((last.header("hx-retarget"), last.header("hx-reswap")), ("#effective", "morph:outerHTML"));
    assert_eq!(order(is_page(&last, 200)), ["1 three", "2 two", "3 one"]);
    assert!(last.text.contains("one is number 3 now, with priority "), "{}", last.text);
    let refused = send("/console/objects/room/1/order", "01a1ff7d-875e-7388-ab52-e35ac67b46e8");
    assert!(is_page(&refused, 422).contains("does not run this attachment"), "{}", refused.text);
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["channel", "place"],
        "properties": {
            "channel": { "type": "string", "description": "Where it is said", "pattern": "^#" },
            "times": { "type": "integer", "minimum": 1, "default": 2 },
            "loud": { "type": "boolean" },
            "colour": { "enum": ["red", "green"] },
            "people": { "type": "array", "items": { "type": "string" } },
            "place": { "type": "object", "required": ["city"], "properties": { "city": { "type": "string" } } },
            "any": { "oneOf": [{ "type": "string" }, { "type": "integer" }] },
        },
    })
}

#[test]
fn an_action_is_found_by_a_part_of_its_name_and_shown_as_a_form_made_from_its_schema() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let none = browser.part("/console/objects/room/1/attach", "dialog");
    assert!(is_page(&none, 200).contains("There is no action yet."), "{}", none.text);
    let id = action(admin, "says", json!({ "input": schema(), "description": "Says it" }));
    for n in 0..25 {
        action(admin, &format!("other {n}"), json!({}));
    }
    let choice = browser.part("/console/objects/room/1/attach", "dialog");
    assert!(is_page(&choice, 200).contains("There are more: type a part of the name."), "{}", choice.text);
    let found = browser.part("/console/objects/room/1/attach?q=SAYS", "offered");
    let link = format!("/console/objects/room/1/attach?action={id}");
    assert!(
        is_page(&found, 200).contains(&format!("hx-get=\"{link}\"")) && !found.text.contains("other"),
        "{}",
        found.text
    );
    let form = browser.part(&link, "dialog");
    let form = is_page(&form, 200);
    for field in [
        "name=\"/input/channel\" value=\"\" required",
        "type=\"number\" name=\"/input/times:number\" value=\"2\" step=\"1\" min=\"1\"",
        "name=\"/input/loud:json\"",
        "<option value=\"&#34;red&#34;\">red</option>",
        "name=\"/input/people:list\"",
        "<legend>place</legend>",
        "name=\"/input/place:json\" value=\"{}\"",
        "name=\"/input/place/city\"",
        "name=\"/input/any:json\"",
        "Where it is said",
    ] {
        assert!(form.contains(field), "there is no {field} in {form}");
    }
}

#[test]
fn an_action_is_attached_by_its_form_and_faults_stand_beside_the_fields() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let id = action(admin, "says", json!({ "input": schema() }));
    let base = [
        ("/action_id", id.as_str()),
        ("/input:json", "{}"),
        ("/input/place:json", "{}"),
        ("/reason:text", ""),
        ("/priority:number", "0"),
        ("/inherits:flag", "false"),
    ];
    let send = |more: &[(&str, &str)]| browser.post("/console/objects/room/1/attach", &[&base, more].concat());
    let refused = send(&[("/input/channel", "ops"), ("/input/times:number", "0"), ("/input/any:json", "[")]);
    assert!(is_page(&refused, 422).contains("data-pointer=\"/input/any\""), "{}", refused.text);
    let refused = send(&[("/input/channel", "ops"), ("/input/times:number", "0")]);
    for pointer in ["/input/channel", "/input/times", "/input/place"] {
        assert!(is_page(&refused, 422).contains(&format!("data-pointer=\"{pointer}")), "{pointer}: {}", refused.text);
    }
    let more = [
        ("/input/channel", "#ops"),
        ("/input/times:number", "3"),
        ("/input/loud:json", "false"),
        ("/input/colour:json", "\"red\""),
        ("/input/people:list", "Ada\r\nBob\r\n"),
        ("/input/place/city", "Ulm"),
        ("/input/any:json", ""),
        ("/inherits:flag", "true"),
        ("/priority:number", "7"),
        ("/reason:text", "they asked for it"),
    ];
    let made = send(&more);
    assert_eq!((made.status, made.header("location")), (303, "/console/objects/room/1"), "{}", made.text);
    let attached = admin.get("/room/1/action");
    let attached = attached.expect(200)[0].clone();
    let input = json!({ "channel": "#ops", "times": 3, "loud": false, "colour": "red", "people": ["Ada", "Bob"], "place": { "city": "Ulm" } });
    assert_eq!((&attached["input"], &attached["priority"]), (&input, &json!(7)));
    assert_eq!((&attached["reason"], &attached["inherits"]), (&json!("they asked for it"), &json!(true)));
    assert!(is_page(&send(&more), 409).contains("already_attached"));
    let page = browser.get("/console/objects/room/1").text;
    assert!(
        page.contains("they asked for it")
            && page.contains(&format!("/console/actions/{id}/objects/{}", attached["id"].as_str().unwrap())),
        "{page}"
    );
}

#[test]
fn an_attachment_is_changed_unless_somebody_else_did_and_detached_after_a_question() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let id = action(admin, "says", json!({ "input": schema() }));
    let input = json!({ "channel": "#ops", "place": { "city": "Ulm", "zip": "89073" }, "extra": [1] });
    let attachment = attach(admin, &id, "room/1", json!({ "input": input, "priority": 7, "reason": "old" }));
    let path = format!("/console/actions/{id}/objects/{attachment}");
    let form = browser.part(&path, "dialog");
    let form = is_page(&form, 200);
    for field in [
        "name=\"/input/channel\" value=\"#ops\"",
        "name=\"version\" value=\"1\"",
        "name=\"/input/extra:json\"",
        "name=\"/input/place/zip:json\"",
        "value=\"old\"",
        "name=\"/inherits:flag\" value=\"true\" checked",
    ] {
        assert!(form.contains(field), "there is no {field} in {form}");
    }
    // The same as JSON, with what was typed meanwhile.
    let typed = crate::support::form(&[
        ("as", "json"),
        ("/input:json", "{}"),
        ("/input/channel", "#typed"),
        ("/priority:number", "8"),
        ("/reason:text", "typed too"),
    ]);
    let as_json = browser.part(&format!("{path}?{typed}"), "dialog");
    assert!(
        is_page(&as_json, 200).contains("&#34;channel&#34;: &#34;#typed&#34;")
            && as_json.text.contains("value=\"typed too\"")
            && as_json.text.contains("value=\"8\""),
        "{}",
        as_json.text
    );
    assert!(as_json.text.contains("Write the input in fields") && as_json.text.contains("Its schema"));
    let send = |version: &str, input: &str| {
        browser.post(
            &path,
            &[
                ("version", version),
                ("/input:json", input),
                ("/reason:text", "new"),
                ("/priority:number", "9"),
                ("/inherits:flag", "false"),
            ],
        )
    };
    assert!(is_page(&send("1", "{\"channel\": \"ops\"}"), 422).contains("data-pointer=\"/input/channel\""));
    let changed = send("1", "{\"channel\": \"#new\", \"place\": {\"city\": \"Ulm\"}}");
    assert_eq!((changed.status, changed.header("location")), (303, "/console/objects/room/1"), "{}", changed.text);
    let api = format!("/action/{id}/object/{attachment}");
    let now = admin.get(&api).expect(200).clone();
    assert_eq!(
        (&now["input"], &now["priority"]),
        (&json!({ "channel": "#new", "place": { "city": "Ulm" } }), &json!(9))
    );
    assert_eq!((&now["reason"], &now["inherits"]), (&json!("new"), &json!(false)));
    let late = send("1", "{\"channel\": \"#late\", \"place\": {\"city\": \"Ulm\"}}");
    assert!(is_page(&late, 412).contains("somebody changed it"), "{}", late.text);
    let silent = send("", "{\"channel\": \"#new\", \"place\": {\"city\": \"Ulm\"}}");
    assert_eq!(silent.status, 412, "a form that does not say what it was made for");
}

#[test]
fn an_action_is_detached_after_a_question() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let id = action(admin, "says", json!({}));
    let attachment = attach(admin, &id, "room/1", json!({}));
    let path = format!("/console/actions/{id}/objects/{attachment}");
    let api = format!("/action/{id}/object/{attachment}");
    let question = browser.part(&format!("{path}/detach"), "dialog");
    assert!(
        text(is_page(&question, 200))
            .contains("Detach says from room/1? Events booked on room/1, above and below it do not run says"),
        "{}",
        question.text
    );
    admin.get(&api).expect(200);
    assert_eq!(browser.post(&format!("{path}/detach"), &[]).header("location"), "/console/objects/room/1");
    admin.get(&api).problem(404, "not_found");
}

#[test]
fn an_object_is_registered_put_below_others_and_deleted_with_a_word_on_what_is_in_the_way() {
    let server = TestServer::start();
    let (admin, browser) = (&server.admin, Browser::admin(&server));
    let form = browser.part("/console/objects/new", "dialog");
    assert!(
        is_page(&form, 200).contains("name=\"/object_type\"") && form.text.contains("name=\"version\" value=\"none\"")
    );
    let create = |id: &str, above: &str| {
        browser.post(
            "/console/objects/new",
            &[
                ("/object_type", "room"),
                ("/object_id", id),
                ("/name", "Room 7"),
                ("/parents:lines", above),
                ("version", "none"),
            ],
        )
    };
    assert!(is_page(&create("", ""), 422).contains("data-pointer=\"/object_id\""));
    assert!(is_page(&create("7", "house/a\r\nhouse"), 422).contains("data-pointer=\"/parents/1\""));
    let made = create("7/x", "house/a\r\n kind/room \r\n");
    assert_eq!((made.status, made.header("location")), (303, "/console/objects/room/7%2Fx"), "{}", made.text);
    let object = admin.get("/object/room/7%2Fx").expect(200).clone();
    assert_eq!((&object["name"], &object["parents"]), (&json!("Room 7"), &parents(&["house/a", "kind/room"])));
    assert!(
        is_page(&create("7/x", ""), 412).contains("If-None-Match"),
        "one that is there is not replaced by a new one"
    );
    let edit = browser.part("/console/objects/room/7%2Fx/edit", "dialog");
    assert!(
        is_page(&edit, 200).contains(">house/a\nkind/room</textarea>")
            && edit.text.contains("name=\"version\" value=\"1\""),
        "{}",
        edit.text
    );
    let change = |version: &str, above: &str| {
        browser.post(
            "/console/objects/room/7%2Fx/edit",
            &[("/name", "Hall"), ("/parents:lines", above), ("version", version)],
        )
    };
    let circle = change("1", "house/a\r\nroom/7/x");
    assert!(
        is_page(&circle, 422).contains("data-pointer=\"/parents/1\"") && circle.text.contains("above itself"),
        "{}",
        circle.text
    );
    assert_eq!(change("1", "house/b").status, 303);
    assert!(is_page(&change("1", "house/c"), 412).contains("somebody changed it"));
    assert_eq!(admin.get("/object/room/7%2Fx").expect(200)["parents"], parents(&["house/b"]));
    put(admin, "seat/1", &["room/7/x"]);
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    attach(admin, &action(admin, "one", json!({})), "room/7/x", json!({}));
    let question = browser.part("/console/objects/room/7%2Fx/delete", "dialog");
    let said = text(is_page(&question, 200));
    for words in [
        "Delete room/7/x?",
        "that it lies below house/b",
        "refused while objects lie below it: seat/1",
        "refused while 1 action is attached to it",
    ] {
        assert!(said.contains(words), "there is no {words:?} in {said}");
    }
    assert!(is_page(&browser.post("/console/objects/room/7%2Fx/delete", &[]), 409).contains("in_use"));
    let gone = browser.post("/console/objects/seat/1/delete", &[]);
    assert_eq!((gone.status, gone.header("location")), (303, "/console/objects"));
    admin.get("/object/seat/1").problem(404, "not_found");
}

#[test]
fn a_tenant_sees_its_own_view_and_who_may_only_read_has_no_buttons() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let (a, token) = server.client_and_token_for("a", &["admin"]);
    let (_, reading) = server.client_and_token_for("a", &["read"]);
    let (_, other) = server.client_and_token_for("b", &["admin"]);
    put(&server.admin, "town/berlin", &[]);
    put(&a, "room/1", &["town/berlin"]);
    let shared = attach(&server.admin, &action(&server.admin, "shared", json!({})), "town/berlin", json!({}));
    let own = attach(&a, &action(&a, "own", json!({})), "room/1", json!({ "reason": "a's own business" }));
    let (owner, reader, stranger) = (
        Browser::signed_in(&server, &token),
        Browser::signed_in(&server, &reading),
        Browser::signed_in(&server, &other),
    );
    let page = owner.get("/console/objects/room/1").text;
    assert!(page.contains("Attach an action…") && page.contains(&format!("data-move=\"{own}\"")), "{page}");
    assert!(
        page.contains(&format!("data-stay=\"{shared}\"")) && page.contains("the platform's, for everybody")
            || page.contains("the platform&#39;s, for everybody"),
        "{page}"
    );
    let page = reader.get("/console/objects/room/1").text;
    for button in ["Attach an action…", "Edit…", "Delete…", "Detach…", "data-move", "name=\"move\" value=\"0"] {
        assert!(!page.contains(button), "{button} is shown to who may only read: {page}");
    }
    assert!(!reader.get("/console/objects").text.contains("New object…"));
    assert_eq!(order(&page), ["1 own", "2 shared"]);
    let page = stranger.get("/console/objects/room/1");
    assert!(
        !is_page(&page, 200).contains("a's own business")
            && !page.text.contains("a&#39;s own business")
            && !page.text.contains(&own),
        "{}",
        page.text
    );
    assert_eq!(nodes(&stranger.get("/console/objects?q=room")), [""; 0]);
    assert_eq!(nodes(&stranger.part("/console/objects/town/berlin/children", "")), [""; 0]);
    assert_eq!(stranger.get("/console/objects?owner_id=a").status, 403);
    // The platform looks at a tenant's view when it says whose.
    let admin = Browser::admin(&server);
    assert_eq!(nodes(&admin.part("/console/objects/town/berlin/children", "")), [""; 0]);
    assert_eq!(nodes(&admin.part("/console/objects/town/berlin/children?owner_id=a", "")), ["room/1"]);
    let page = admin.get("/console/objects/room/1?owner_id=a").text;
    assert_eq!(order(&page), ["1 own", "2 shared"]);
    assert!(page.contains("href=\"/console/objects/room/1/attach?owner_id=a\""), "{page}");
}

#[test]
fn anothers_public_action_stays_at_its_version_unless_it_is_told_to_follow() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let a = server.client_for("a", &["admin"]);
    let (b, token) = server.client_and_token_for("b", &["admin"]);
    let id = action(&a, "lent", json!({ "public": true, "input": schema() }));
    let browser = Browser::signed_in(&server, &token);
    let choice = browser.part("/console/objects/room/1/attach?q=lent", "offered");
    assert!(is_page(&choice, 200).contains("public action of a"), "{}", choice.text);
    let form = browser.part(&format!("/console/objects/room/1/attach?action={id}"), "dialog");
    assert!(is_page(&form, 200).contains("name=\"/follow_newest:flag\" value=\"true\""), "{}", form.text);
    let input = json!({ "channel": "#ops", "place": { "city": "Ulm" } });
    let attachment = attach(&b, &id, "room/1", json!({ "input": input }));
    let page = browser.get("/console/objects/room/1").text;
    assert!(page.contains("stays at v1") && text(&page).contains("attached here · public action of a"), "{page}");
    let path = format!("/console/actions/{id}/objects/{attachment}");
    let api = format!("/action/{id}/object/{attachment}");
    assert!(is_page(&browser.part(&path, "dialog"), 200).contains(">Stays at 1</option>"));
    let send = |version: &str, follow: &str| {
        let fields = [("version", version), ("/priority:number", "3"), ("/follow_newest:json", follow)];
        browser.post(&path, &fields)
    };
    assert_eq!(send("1", "").status, 303);
    assert_eq!(b.get(&api).expect(200)["action_version"], 1);
    assert_eq!(send("2", "true").status, 303);
    assert_eq!(b.get(&api).expect(200)["action_version"], Value::Null);
    assert!(is_page(&browser.part(&path, "dialog"), 200).contains("value=\"\" selected>Follows the newest"));
    assert_eq!(send("3", "false").status, 303);
    assert_eq!(b.get(&api).expect(200)["action_version"], 1);
    // What was agreed to stays, and stays to be changed, when its owner shows the action to nobody any more.
    let module = a.get(&format!("/action/{id}")).expect(200)["module"].clone();
    let withdrawn = json!({ "name": "lent", "module": module, "trigger": "booked", "input": schema() });
    a.put(&format!("/action/{id}"), &withdrawn).expect(200);
    let form = browser.part(&path, "dialog");
    assert!(is_page(&form, 200).contains("does not show this action any more"), "{}", form.text);
    assert!(form.text.contains("&#34;channel&#34;: &#34;#ops&#34;"), "its input is there as JSON: {}", form.text);
    assert_eq!(send("4", "").status, 303);
    assert!(is_page(&browser.get("/console/objects/room/1"), 200).contains(&id));
    assert_eq!(browser.post(&format!("{path}/detach"), &[]).status, 303);
}
