//! A day with the console in a real browser, from an empty server to a version that was taken back. Without a browser it is
//! skipped and says so.

use crate::support::{Chromium, TestServer};
use serde_json::{Value, json};

/// What is behind the address that the browser is at.
fn id(browser: &Chromium) -> String {
    let path = browser.path();
    path.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn from_an_upload_to_what_ran_what_did_not_and_why_and_back_to_an_earlier_version() {
    let server = TestServer::start();
    let Some(browser) = Chromium::signed_in(&server.url(), &server.token) else { return };
    upload(&browser);
    make_event_type(&browser);
    let action = make_action(&browser);
    beside(&server, "chat", 5);
    beside(&server, "door", 1);
    attach(&browser);
    let event = fire(&browser);
    watch(&browser, &event);
    read_the_log(&browser);
    replay(&browser, &event);
    roll_back(&browser, &server, &action);
    // What was refused on purpose is no fault of a page.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|line| line.contains("422")), "{complaints:?}");
}

fn upload(browser: &Chromium) {
    browser.click_on("Modules");
    browser.see("#list", "No module is here yet.");
    browser.click_on("Upload a module");
    browser.fill("#upload-file", &example("components/booking_calendar.wasm"));
    browser.fill("#upload-name", "booking.calendar");
    browser.click("[data-upload] .primary");
    browser.arrive("/console/modules/");
    browser.see("#detail", "booking.calendar");
}

fn make_event_type(browser: &Chromium) {
    browser.open("/console/event-types");
    browser.see("main", "event type");
    browser.open("/console/event-types/new");
    // A name that there cannot be is refused beside its field, and what was typed stays.
    browser.fill("[name='/display_name']", "booking made");
    browser.fill("[name='/description']", "A booking was made.");
    browser.click("#kind-form .primary");
    browser.see("[name='/display_name'] ~ .beside-field", "letter");
    browser.fill("[name='/display_name']", "booking.made");
    browser.click("#kind-form .primary");
    browser.see("#detail h2", "booking.made");
    browser.see("#detail", "A booking was made.");
}

/// With a parameter and an input; its id.
fn make_action(browser: &Chromium) -> String {
    browser.open("/console/actions/new");
    browser.fill("[name='/name']", "calendar");
    browser.fill("[name='/module']", "booking.calendar");
    browser.fill("[name='/trigger']", "booking.made");
    browser.click("[data-add]");
    browser.fill("[name='/parameters/0/name']", "domain");
    browser.fill("[name='/parameters/0/value:value']", "harbour.example");
    let schema = json!({ "reminder_minutes": { "type": "integer", "minimum": 0, "description": "Before the start" } });
    browser.fill("[name='/input:json']", &schema.to_string());
    browser.click("#kind-form .primary");
    browser.see("#detail h2", "calendar");
    browser.see("#detail", "harbour.example");
    browser.arrive("/console/actions/");
    id(browser)
}

/// What is attached to the room as well: one that fails as the payload says, for a while first, and one behind it.
fn beside(server: &TestServer, name: &str, priority: i32) {
    let module = server.upload("failure_gallery");
    let more = json!({ "trigger": "booking.made", "retry": { "attempts": 1 }, "limits": { "timeout_ms": 2_000 } });
    let action = server.action(name, &module, more);
    let attachment = json!({ "action_id": action, "priority": priority });
    server.admin.post("/public.bookable/42/action", &attachment).expect(201);
}

fn attach(browser: &Chromium) {
    browser.open("/console/objects");
    browser.see("#list", "public.bookable/42");
    browser.open("/console/objects/public.bookable/42");
    browser.click_on("Attach an action…");
    browser.fill("#attach-q", "calen");
    browser.click("dialog .choices a");
    browser.see("dialog h2", "Attach calendar");
    browser.fill("dialog [name^='/input/reminder_minutes']", "15");
    browser.fill("dialog [name='/reason:text']", "Everybody wants to be reminded.");
    browser.fill("dialog [name='/priority:number']", "10");
    browser.click("dialog .primary");
    browser.wait_until_gone("dialog[open]");
    browser.see("#detail", "Everybody wants to be reminded.");
    // In the order in which they will run: it asks for the event type that what is attached here waits for.
    browser.see("#effective", "3 would run");
    let order =
        browser.run("return [...document.querySelectorAll('.order .what > a')].map((a) => a.textContent)", json!([]));
    assert_eq!(order, json!(["calendar", "chat", "door"]));
}

/// A booking on the room; the address of the event.
fn fire(browser: &Chromium) -> String {
    browser.open("/console/event-types?q=booking");
    browser.click("[data-row] a");
    browser.see("#panel #detail", "booking.made");
    browser.click_on("Fire with a sample…");
    browser.fill("#payload", &booking("wait"));
    browser.fill("[name='/object/object_type']", "public.bookable");
    browser.fill("[name='/object/object_id']", "42");
    browser.click("#kind-form .primary");
    browser.arrive("/console/events/");
    browser.path()
}

fn booking(way: &str) -> String {
    let sample = std::fs::read_to_string(example("booking-calendar/sample.json")).unwrap();
    let mut booking: Value = serde_json::from_str(&sample).unwrap();
    booking["way"] = json!(way);
    booking.to_string()
}

/// It ends while it is looked at.
fn watch(browser: &Chromium, event: &str) {
    browser.see("#detail h2", "RUNNING");
    browser.see("#detail h2", "ERROR");
    assert_eq!(browser.path(), *event, "it was never left");
    let plan = browser.text(".plan").unwrap();
    for words in ["SUCCESS calendar", "ERROR chat", "timeout", "SKIPPED door", "aborted", "public.bookable/42"] {
        let found = plan.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.split(' ').all(|word| found.contains(word)), "{words}: {found}");
    }
}

fn read_the_log(browser: &Chromium) {
    browser.click(".plan [data-row] a");
    browser.arrive("/console/runs/");
    browser.see("#log", "wrote a calendar of");
    browser.see("#detail", "harbour.example");
    browser.see("#detail", "reminder_minutes");
    browser.fill("#log-q", "nothing of the kind");
    browser.until("no line", || (!browser.text("#log")?.contains("wrote a calendar")).then_some(()));
    browser.back();
}

/// With another payload all goes well.
fn replay(browser: &Chromium, event: &str) {
    browser.open(event);
    browser.click_on("Replay…");
    browser.fill("dialog textarea", &booking("ok"));
    browser.click("dialog .primary");
    browser.see("#detail h2", "SUCCESS");
    assert_ne!(browser.path(), *event);
    browser.see("#detail", "of an earlier event");
}

fn roll_back(browser: &Chromium, server: &TestServer, action: &str) {
    browser.open(&format!("/console/actions/{action}/edit"));
    browser.fill("[name='/parameters/0/value:value']", "boats.example");
    browser.click("#kind-form .primary");
    browser.see("#detail h2", "v2");
    browser.open(&format!("/console/actions/{action}/versions"));
    browser.see(".diff", "harbour.example");
    browser.see(".diff", "boats.example");
    browser.click("#v-1 a[href*=rollback]");
    browser.click("dialog .primary, dialog .danger");
    browser.see("#detail h2", "v3");
    let now = server.admin.get(&format!("/action/{action}"));
    let now = now.expect(200);
    assert_eq!((&now["version"], &now["parameters"][0]["value"]), (&json!(3), &json!("harbour.example")));
}
