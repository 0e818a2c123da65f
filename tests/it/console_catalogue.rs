//! The pages of schedules, sources, sinks, secrets, tokens and the audit log, and of what is used of the limits.

use crate::support::{Answer, Browser, TestServer, is_page};
use serde_json::{Value, json};

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

/// What the rows of a list are called, in order; the whole page and the part of it that htmx asks for have the same.
#[track_caller]
fn rows(browser: &Browser, path: &str) -> Vec<String> {
    let listed = |html: &str| {
        let rows = html.split("<td class=\"main\">").skip(1);
        rows.map(|rest| text(behind(rest, "hx-push-url=\"true\">", "</a>"))).collect::<Vec<_>>()
    };
    let (part, whole) = (browser.part(path, "list"), browser.get(path));
    let part = is_page(&part, 200);
    assert!(part.trim_start().starts_with("<section id=\"list\""), "only the part is answered: {part}");
    assert_eq!(listed(part), listed(is_page(&whole, 200)), "{path}");
    listed(part)
}

/// The facts of a detail, or whatever else it says, as text; whole, and in the panel.
#[track_caller]
fn detail(browser: &Browser, path: &str) -> String {
    let (part, whole) = (browser.part(path, "panel"), browser.get(path));
    let part = is_page(&part, 200);
    assert!(part.trim_start().starts_with("<article id=\"detail\"") && !part.contains("<nav"), "{part}");
    assert!(is_page(&whole, 200).contains("<nav"));
    text(part)
}

/// The form of a page as it would be sent without a change.
fn form_of(page: &str) -> Vec<(String, String)> {
    let form = behind(page, "<form class=\"sheet\"", "</form>");
    let mut fields = Vec::new();
    for tag in form.split('<').skip(1) {
        let attribute = |name: &str| {
            tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| unescaped(rest.split('"').next().unwrap()))
        };
        let Some(name) = attribute("name").filter(|name| name != "csrf") else { continue };
        let value = match tag.split([' ', '>']).next().unwrap() {
            "textarea" => unescaped(tag.split_once('>').unwrap().1.strip_prefix('\n').unwrap()),
            "select" => {
                let options = behind(form, &format!("name=\"{name}\""), "</select>");
                let chosen = options.split("<option ").find(|option| option.contains(" selected"));
                chosen.map_or_else(String::new, |option| unescaped(behind(option, "value=\"", "\"")))
            }
            "input" if tag.contains("type=\"checkbox\"") && !tag.contains(" checked") => continue,
            "input" if tag.contains("type=\"datetime-local\"") => attribute("data-utc").unwrap(),
            _ => attribute("value").unwrap_or_default(),
        };
        fields.push((name, value));
    }
    fields
}

fn unescaped(text: &str) -> String {
    let pairs = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

/// Sends the form of a page as it is, but for some fields.
#[track_caller]
fn send(browser: &Browser, page: &str, to: &str, changes: &[(&str, &str)]) -> Answer {
    let page = browser.get(page);
    send_form(browser, is_page(&page, 200), to, changes)
}

fn send_form(browser: &Browser, page: &str, to: &str, changes: &[(&str, &str)]) -> Answer {
    let mut fields = form_of(page);
    for (name, value) in changes {
        assert!(
            fields.iter().any(|(found, _)| found == name) || page.contains(&format!("name=\"{name}\"")),
            "no {name}"
        );
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(to, &fields)
}

/// Where a form that was taken leads to.
#[track_caller]
fn went(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").to_owned()
}

/// What is refused, each with its place.
#[track_caller]
fn faults(answer: &Answer) -> Vec<String> {
    let page = is_page(answer, 422);
    page.split("<li data-pointer=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn schedules_are_listed_with_when_they_fire_next_and_last_did() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-03-28T00:00:00Z");
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/schedules");
    let empty = is_page(&empty, 200);
    assert!(empty.contains("Nothing fires by time.") && empty.contains("href=\"/console/schedules/new\""), "{empty}");
    for name in ["due", "other"] {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    let post = |body: Value| server.admin.post("/schedule", &body).expect(201).clone();
    let daily =
        post(json!({ "name": "daily", "event_type": "due", "cron": "30 6 * * *", "timezone": "Europe/Berlin" }));
    server.clock.advance_ms(1_000);
    post(json!({ "name": "once", "event_type": "other", "at": "2026-05-01T10:00:00Z", "enabled": false }));
    server.clock.advance_ms(1_000);
    post(json!({ "name": "again", "event_type": "other", "cron": "0 0 1 1 *", "description": "New Year" }));
    for (query, expected) in [
        ("", vec!["again", "daily", "once"]),
        ("sort=-created_at", vec!["again", "once", "daily"]),
        ("q=DAI", vec!["daily"]),
        ("q=year", vec!["again"]),
        ("event_type=other", vec!["again", "once"]),
        ("enabled=false", vec!["once"]),
        ("enabled=true&event_type=due", vec!["daily"]),
        ("owner_id=a", vec![]),
    ] {
        assert_eq!(rows(&browser, &format!("/console/schedules?{query}")), expected, "{query}");
    }
    let page = browser.get("/console/schedules?limit=2");
    let next = behind(&page.text, "rel=\"next\" href=\"", "\"").replace("&#38;", "&");
    assert_eq!(
        (rows(&browser, "/console/schedules?limit=2"), rows(&browser, &next)),
        (vec!["again".to_owned(), "daily".to_owned()], vec!["once".to_owned()])
    );
    assert!(browser.get("/console/schedules?enabled=true&q=none").text.contains("Nothing matches."));
    is_page(&browser.part("/console/schedules?enabled=odd", "list"), 400);
    let row =
        behind(&browser.get("/console/schedules").text, &format!("<tr id=\"t-{}\"", id(&daily)), "</tr>").to_owned();
    assert!(
        row.contains("30 6 * * * · Europe/Berlin") && row.contains("datetime=\"2026-03-28T05:30:00.000Z\""),
        "{row}"
    );

    let path = format!("/console/schedules/{}", id(&daily));
    server.pass_to("2026-03-28T05:30:00Z");
    server.until_at("/schedule/daily", |schedule| schedule["last_at"] != Value::Null);
    let page = browser.get(&path).text;
    let firings = behind(&page, "Next firings", "</table>");
    assert!(text(firings).contains("Sun 2026-03-29 06:30:00 +02:00 2026-03-29 04:30:00 UTC"), "{}", text(firings));
    assert_eq!(firings.matches("<tr>").count(), 11, "ten, and the heading");
    let event = server.admin.get("/event").expect(200)[0].clone();
    assert!(page.contains(&format!("href=\"/console/events/{}\"", id(&event))), "{page}");
    assert!(detail(&browser, &path).contains("Fires due When 30 6 * * * Time zone Europe/Berlin"));
    assert!(detail(&browser, "/console/schedules/once").contains("It does not fire while it is disabled."));
}

#[test]
fn a_schedule_is_made_by_a_form_that_says_beside_the_field_what_is_wrong() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-03-28T00:00:00Z");
    let browser = Browser::admin(&server);
    server.admin.post("/event-type", &json!({ "display_name": "due" })).expect(201);
    let new = "/console/schedules/new";
    let page = browser.get(new).text;
    assert!(page.contains("<option value=\"Europe/Berlin\">") && page.contains("<option value=\"due\">"), "{page}");
    let post = |changes: &[(&str, &str)]| send(&browser, new, "/console/schedules", changes);
    let named = [("/name", "nightly"), ("/event_type", "due")];
    let with = |more: &[(&'static str, &'static str)]| [&named, more].concat();
    assert_eq!(faults(&post(&with(&[("/cron", "nonsense")]))), ["/cron"]);
    assert_eq!(faults(&post(&with(&[("/cron", "0 2 * * *"), ("/timezone", "Mars/Olympus")]))), ["/timezone"]);
    assert_eq!(faults(&post(&with(&[("/cron", "0 2 * * *"), ("/at", "2027-01-01T00:00")]))), ["/at"]);
    assert_eq!(
        faults(&post(&with(&[("/cron", "0 2 * * *"), ("/event_type", "missing"), ("/payload:json", "{")]))),
        ["/payload"]
    );
    assert_eq!(faults(&post(&[("/name", "no name"), ("/event_type", "due"), ("/cron", "0 2 * * *")])), ["/name"]);
    assert_eq!(server.admin.get("/schedule").body["count"], 0);
    let object = [("/object/object_type", "place"), ("/object/object_id", "7"), ("/payload:json", "{\"n\": 1}")];
    let made = went(&post(&[&with(&[("/cron", "0 2 * * *"), ("/timezone", "Europe/Berlin")])[..], &object].concat()));
    let schedule = server.admin.get("/schedule/nightly").expect(200).clone();
    assert_eq!(made, format!("/console/schedules/{}", id(&schedule)));
    assert_eq!(
        (&schedule["cron"], &schedule["timezone"], &schedule["enabled"]),
        (&json!("0 2 * * *"), &json!("Europe/Berlin"), &json!(true))
    );
    assert_eq!(
        (&schedule["payload"], &schedule["object"]),
        (&json!({ "n": 1 }), &json!({ "object_type": "place", "object_id": "7" }))
    );
    // A time of the field without a zone is UTC; browsers with scripts send the zone along.
    went(&post(&[("/name", "once"), ("/event_type", "due"), ("/at", "2027-01-01T00:00")]));
    assert_eq!(server.admin.get("/schedule/once").expect(200)["at"], "2027-01-01T00:00:00.000Z");
    let taken = post(&with(&[("/cron", "0 2 * * *")]));
    assert!(is_page(&taken, 409).contains("name_taken"), "{}", taken.text);
}

#[test]
fn when_a_schedule_would_fire_is_shown_as_it_is_typed() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-03-28T00:00:00Z");
    let (_, token) = server.client_and_token_for("a", &["read", "write"]);
    let browser = Browser::signed_in(&server, &token);
    let shown = |fields: &[(&str, &str)]| {
        let answer = browser.part(&format!("/console/schedules/preview?{}", crate::support::form(fields)), "preview");
        text(is_page(&answer, 200))
    };
    let page = browser.get("/console/schedules/new").text;
    assert!(
        page.contains("hx-get=\"/console/schedules/preview\"") && page.contains("hx-params=\"/cron,/timezone,/at\"")
    );
    assert_eq!(shown(&[]), "");
    assert_eq!(shown(&[("/timezone", "Europe/Berlin")]), "");
    let fires = shown(&[("/cron", "30 2 * * *"), ("/timezone", "Europe/Berlin")]);
    assert!(fires.contains("It would fire:") && fires.contains("Sun 2026-03-29 03:00:00 +02:00"), "{fires}");
    let refused = shown(&[("/cron", "0 0 30 2 *")]);
    assert!(refused.contains("it would never fire"), "{refused}");
    assert!(shown(&[("/cron", "0 0 * * *"), ("/timezone", "Mars")]).contains("no time zone `Mars`"));
    assert!(shown(&[("/at", "2026-05-01T10:00:00Z")]).contains("2026-05-01 10:00:00 UTC"));
    assert!(shown(&[("/at", "not a time")]).contains("not a time"), "what is no time is said too");
    assert_eq!(server.admin.get("/schedule").body["count"], 0);
}

#[test]
fn a_schedule_is_edited_switched_and_deleted_as_it_was_seen() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    server.admin.post("/event-type", &json!({ "display_name": "due" })).expect(201);
    let body = json!({ "name": "daily", "description": "says \"so\"\n\nand <more>", "event_type": "due", "cron": "0 2 * * *", "timezone": "Asia/Tokyo",
        "payload": { "a": [1, "<b>"] }, "object": { "object_type": "place", "object_id": "1" } });
    let made = server.admin.post("/schedule", &body).expect(201).clone();
    let path = format!("/console/schedules/{}", id(&made));
    let edit = format!("{path}/edit");
    let read = || server.admin.get("/schedule/daily").expect(200).clone();
    let old = browser.get(&edit).text;
    assert_eq!(went(&send(&browser, &edit, &path, &[])), path);
    let same = read();
    for field in ["description", "cron", "timezone", "payload", "object", "enabled", "next_at"] {
        assert_eq!(same[field], made[field], "{field}: what nobody touched stays");
    }
    assert_eq!(went(&send(&browser, &edit, &path, &[("/cron", "0 3 * * *")])), path);
    assert_eq!((&read()["cron"], &read()["version"]), (&json!("0 3 * * *"), &json!(3)));
    let late = send_form(&browser, &old, &path, &[("/description:text", "mine")]);
    assert!(text(is_page(&late, 412)).contains("Somebody changed it while you had it open"), "{}", late.text);
    assert_eq!(read()["description"], made["description"]);

    let page = browser.get(&path).text;
    let switch = behind(&page, &format!("<form method=\"post\" action=\"{path}\""), "</form>");
    assert!(text(switch).ends_with("Disable"), "{switch}");
    let fields: Vec<(String, String)> = switch
        .split("<input type=\"hidden\" name=\"")
        .skip(2)
        .map(|rest| (rest.split('"').next().unwrap().to_owned(), unescaped(behind(rest, "value=\"", "\""))))
        .collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    went(&browser.post(&path, &fields));
    let off = read();
    assert_eq!(
        (&off["enabled"], &off["payload"], &off["timezone"]),
        (&json!(false), &made["payload"], &made["timezone"])
    );
    assert!(detail(&browser, &path).contains("DISABLED daily"));
    is_page(&browser.post(&path, &fields), 412);

    let asked = browser.part(&format!("{path}/delete"), "dialog");
    let asked = is_page(&asked, 200);
    assert!(text(asked).contains("Delete the schedule daily? due is not fired by it any more."), "{asked}");
    let to = unescaped(behind(asked, "action=\"", "\""));
    is_page(&browser.post(&to.replace("version=4", "version=3"), &[]), 412);
    assert_eq!(read()["version"], 4, "a question does nothing, and an answer to an old one nothing either");
    assert_eq!(went(&browser.post(&to, &[])), "/console/schedules");
    is_page(&browser.get(&path), 404);
}

#[test]
fn a_sources_token_is_shown_once_when_it_is_made_and_when_it_is_exchanged() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    assert!(browser.get("/console/sources").text.contains("There are no sources."));
    let made = send(
        &browser,
        "/console/source-types/new",
        "/console/source-types",
        &[("/name", "door"), ("/description:text", "readers")],
    );
    let source_type = went(&made);
    assert!(detail(&browser, &source_type).contains("door"));
    server.admin.post("/event-type", &json!({ "display_name": "door.opened", "source_type": "door" })).expect(201);
    assert_eq!(
        faults(&send(
            &browser,
            "/console/sources/new",
            "/console/sources",
            &[("/name", "d1"), ("/source_type", "none")]
        )),
        ["/source_type"]
    );
    let token_of = |answer: &Answer| {
        let page = is_page(answer, 200);
        assert!(page.contains("It will not be shown again.") && page.contains("data-copy=\"credential\""), "{page}");
        let token = text(behind(page, "id=\"credential\" tabindex=\"0\">", "</code>"));
        assert!(text(page).contains(&format!("-H \"authorization: Bearer {token}\"")), "{page}");
        assert!(text(page).contains(&format!("{}/trigger/door.opened", server.url())), "a line to try it: {page}");
        token
    };
    let made = send(&browser, "/console/sources/new", "/console/sources", &[("/name", "d1"), ("/source_type", "door")]);
    assert_eq!(made.header("cache-control"), "no-store");
    let first = token_of(&made);
    let path = format!("/console/sources/{}", id(server.admin.get("/source/d1").expect(200)));
    for page in ["/console/sources", &path, &format!("{path}/edit"), "/console/audit"] {
        assert!(!is_page(&browser.get(page), 200).contains(&first), "{page} shows it again");
    }
    let fire =
        |token: &str| server.admin.with_token(token).post("/event", &json!({ "event_type": "door.opened" })).status;
    assert_eq!(fire(&first), 202);
    let shown = detail(&browser, &path);
    assert!(
        shown.contains("Source type door Fires by its token Last seen 2")
            && shown.contains("May fire Event type door.opened"),
        "{shown}"
    );

    let asked = browser.part(&format!("{path}/token"), "dialog");
    let asked = is_page(&asked, 200);
    assert!(
        text(asked).contains("Give the source d1 a new token?") && text(asked).contains("stops working at once"),
        "{asked}"
    );
    assert_eq!(fire(&first), 202, "a question does nothing");
    let to = unescaped(behind(asked, "action=\"", "\""));
    // As htmx asks, the answer takes the place of the page, at the address of the source.
    let own = browser.csrf.clone();
    let sent = browser.post_as_it_is(&to, &[], &[("hx-request", "true"), ("x-csrf-token", own.as_str())]);
    assert_eq!((sent.header("hx-retarget"), sent.header("hx-push-url")), ("#main", path.as_str()));
    assert!(!sent.text.contains("<nav"), "{}", sent.text);
    let second = token_of(&sent);
    assert_eq!((fire(&first), fire(&second)), (401, 202));
    is_page(&browser.post(&to, &[]), 412);
    assert_eq!(fire(&second), 202);
    let question = browser.part(&format!("{source_type}/delete"), "dialog");
    let refused = browser.post(&unescaped(behind(is_page(&question, 200), "action=\"", "\"")), &[]);
    assert!(is_page(&refused, 409).contains("in_use"), "{}", refused.text);
}

#[test]
fn a_webhook_is_made_and_edited_by_the_form_and_says_how_to_try_it() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.admin.post("/source-type", &json!({ "name": "hooks" })).expect(201);
    server.admin.put("/secret/hook", &json!({ "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" })).expect(201);
    let webhook = [
        ("/name", "repo"),
        ("/source_type", "hooks"),
        ("/webhook/preset", "github"),
        ("/webhook/secret", "hook"),
        ("/webhook/event_types:json", "{\"push\": \"deploy\"}"),
        ("/webhook/object/type", "repository"),
        ("/webhook/object/pointer", "/repository/full_name"),
    ];
    let made = send(&browser, "/console/sources/new", "/console/sources", &webhook);
    let path = went(&made);
    let read = || server.admin.get("/source/repo").expect(200).clone();
    let source = read();
    assert_eq!(source["webhook"]["event_types"], json!({ "push": "deploy" }));
    assert_eq!(
        (&source["webhook"]["tolerance_s"], &source["webhook"]["object"]["type"]),
        (&json!(300), &json!("repository"))
    );
    let shown = detail(&browser, &path);
    let url = format!("{}/hook/{}", server.url(), id(&source));
    assert!(shown.contains(&format!("Webhook URL {url} Copy")), "{shown}");
    assert!(shown.contains(&format!("curl -X POST {url} -H 'x-github-event: push'")), "{shown}");
    assert!(shown.contains("What the sender says Fires push deploy"), "{shown}");
    assert!(browser.get(&path).text.contains("href=\"/console/secrets/hook\""), "it leads to its secret");
    assert!(!shown.contains("every delivery is refused"), "{shown}");
    server.admin.delete("/secret/hook?force=true").expect(200);
    let shown = detail(&browser, &path);
    assert!(shown.contains("There is no secret hook: every delivery is refused until there is."), "{shown}");
    let edit = format!("{path}/edit");
    assert_eq!(went(&send(&browser, &edit, &path, &[])), path);
    assert_eq!(read()["webhook"], source["webhook"], "what nobody touched stays");
    assert_eq!(
        went(&send(&browser, &edit, &path, &[("/webhook/preset", "stripe"), ("/webhook/tolerance_s:number", "60")])),
        path
    );
    assert_eq!((&read()["webhook"]["preset"], &read()["webhook"]["tolerance_s"]), (&json!("stripe"), &json!(60)));
    assert_eq!(
        faults(&send(&browser, &edit, &path, &[("/webhook/tolerance_s:number", "0")])),
        ["/webhook/tolerance_s"]
    );
    // What a shell would take for more than a name is in no line that is made to be copied.
    let odd = json!({ "name": "repo", "source_type": "hooks",
        "webhook": { "preset": "github", "secret": "hook", "event_types": { "'; reboot; '": "deploy" } } });
    server.admin.put("/source/repo", &odd).expect(200);
    let page = browser.get(&path).text;
    let line = behind(&page, "Try it", "</pre>");
    assert!(line.contains("x-github-event: push") && !line.contains("reboot"), "{line}");
    assert_eq!(rows(&browser, "/console/sources?source_type=hooks&enabled=true"), ["repo"]);
    assert!(rows(&browser, "/console/sources?q=none").is_empty());
}

#[test]
fn a_sink_type_is_shown_with_what_it_gives_and_changed_by_a_form() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    assert!(text(&browser.get("/console/sink-types/new").text).contains("Memory, bytes wasm: 64.0 MB"));
    let limits = [
        ("/name", "heavy"),
        ("/limits/fuel:number", "2000000000"),
        ("/limits/memory_bytes:number", "134217728"),
        ("/concurrency:number", "2"),
        ("/allowed_hosts:lines", "https://api.example.com\r\nhttps://*.example.org"),
    ];
    let path = went(&send(&browser, "/console/sink-types/new", "/console/sink-types", &limits));
    let heavy = server.admin.get("/sink-type/heavy").expect(200).clone();
    assert_eq!(
        (&heavy["limits"]["fuel"], &heavy["limits"]["timeout_ms"], &heavy["concurrency"]),
        (&json!(2_000_000_000), &json!(10_000), &json!(2))
    );
    assert_eq!(heavy["allowed_hosts"], json!(["https://api.example.com", "https://*.example.org"]));
    let shown = detail(&browser, &path);
    assert!(
        shown.contains("ONLINE heavy") && shown.contains("Memory 128.0 MB") && shown.contains("Timeout 10.00 s"),
        "{shown}"
    );
    assert!(shown.contains("Running 0 of 2") && shown.contains("https://*.example.org"), "{shown}");
    let edit = format!("{path}/edit");
    assert_eq!(
        faults(&send(&browser, &edit, &path, &[("/limits/memory_bytes:number", "999999999999")])),
        ["/limits/memory_bytes"]
    );
    assert_eq!(
        faults(&send(&browser, &edit, &path, &[("/allowed_hosts:lines", "https://ok.example\nftp://no")])),
        ["/allowed_hosts/1"]
    );
    went(&send(&browser, &edit, &path, &[("/limits/timeout_ms:number", "20000")]));
    assert_eq!(server.admin.get("/sink-type/heavy").expect(200)["limits"]["timeout_ms"], 20_000);
    let (_, token) = server.client_and_token_for("a", &["admin"]);
    is_page(&Browser::signed_in(&server, &token).get(&edit), 403);
    is_page(&browser.get("/console/sink-types/wasm/edit"), 409);
}

#[test]
fn sinks_are_shown_with_what_they_take_and_are_the_platforms_to_change() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    assert_eq!(rows(&browser, "/console/sinks"), ["local"]);
    assert!(detail(&browser, "/console/sinks/local").contains("ONLINE local"));
    assert!(!browser.get("/console/sinks/local").text.contains("/delete"), "what is as it was built is not deleted");
    server.admin.post("/sink-type", &json!({ "name": "heavy" })).expect(201);
    let spare = went(&send(
        &browser,
        "/console/sinks/new",
        "/console/sinks",
        &[("/name", "spare"), ("/sink_types:lines", "heavy")],
    ));
    assert_eq!(rows(&browser, "/console/sinks?sort=-created_at"), ["spare", "local"]);
    assert!(detail(&browser, &spare).contains("Takes Sink type heavy"));
    let local = "/console/sinks/00000000-0000-0000-0000-000000000000";
    went(&send(&browser, &format!("{local}/edit"), local, &[("/sink_types:lines", "wasm")]));
    let asked = browser.part(&format!("{local}/off"), "dialog");
    assert!(text(is_page(&asked, 200)).contains("It takes no more runs of wasm, whichever tenant's they are."));
    assert_eq!(server.admin.get("/sink/local").expect(200)["enabled"], true, "a question does nothing");
    let to = unescaped(behind(&asked.text, "action=\"", "\""));
    assert_eq!(went(&browser.post(&to, &[])), local);
    assert_eq!(server.admin.get("/sink/local").expect(200)["sink_types"], json!(["wasm"]), "the rest stays");
    is_page(&browser.post(&to, &[]), 412);
    let off = detail(&browser, local);
    assert!(off.contains("OFFLINE local") && off.contains("It takes no runs."), "{off}");
    assert_eq!(rows(&browser, "/console/sinks?enabled=false"), ["local"]);
    assert_eq!(rows(&browser, "/console/sink-types?online=false"), ["wasm"]);
    assert!(detail(&browser, "/console/sink-types/wasm").contains("No sink that takes it is online"));
    assert_eq!(
        faults(&send(
            &browser,
            "/console/sinks/new",
            "/console/sinks",
            &[("/name", "x"), ("/sink_types:lines", "none")]
        )),
        ["/sink_types/0"]
    );
    let question = browser.part(&format!("{local}/delete"), "dialog");
    assert!(text(is_page(&question, 200)).contains("It is this server: it becomes again what it is by itself"));
    went(&browser.post(&unescaped(behind(&question.text, "action=\"", "\"")), &[]));
    assert_eq!(server.admin.get("/sink/local").expect(200)["enabled"], true);

    let (_, token) = server.client_and_token_for("a", &["admin"]);
    let tenant = Browser::signed_in(&server, &token);
    assert_eq!(rows(&tenant, "/console/sinks"), ["local", "spare"]);
    for page in ["/console/sinks", &spare] {
        let html = tenant.get(page).text;
        assert!(
            !html.contains("/console/sinks/new") && !html.contains("/edit") && !html.contains("Take offline"),
            "{html}"
        );
    }
    is_page(&tenant.get("/console/sinks/new"), 403);
    is_page(&tenant.get(&format!("{spare}/edit")), 403);
}

#[test]
fn a_secret_is_set_by_a_form_that_never_has_it_and_shown_nowhere() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/secrets").text;
    assert!(empty.contains("There are no secrets.") && empty.contains("fusebox secret set"), "{empty}");
    let new = "/console/secrets/new";
    assert!(browser.get(new).text.contains("type=\"password\" name=\"/value:text\" autocomplete=\"new-password\""));
    let post = |changes: &[(&str, &str)]| send(&browser, new, "/console/secrets", changes);
    for (changes, place) in [
        (vec![("/key", "no name"), ("/value:text", "hunter2-1")], "/key"),
        (vec![("/key", "bank.key"), ("/value:text", "x")], "/value"),
        (vec![("/key", "bank.key")], "/value"),
        (vec![("/key", "bank.key"), ("/value:text", "hunter2-1"), ("/allowed_hosts:lines", "odd")], "/allowed_hosts/0"),
    ] {
        let refused = post(&changes);
        assert_eq!(faults(&refused), [place]);
        assert!(!refused.text.contains("hunter2"), "{}", refused.text);
    }
    let first =
        [("/key", "bank.key"), ("/value:text", " hunter2-1 "), ("/allowed_hosts:lines", "https://bank.example")];
    let path = went(&post(&first));
    assert_eq!(path, "/console/secrets/bank.key");
    assert_eq!(crate::http_secrets::value(&server, "", "bank.key"), " hunter2-1 ", "as it was typed");
    let twice = post(&[("/key", "BANK.key"), ("/value:text", "hunter2-2")]);
    assert_eq!(faults(&twice), ["/key"], "one that is there is not replaced by accident");
    let edit = format!("{path}/edit");
    let page = browser.get(&edit).text;
    assert!(
        page.contains("name=\"/value:text\"")
            && !page.contains("hunter2")
            && page.contains(">\nhttps://bank.example</textarea>"),
        "{page}"
    );
    went(&send(&browser, &edit, &path, &[("/description:text", "of the bank")]));
    assert_eq!(crate::http_secrets::value(&server, "", "bank.key"), " hunter2-1 ", "left empty, it stays");
    let old = browser.get(&edit).text;
    went(&send(&browser, &edit, &path, &[("/value:text", "hunter2-3")]));
    assert_eq!(crate::http_secrets::value(&server, "", "bank.key"), "hunter2-3");
    let secret = server.admin.get("/secret/bank.key").expect(200).clone();
    assert_eq!((&secret["version"], &secret["description"]), (&json!(3), &json!("of the bank")));
    is_page(&send_form(&browser, &old, &path, &[("/value:text", "hunter2-4")]), 412);
    for page in ["/console/secrets", &path, &edit, "/console/audit?kind=secret"] {
        assert!(!is_page(&browser.get(page), 200).contains("hunter2"), "{page}");
    }
}

#[test]
fn deleting_a_secret_says_what_takes_it() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.admin.put("/secret/key", &json!({ "value": "12345" })).expect(201);
    let parameters = json!([{ "name": "k", "type": "SECRET", "value": "key" }]);
    let action = server.action("pay", &server.upload("noop"), json!({ "parameters": parameters }));
    let event_type = server.event_type("paid", &action, json!({ "parameters": parameters }));
    let shown = browser.get("/console/secrets/key").text;
    assert!(shown.contains(&format!("href=\"/console/actions/{action}\"")), "{shown}");
    assert!(shown.contains(&format!("href=\"/console/event-types/{event_type}\"")), "{shown}");
    let asked = browser.part("/console/secrets/key/delete", "dialog");
    let asked = is_page(&asked, 200);
    assert!(
        text(asked)
            .contains("the action `pay` takes it. the event type `paid` takes it. Their runs end with secret_missing"),
        "{asked}"
    );
    assert_eq!(went(&browser.post(&unescaped(behind(asked, "action=\"", "\"")), &[])), "/console/secrets");
    server.admin.get("/secret/key").problem(404, "not_found");
    // The platform names whose it is.
    let a = server.client_for("a", &["write"]);
    a.put("/secret/key", &json!({ "value": "of a 12345" })).expect(201);
    let listed = browser.get("/console/secrets").text;
    assert!(listed.contains("href=\"/console/secrets/key?owner_id=a\""), "{listed}");
    is_page(&browser.get("/console/secrets/key"), 404);
    let edit = "/console/secrets/key/edit?owner_id=a";
    assert_eq!(
        went(&send(&browser, edit, "/console/secrets/key?owner_id=a", &[("/value:text", "new 12345")])),
        "/console/secrets/key?owner_id=a"
    );
    assert_eq!(crate::http_secrets::value(&server, "a", "key"), "new 12345");
    let asked = browser.get("/console/secrets/key/delete?owner_id=a").text;
    let to = unescaped(behind(&asked, "class=\"question\" method=\"post\" action=\"", "\""));
    assert_eq!(to, "/console/secrets/key/delete?owner_id=a&version=2");
    went(&browser.post(&to, &[]));
    assert_eq!(server.admin.get("/secret").body["count"], 0);
}

#[test]
fn the_key_of_the_secrets_is_changed_after_one_question() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    server.admin.put("/secret/key", &json!({ "value": "hunter2" })).expect(201);
    assert!(browser.get("/console/secrets").text.contains("href=\"/console/secret-key/rotate\""));
    assert!(
        text(is_page(&browser.get("/console/secret-key/rotate"), 200)).contains("Backups of the store from before")
    );
    assert_eq!(server.admin.get("/audit?what=rotated").body["count"], 0);
    went(&browser.post("/console/secret-key/rotate", &[]));
    assert_eq!(server.admin.get("/audit?what=rotated").body["count"], 1);
    assert_eq!(crate::http_secrets::value(&server, "", "key"), "hunter2");
    let (_, token) = server.client_and_token_for("a", &["admin"]);
    let tenant = Browser::signed_in(&server, &token);
    assert!(!tenant.get("/console/secrets").text.contains("secret-key"));
}

#[test]
fn a_token_is_shown_once_and_revoked_after_one_question() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let new = "/console/tokens/new";
    let none = send(&browser, new, "/console/tokens", &[("/name", "x"), ("/rights/read:flag", "false")]);
    assert_eq!(faults(&none), ["/rights"]);
    let made = send(
        &browser,
        new,
        "/console/tokens",
        &[("/name", "ada"), ("/owner_id", "a"), ("/rights/execute:flag", "true")],
    );
    let page = is_page(&made, 200);
    assert!(text(page).contains("The token ada, for the tenant a. It may read, execute."), "{page}");
    let token = text(behind(page, "id=\"credential\" tabindex=\"0\">", "</code>"));
    let ada = server.admin.with_token(&token);
    ada.get("/event").expect(200);
    assert_eq!(rows(&browser, "/console/tokens"), ["ada", "admin (yours)"]);
    assert_eq!(rows(&browser, "/console/tokens?right=execute&q=AD&owner_id=a"), ["ada"]);
    assert_eq!(rows(&browser, "/console/tokens?right=admin"), ["admin (yours)"]);
    let found = server.admin.get("/token?q=ada").expect(200)[0].clone();
    let path = format!("/console/tokens/{}", id(&found));
    let shown = detail(&browser, &path);
    assert!(shown.contains("May read, execute Tenant a Last used 2") && !shown.contains(&token), "{shown}");
    let asked = browser.part(&format!("{path}/revoke"), "dialog");
    assert!(
        text(is_page(&asked, 200)).contains("Revoke the token ada? It may read, execute; it stops working at once"),
        "{}",
        asked.text
    );
    assert!(!asked.text.contains("signed out"));
    ada.get("/event").expect(200);
    assert_eq!(went(&browser.post(&format!("{path}/revoke"), &[])), "/console/tokens");
    ada.get("/event").problem(401, "unauthorized");
    let own = server.admin.get("/token").expect(200)[0].clone();
    let asked = browser.get(&format!("/console/tokens/{}/revoke", id(&own))).text;
    assert!(text(&asked).contains("It is the token that you are signed in with: you will be signed out."), "{asked}");

    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    assert_eq!(rows(&stranger, "/console/tokens"), ["b token (yours)"]);
    is_page(&stranger.get(&path), 404);
    is_page(&stranger.get(&format!("/console/tokens/{}", id(&own))), 404);
    assert!(!stranger.get(new).text.contains("/owner_id"), "a tenant's admin makes its own tenant's");
}

#[test]
fn the_audit_log_is_filtered_and_shows_what_differs() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    let digest = server.upload("noop");
    let action = server.action("greet", &digest, json!({ "description": "first", "retry": { "attempts": 2 } }));
    server.pass_ms(7_200_000);
    let (a, _) = server.client_and_token_for("a", &["admin"]);
    a.put("/secret/key", &json!({ "value": "hunter2", "description": "one" })).expect(201);
    server.pass_ms(1_000);
    let body = json!({ "name": "Welcome", "module": digest, "description": "second", "retry": { "attempts": 2 } });
    server.admin.put(&format!("/action/{action}"), &body).expect(200);
    for (query, expected) in [
        ("what=changed", vec!["action Welcome"]),
        ("kind=action", vec!["action Welcome", "action greet"]),
        ("kind=secret&what=created", vec!["secret key"]),
        ("token=a%20token", vec!["secret key"]),
        ("owner_id=a", vec!["secret key", "token a token"]),
        ("q=GREET", vec!["action greet"]),
        ("span=1h&kind=action", vec!["action Welcome"]),
        ("what=deleted", vec![]),
        (&format!("subject_id={action}"), vec!["action Welcome", "action greet"]),
    ] {
        assert_eq!(rows(&browser, &format!("/console/audit?{query}")), expected, "{query}");
    }
    let page = browser.get("/console/audit?limit=1").text;
    let next = behind(&page, "rel=\"next\" href=\"", "\"").replace("&#38;", "&");
    assert_eq!(rows(&browser, &next), ["secret key"]);
    assert!(browser.get("/console/audit?what=deleted").text.contains("Nothing matches."));
    is_page(&browser.part("/console/audit?what=odd", "list"), 400);
    let entry = server.admin.get("/audit?what=changed").expect(200)[0].clone();
    let path = format!("/console/audit/{}", id(&entry));
    let shown = detail(&browser, &path);
    assert!(shown.contains("CHANGED action Welcome") && shown.contains("Who admin"), "{shown}");
    let page = browser.get(&path).text;
    let differs = text(behind(&page, "What is different", "</table>"));
    assert!(differs.contains("/description first second") && differs.contains("/name greet Welcome"), "{differs}");
    assert!(differs.contains("/version 1 2") && !differs.contains("/retry"), "{differs}");
    assert!(page.contains(&format!("href=\"/console/actions/{action}\"")), "{page}");
    let made = server.admin.get("/audit?kind=secret").expect(200)[0].clone();
    let shown = detail(&browser, &format!("/console/audit/{}", id(&made)));
    assert!(shown.contains("/header/description nothing one") && !shown.contains("hunter2"), "{shown}");
    let page = browser.get(&format!("/console/audit/{}", id(&made))).text;
    assert!(page.contains("href=\"/console/secrets/key?owner_id=a\""), "{page}");
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    is_page(&stranger.get(&path), 404);
    assert_eq!(rows(&stranger, "/console/audit"), ["token b token"]);
}

#[test]
fn the_limits_are_shown_with_what_is_used_of_them() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let (a, token) = server.client_and_token_for("a", &["admin"]);
    for key in ["one", "two"] {
        a.put(&format!("/secret/{key}"), &json!({ "value": "12345" })).expect(201);
    }
    server.admin.post("/tenant", &json!({ "id": "a", "quotas": { "secrets": 2 } })).expect(201);
    let page = browser.get("/console/limits");
    let page = is_page(&page, 200);
    assert!(page.contains("<option value=\"a\">"), "{page}");
    let shown = text(behind(page, "<main", "</main>"));
    for words in [
        "Used by the platform itself Concurrent runs 0 of 8",
        "Secrets 2 of 100 000",
        "Nearest to a quota Tenant Quota Used Of a Secrets 2 2",
        "Sink type Running At once Queued Fuel",
        "wasm 0 all 0 1 000 000 000 64.0 MB 10.00 s",
        "A JSON body, the payload of an event included 1.0 MB body_bytes",
        "Memory 512.0 MB",
    ] {
        assert!(shown.contains(words), "no {words}: {shown}");
    }
    let of_a = browser.part("/console/limits?owner_id=a", "limits");
    let of_a = is_page(&of_a, 200);
    assert!(of_a.trim_start().starts_with("<section id=\"limits\"") && of_a.contains("data-live"), "{of_a}");
    assert!(of_a.contains("class=\"full\"") && of_a.contains("value=\"1000\" aria-label=\"Secrets\""), "{of_a}");
    assert!(
        text(of_a).contains("Of the tenant a") && text(of_a).contains("Size of modules 0 B of 4.0 GB"),
        "{}",
        text(of_a)
    );
    let tenant = Browser::signed_in(&server, &token);
    let own = tenant.get("/console/limits").text;
    assert!(
        text(&own).contains("Of the tenant a")
            && !own.contains("Nearest to a quota")
            && !own.contains("all tenants of"),
        "{own}"
    );
    is_page(&tenant.get("/console/limits?owner_id=b"), 403);
}

#[test]
fn the_platform_gives_tenants_quotas_and_switches_them_off() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    assert!(browser.get("/console/tenants").text.contains("No tenant has a record."));
    let new = "/console/tenants/new";
    let a = server.client_for("a", &["read"]);
    let post = |changes: &[(&str, &str)]| send(&browser, new, "/console/tenants", changes);
    assert_eq!(faults(&post(&[("/id", "Not A Tenant")])), ["/id"]);
    assert_eq!(faults(&post(&[("/id", "a"), ("/quotas/concurrent_runs:number", "0")])), ["/quotas/concurrent_runs"]);
    let path = went(&post(&[("/id", "a"), ("/name", "Ada & Co"), ("/quotas/secrets:number", "5")]));
    assert_eq!(path, "/console/tenants/a");
    assert_eq!(rows(&browser, "/console/tenants?q=co&enabled=true"), ["a"]);
    let shown = detail(&browser, &path);
    assert!(
        shown.contains("ENABLED a") && shown.contains("Secrets 0 of 5") && shown.contains("Tokens 1 of 1 000"),
        "{shown}"
    );
    let edit = format!("{path}/edit");
    let old = browser.get(&edit).text;
    let shown = text(&old);
    for usual in
        ["Events in a minute Usually 60 000.", "Runs at once As the server.", "Kept values, bytes Usually 1.0 GB."]
    {
        assert!(shown.contains(usual), "no {usual}: {shown}");
    }
    went(&send(&browser, &edit, &path, &[("/retention_days:number", "7")]));
    let read = || server.admin.get("/tenant/a").expect(200).clone();
    assert_eq!((&read()["retention_days"], &read()["quotas"]), (&json!(7), &json!({ "secrets": 5 })));
    is_page(&send_form(&browser, &old, &path, &[]), 412);
    let asked = browser.part(&format!("{path}/off"), "dialog");
    assert!(text(is_page(&asked, 200)).contains("Switch the tenant a off?"), "{}", asked.text);
    let to = unescaped(behind(&asked.text, "action=\"", "\""));
    went(&browser.post(&to, &[]));
    assert_eq!(
        (&read()["enabled"], &read()["quotas"], &read()["name"]),
        (&json!(false), &json!({ "secrets": 5 }), &json!("Ada & Co"))
    );
    a.get("/event").problem(403, "tenant_disabled");
    let off = detail(&browser, &path);
    assert!(off.contains("SWITCHED OFF a") && off.contains("It is switched off: its tokens"), "{off}");
    is_page(&browser.post(&to, &[]), 412);
    let refused = browser
        .post(&unescaped(behind(&browser.part(&format!("{path}/delete"), "dialog").text, "action=\"", "\"")), &[]);
    assert!(is_page(&refused, 409).contains("in_use"), "{}", refused.text);
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    server.admin.post("/tenant", &json!({ "id": "b" })).expect(201);
    let tenant = Browser::signed_in(&server, &token);
    assert_eq!(rows(&tenant, "/console/tenants"), ["b"]);
    assert!(!tenant.get("/console/tenants/b").text.contains("/edit"));
    is_page(&tenant.get(&path), 404);
}

#[test]
fn what_is_of_another_tenant_is_in_no_list() {
    let server = TestServer::start();
    let a = server.client_for("a", &["admin"]);
    a.post("/event-type", &json!({ "display_name": "mine" })).expect(201);
    for path in ["/source-type", "/sink-type"] {
        a.post(path, &json!({ "name": "mine" })).expect(201);
    }
    a.post("/source", &json!({ "name": "mine", "source_type": "mine" })).expect(201);
    a.post("/schedule", &json!({ "name": "mine", "event_type": "mine", "cron": "0 0 1 1 *" })).expect(201);
    a.put("/secret/mine", &json!({ "value": "12345" })).expect(201);
    server.admin.put("/secret/ours", &json!({ "value": "12345" })).expect(201);
    server.admin.post("/source-type", &json!({ "name": "ours" })).expect(201);
    let seen = |tenant: &str, section: &str, query: &str| {
        let (_, token) = server.client_and_token_for(tenant, &["read"]);
        rows(&Browser::signed_in(&server, &token), &format!("/console/{section}{query}"))
    };
    for (section, own, others, all) in [
        ("schedules", vec!["mine"], vec![], vec!["mine"]),
        ("sources", vec!["mine"], vec![], vec!["mine"]),
        ("source-types", vec!["mine", "ours"], vec!["ours"], vec!["mine", "ours"]),
        ("sink-types", vec!["mine", "wasm"], vec!["wasm"], vec!["mine", "wasm"]),
        ("secrets", vec!["mine"], vec![], vec!["mine", "ours"]),
    ] {
        assert_eq!(
            (seen("a", section, ""), seen("b", section, ""), seen("", section, "")),
            (
                own.into_iter().map(str::to_owned).collect(),
                others.into_iter().map(str::to_owned).collect(),
                all.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            ),
            "{section}"
        );
        assert!(seen("b", section, "?owner_id=a").is_empty(), "{section}");
    }
}

/// The sections of the navigation that a page has.
fn sections(page: &Answer) -> Vec<String> {
    let nav = behind(&page.text, "<nav", "</nav>");
    nav.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn who_may_not_look_at_a_section_does_not_see_that_it_is_there() {
    let server = TestServer::start();
    let of = |rights: &[&str]| {
        let (_, token) = server.client_and_token_for("a", rights);
        let browser = Browser::signed_in(&server, &token);
        let found = sections(&browser.get("/console/events"));
        for path in &found {
            is_page(&browser.get(path), 200);
        }
        found
    };
    let (read, admin) = (of(&["read", "write", "execute"]), of(&["admin"]));
    assert!(read.contains(&"/console/secrets".to_owned()) && read.contains(&"/console/limits".to_owned()), "{read:?}");
    let only_admins: Vec<&String> = admin.iter().filter(|path| !read.contains(path)).collect();
    assert_eq!(only_admins, ["/console/tokens", "/console/audit"]);
    assert!(of(&["execute"]).is_empty(), "who may not read sees nothing");
    // Nor what only others may do.
    let (_, token) = server.client_and_token_for("a", &["read"]);
    let reader = Browser::signed_in(&server, &token);
    for section in ["schedules", "sources", "source-types", "sinks", "sink-types", "secrets", "tenants"] {
        let page = reader.get(&format!("/console/{section}"));
        assert!(!is_page(&page, 200).contains(&format!("/console/{section}/new")), "{section}");
        is_page(&reader.get(&format!("/console/{section}/new")), 403);
    }
}
