//! The console in a real browser. Without one these tests are skipped and say so; CI has one.

use crate::demo::Demo;
use crate::support::{Chromium, Client, LOOKS, Look, TestServer};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Every screen of the navigation, what its first row opens, and that as a page of its own: without a complaint of the
/// browser, no wider than the window, with nothing that axe finds; a picture of each is left in `target/screens`.
#[test]
fn every_screen_can_be_shown_in_both_themes_on_a_desk_and_on_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, url, token) = Demo::shown(folder.path());
    let Some(browser) = Chromium::signed_in(&url, &token) else { return };
    let sections =
        browser.run("return [...document.querySelectorAll('#nav a')].map((a) => a.getAttribute('href'))", json!([]));
    let sections: Vec<&str> = sections.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert!(sections.contains(&"/console/events"), "{sections:?}");
    let others = others(&Client::new(url, Some(token)));
    let mut faults = Vec::new();
    for look in LOOKS {
        browser.look(look);
        for (name, path) in &others {
            browser.open(path);
            faults.extend(shown(&browser, look, name));
        }
        for section in &sections {
            let name = section.trim_start_matches("/console/");
            browser.open(section);
            faults.extend(shown(&browser, look, name));
            if browser.run("return document.querySelector('[data-row] a[hx-target=\"#panel\"]') !== null", json!([]))
                != true
            {
                continue;
            }
            browser.click("[data-row] a[hx-target=\"#panel\"]");
            browser.wait_for("#panel #detail");
            faults.extend(shown(&browser, look, &format!("{name}-panel")));
            let path = browser.path();
            browser.back();
            browser.wait_until_gone("#panel #detail");
            browser.open(&path);
            browser.wait_for("#detail");
            faults.extend(shown(&browser, look, &format!("{name}-page")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The screens that are further in: their names, and their addresses.
fn others(client: &Client) -> Vec<(&'static str, String)> {
    let first = |list: &str| client.get(list).expect(200)[0]["id"].as_str().unwrap().to_owned();
    let (scripted, action) = (first("/action?q=booking-chat"), first("/action?q=failure-gallery"));
    let (event_type, run) = (first("/event-type?q=gallery"), first("/run?state=ERROR"));
    let (source, schedule) = (first("/source"), first("/schedule"));
    let room = "/console/objects/public.bookable/42";
    vec![
        ("run", format!("/console/runs/{run}")),
        ("editor", format!("/console/actions/{scripted}/source")),
        ("actions-new", "/console/actions/new".to_owned()),
        ("actions-new-source", "/console/actions/new?source=javascript".to_owned()),
        ("actions-edit", format!("/console/actions/{scripted}/edit")),
        ("actions-test", format!("/console/actions/{action}/test")),
        ("actions-versions", format!("/console/actions/{action}/versions")),
        ("actions-delete", format!("/console/actions/{action}/delete")),
        ("event-types-new", "/console/event-types/new".to_owned()),
        ("event-types-fire", format!("/console/event-types/{event_type}/fire")),
        ("objects-room", room.to_owned()),
        ("objects-edit", format!("{room}/edit")),
        ("objects-attach", format!("{room}/attach")),
        ("objects-attach-form", format!("{room}/attach?action={scripted}")),
        ("chains-searched", "/console/chains?q=booking".to_owned()),
        ("schedules-edit", format!("/console/schedules/{schedule}/edit")),
        ("sources-edit", format!("/console/sources/{source}/edit")),
        ("source-types", "/console/source-types".to_owned()),
        ("sink-types", "/console/sink-types".to_owned()),
        ("sink-types-new", "/console/sink-types/new".to_owned()),
        ("secrets-new", "/console/secrets/new".to_owned()),
        ("tokens-new", "/console/tokens/new".to_owned()),
        ("tenants", "/console/tenants".to_owned()),
        ("tenants-new", "/console/tenants/new".to_owned()),
    ]
}

/// What is wrong with what is in the window; leaves a picture.
fn shown(browser: &Chromium, look: Look, name: &str) -> Vec<String> {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screens");
    let name = format!("{name}-{}-{}", look.window, look.theme);
    browser.picture(&pictures.join(format!("{name}.png")));
    let mut faults = browser.complaints();
    let over = browser.run(
        "const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth",
        json!([]),
    );
    if over.as_f64() > Some(0.0) {
        faults.push(format!("{over} px wider than the window"));
    }
    faults.extend(axe(browser));
    faults.into_iter().map(|fault| format!("{name}: {fault}")).collect()
}

/// What axe, which looks for what keeps people with other abilities out, finds wrong.
fn axe(browser: &Chromium) -> Vec<String> {
    let Some(script) = std::env::var_os("FUSEBOX_AXE") else {
        assert!(std::env::var_os("FUSEBOX_BROWSER").is_none(), "FUSEBOX_AXE says where axe.min.js is");
        return Vec::new();
    };
    let script = std::fs::read_to_string(PathBuf::from(script)).unwrap();
    browser.run(&format!("if (!window.axe) {{ {script} }}"), json!([]));
    let found = browser.run_async(
        "const done = arguments[arguments.length - 1];
         axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map((fault) =>
           `${fault.id}: ${fault.help}: ${fault.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')}`)));",
    );
    found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
const DOWN: &str = "\u{E015}";

fn gallery() -> TestServer {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    server.install("noop", "noop", json!({}));
    server
}

#[test]
fn what_failed_is_found_and_fired_again_with_the_keyboard_alone() {
    let server = gallery();
    let Some(browser) = Chromium::signed_in(&server.url(), &server.token) else { return };
    let failed = server.fire_and_wait("gallery", json!({ "way": "reject" }));
    server.fire_and_wait("noop", json!({}));
    browser.open("/console/events");
    browser.see("#list", "2 events");
    browser.press("/");
    browser.press("gallery");
    browser.see("#list", "1 event");
    browser.arrive("/console/events?q=gallery");
    browser.press(DOWN);
    browser.press(ENTER);
    browser.see("#panel #detail", "reject");
    let address = format!("/console/events/{}", failed["id"].as_str().unwrap());
    browser.arrive(&address);
    browser.press(ESCAPE);
    browser.wait_until_gone("#panel #detail");
    browser.arrive("/console/events?q=gallery");

    browser.open(&address);
    let focus = |name: &str| {
        browser.until(name, || {
            browser.press("\u{E004}");
            (browser.run("return document.activeElement.textContent.trim()", json!([])) == name).then_some(())
        });
        browser.press(ENTER);
    };
    focus("Replay…");
    browser.fill("dialog textarea", r#"{"way": "#);
    browser.click("dialog .primary");
    browser.see("dialog", "not valid JSON");
    assert_eq!(
        browser.run("return document.activeElement.id", json!([])),
        "payload",
        "the field at fault has the focus"
    );
    browser.fill("dialog textarea", r#"{"way": "ok"}"#);
    browser.click("dialog .primary");
    browser.wait_for("#detail .state.success");
    assert!(browser.path().starts_with("/console/events/") && browser.path() != address);
    // What was refused is no fault of the page.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|line| line.contains("422")) && complaints.len() == 1, "{complaints:?}");
}

#[test]
fn what_happens_while_somebody_looks_is_seen_without_asking() {
    let server = gallery();
    let Some(browser) = Chromium::signed_in(&server.url(), &server.token) else { return };
    browser.open("/console/events");
    browser.see("#list", "Nothing has fired yet.");
    server.fire_and_wait("noop", json!({}));
    browser.wait_for("[data-row] .state.success");
    // It takes until its time is up.
    let waits = server.fire("gallery", json!({ "way": "wait" }));
    browser.wait_for(&format!("#e-{waits} .state.error"));
    // Under somebody's hand nothing moves: what is new waits until it is asked for.
    browser.run("document.querySelector('[data-row] a').focus()", json!([]));
    server.fire_and_wait("noop", json!({}));
    browser.see("[data-fresh]", "1 new: show");
    assert_eq!(browser.run("return document.querySelectorAll('[data-row]').length", json!([])), 2);
    browser.click_on("1 new: show");
    browser.until("three rows", || {
        (browser.run("return document.querySelectorAll('[data-row]').length", json!([])) == 3).then_some(())
    });
    assert_eq!(browser.complaints(), [""; 0]);
}
