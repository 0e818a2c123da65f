//! The pages of actions: the list, one action in words, its form, its versions, trying it out, deleting it.

use crate::console_access::{EVIL, is_harmless, q};
use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::{Value, json};

/// The text of a piece of HTML.
pub(crate) fn text(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    unescaped(&parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
}

fn unescaped(text: &str) -> String {
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&quot;", "\""), ("&amp;", "&"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

/// What stands behind a piece of HTML, up to another.
#[track_caller]
pub(crate) fn behind<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = html.split_once(from).unwrap_or_else(|| panic!("there is no {from} in {html}"));
    rest.split(to).next().unwrap()
}

/// The ids of the rows of a list, in order.
pub(crate) fn rows(html: &str, prefix: &str) -> Vec<String> {
    let begins = format!("<tr id=\"{prefix}-");
    let ids = html.split(&begins).skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// What the rows of a list are called, in order.
pub(crate) fn names(html: &str) -> Vec<String> {
    html.split("<td class=\"main\">").skip(1).map(|cell| text(cell.split("</td>").next().unwrap())).collect()
}

/// The fields of the form of a page, as a browser sends them when nothing is touched.
pub(crate) fn fields(html: &str) -> Vec<(String, String)> {
    let form = behind(html, "<form id=\"kind-form\"", "</form>");
    let mut fields = Vec::new();
    for (at, _) in form.match_indices('<') {
        let tag = &form[at + 1..];
        let head = &tag[..tag.find('>').unwrap()];
        let attribute = |name: &str| {
            let (_, rest) = head.split_once(&format!(" {name}=\""))?;
            Some(unescaped(rest.split('"').next().unwrap()))
        };
        let inside = |end: &str| tag[head.len() + 1..].split(end).next().unwrap().to_owned();
        let value = match head.split_whitespace().next().unwrap_or_default() {
            "input" if head.contains("type=\"checkbox\"") && !head.contains(" checked") => None,
            "input" => Some(attribute("value").unwrap_or_default()),
            "textarea" => {
                let text = unescaped(&inside("</textarea>"));
                // The first line break of a textarea is none of its text; browsers send both characters for the others.
                Some(text.strip_prefix('\n').unwrap_or(&text).replace('\n', "\r\n"))
            }
            "select" => {
                let inside = inside("</select>");
                let options: Vec<&str> = inside.split("<option").skip(1).collect();
                let chosen = options.iter().find(|option| option.split('>').next().unwrap().contains(" selected"));
                let option = chosen.unwrap_or(&options[0]);
                let said = option.split_once("value=\"").map(|(_, rest)| rest.split('"').next().unwrap());
                Some(said.unwrap_or_else(|| option.split_once('>').unwrap().1.split('<').next().unwrap()).to_owned())
            }
            _ => None,
        };
        if let (Some(name), Some(value)) = (attribute("name"), value) {
            fields.push((name, value));
        }
    }
    fields.retain(|(name, _)| name != "csrf");
    fields
}

/// Sends a form with some fields saying something else.
pub(crate) fn send(
    browser: &Browser,
    path: &str,
    form: &[(String, String)],
    other: &[(&str, &str)],
) -> crate::support::Answer {
    let kept = form.iter().filter(|(name, _)| other.iter().all(|(named, _)| named != name));
    let kept: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(path, &[&kept, other].concat())
}

/// Everything of a thing but what every change of it changes.
pub(crate) fn lasting(thing: &Value) -> Value {
    let mut thing = thing.clone();
    for name in ["version", "updated_at", "updated_by"] {
        thing.as_object_mut().unwrap().remove(name);
    }
    thing
}

/// An action with something in every field.
fn full(server: &TestServer) -> String {
    for name in ["booked", "done", "failed"] {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    let module = server.upload_bytes(crate::support::ECHO);
    let parameters = json!([
        { "name": "channel", "type": "STATIC", "value": "#ops", "locked": true },
        { "name": "sizes", "type": "STATIC", "value": [1, "two\nlines"] },
        { "name": "number", "type": "STATIC", "value": "3" },
        { "name": "who", "type": "DATA", "value": "/user/name", "required": false, "default": "nobody" },
        { "name": "key", "type": "SECRET", "value": "bank.key", "reveal": false },
    ]);
    server.action(
        "greet",
        &module,
        json!({
            "description": "Greets\nwhoever came.", "trigger": "booked", "on_success": "done", "on_failure": "failed",
            "public": true, "continue_on_fail": true, "dedup_mode": "per_action", "enabled": false,
            "input": { "channel": { "type": "string", "description": "Where to" } }, "parameters": parameters,
            "retry": { "attempts": 5, "base_ms": 1_000, "factor": 2, "cap_ms": 60_000 },
            "limits": { "fuel": 5_000_000, "memory_bytes": 2_097_152, "timeout_ms": 1_500 },
            "allowed_hosts": ["https://api.example.com", "GET,POST https://*.example.org:8443/v1"],
            "when": { "at": "/starts_at", "offset": "-5m" },
        }),
    )
}

#[test]
fn the_actions_are_listed_filtered_sorted_and_paged() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/actions");
    assert!(is_page(&empty, 200).contains("There is no action yet.") && empty.text.contains("fusebox push"));
    full(&server);
    server.pass_ms(1_000);
    let echo = server.upload_bytes(crate::support::ECHO);
    server.action("alarm", &echo, json!({ "trigger": "done", "description": "rings" }));
    server.pass_ms(1_000);
    let tenant = server.client_for("a", &["read", "write"]);
    let script = json!({ "name": "script", "language": "javascript", "code": "export default () => 1;" });
    tenant.patient().post("/action", &script).expect(201);
    let page = browser.get("/console/actions");
    let page = is_page(&page, 200);
    let row = |name: &str| {
        let rows = page.split("<tr id=\"a-").skip(1).map(|row| text(row.split("</tr>").next().unwrap()));
        rows.into_iter().find(|row| row.starts_with(&format!("{name} "))).unwrap()
    };
    assert!(row("greet").contains("on success done on failure failed Disabled platform"), "{}", row("greet"));
    assert!(row("script").contains("javascript source Enabled a "), "{}", row("script"));
    let heads = text(behind(page, "<thead>", "</thead>"));
    assert_eq!(heads, "Name ↑ Module On Success On Failure Enabled Tenant Changed");
    for (query, expected) in [
        ("", vec!["alarm", "greet", "script"]),
        ("sort=-name", vec!["script", "greet", "alarm"]),
        ("sort=-updated_at", vec!["script", "alarm", "greet"]),
        ("sort=created_at", vec!["greet", "alarm", "script"]),
        ("q=RING", vec!["alarm"]),
        ("enabled=false", vec!["greet"]),
        ("enabled=true&q=", vec!["alarm", "script"]),
        ("trigger=DONE", vec!["alarm"]),
        ("owner_id=a", vec!["script"]),
        ("on_success=done", vec!["greet"]),
        ("on_failure=done", vec![]),
    ] {
        let part = browser.part(&format!("/console/actions?{query}"), "list");
        let part = is_page(&part, 200);
        assert!(part.trim_start().starts_with("<section id=\"list\""), "{part}");
        assert_eq!(names(part), expected, "{query}");
        let plain = query.replace("&q=", "");
        let listed = server.admin.get(&format!("/action?{plain}"));
        let listed: Vec<&str> =
            listed.expect(200).as_array().unwrap().iter().map(|action| action["name"].as_str().unwrap()).collect();
        assert_eq!(listed, expected, "the API: {query}");
    }
    assert!(browser.part("/console/actions?q=nothing", "list").text.contains("No action matches."));
    let first = browser.part("/console/actions?limit=2", "list").text;
    let next = unescaped(behind(&first, "rel=\"next\" href=\"", "\""));
    assert_eq!(
        (names(&first), names(&browser.get(&next).text)),
        (vec!["alarm".into(), "greet".into()], vec!["script".into()])
    );
    for query in ["enabled=maybe", "sort=odd", "odd=1"] {
        is_page(&browser.get(&format!("/console/actions?{query}")), 400);
        server.admin.get(&format!("/action?{query}")).problem(400, "bad_request");
    }
}

#[test]
fn an_actions_page_says_everything_about_it_in_words() {
    let server = TestServer::start();
    let id = full(&server);
    let browser = Browser::admin(&server);
    server.admin.post("/event-type", &json!({ "display_name": "linked", "action": id })).expect(201);
    let attachment =
        json!({ "object_type": "place", "object_id": "a/7", "input": { "channel": "#seven" }, "priority": 3 });
    server.admin.post(&format!("/action/{id}/object"), &attachment).expect(201);
    let page = browser.get(&format!("/console/actions/{id}"));
    let page = is_page(&page, 200);
    let said = text(page);
    for words in [
        "greet v1",
        "Disabled",
        "5 attempts; the first wait is up to 1.00 s, each next 2 times as long, at most 1 min 0 s",
        "At the time that the payload has at /starts_at, 5 min 0 s before it",
        "the plan of the event goes on",
        "runs once at a time, whatever it is attached to",
        "other tenants may attach it",
        "Fuel 5 000 000",
        "Memory 2.0 MB",
        "Time 1.50 s",
        "https://api.example.com GET,POST https://*.example.org:8443/v1",
        "channel STATIC #ops",
        "locked: no event type gives another",
        "who DATA from the payload: /user/name default nobody may be missing",
        "key SECRET •••• secret bank.key",
        "not given to the code: put into its requests",
        "number STATIC \"3\"",
        "the event type linked",
        "place/a/7",
        "priority 3",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(page.contains("href=\"/console/objects/place/a%2F7\""), "{page}");
    let linked = server.admin.get("/event-type/linked").body["data"]["id"].as_str().unwrap().to_owned();
    assert!(page.contains(&format!("href=\"/console/events?event_type={linked}\"")), "{page}");
    let panel = browser.part(&format!("/console/actions/{id}"), "panel");
    assert!(is_page(&panel, 200).trim_start().starts_with("<article id=\"detail\"") && !panel.text.contains("<nav"));
    // What its module asks for is said as the module says it.
    let gallery = server.upload("failure_gallery");
    let asks = server.action("asks", &gallery, json!({}));
    let said = text(&browser.get(&format!("/console/actions/{asks}")).text);
    let module = server.admin.get(&format!("/module/{gallery}")).expect(200).clone();
    assert!(!module["imports"].as_array().unwrap().is_empty(), "{module:#}");
    for import in module["imports"].as_array().unwrap() {
        let grants = format!("{} {}", import["grants"].as_str().unwrap(), import["import"].as_str().unwrap());
        assert!(said.contains(&grants), "{grants}: {said}");
    }
    // What would surprise when it is saved is said as long as it is so.
    let tenant = server.client_for("a", &["read", "write"]);
    let echo = tenant.request("POST", "/module").bytes(crate::support::ECHO).send();
    let body = json!({ "name": "own", "module": echo.body["data"]["digest"],
        "parameters": [{ "name": "key", "type": "SECRET", "value": "gone" }] });
    let own = tenant.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let page = browser.get(&format!("/console/actions/{own}")).text;
    assert!(text(&page).contains("takes the secret `gone`, which is not set"), "{page}");
}

#[test]
fn a_form_that_nobody_touched_changes_nothing() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let code = "\nexport default (payload) => {\n  return \"</textarea>\";\n};\n";
    let script = json!({ "name": "script", "language": "javascript", "code": code });
    let script = server.admin.patient().post("/action", &script).expect(201)["id"].as_str().unwrap().to_owned();
    for id in [full(&server), script] {
        let before = server.admin.get(&format!("/action/{id}")).expect(200).clone();
        let path = format!("/console/actions/{id}/edit");
        let page = browser.get(&path);
        let form = fields(is_page(&page, 200));
        let saved = send(&browser, &path, &form, &[]);
        assert_eq!(
            (saved.status, saved.header("location")),
            (303, &*format!("/console/actions/{id}")),
            "{}",
            saved.text
        );
        let after = server.admin.get(&format!("/action/{id}")).expect(200).clone();
        assert_eq!(lasting(&before), lasting(&after));
        assert_eq!(after["version"], 2);
    }
}

#[test]
fn an_action_is_made_and_changed_by_its_form() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let module = server.upload_bytes(crate::support::ECHO);
    let page = browser.get(&format!("/console/actions/new?module={module}"));
    let form = fields(is_page(&page, 200));
    let row = [
        ("/name", "greet"),
        ("/owner_id", "a"),
        ("/parameters/0/name", "size"),
        ("/parameters/0/value:value", "3"),
        ("/retry/attempts:number", "2"),
        ("/allowed_hosts:lines", "https://a.example\r\n\r\nhttps://b.example"),
    ];
    let made = send(&browser, "/console/actions/new", &form, &row);
    let id = made.header("location").strip_prefix("/console/actions/").unwrap().to_owned();
    let action = server.admin.get(&format!("/action/{id}")).expect(200).clone();
    assert_eq!((&action["owner_id"], &action["module"]), (&json!("a"), &json!(module)));
    assert_eq!(action["parameters"], json!([{ "name": "size", "type": "STATIC", "value": 3 }]));
    assert_eq!((&action["retry"]["attempts"], &action["retry"]["base_ms"]), (&json!(2), &json!(5_000)));
    assert_eq!(action["allowed_hosts"], json!(["https://a.example", "https://b.example"]));
    let path = format!("/console/actions/{id}/edit");
    let form = fields(&browser.get(&path).text);
    // As htmx asks, the answer says what to show in the form's place, and that a list beside it is out of date.
    let own = browser.csrf.clone();
    let headers = [("hx-request", "true"), ("x-csrf-token", own.as_str())];
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let saved = browser.post_as_it_is(&path, &[&fields[..], &[("/name", "greets")]].concat(), &headers);
    let place: Value = serde_json::from_str(saved.header("hx-location")).unwrap();
    assert_eq!(place, json!({ "path": format!("/console/actions/{id}"), "target": "#detail", "swap": "outerHTML" }));
    assert_eq!((saved.status, saved.header("hx-trigger")), (200, "saved"));
    assert_eq!(server.admin.get(&format!("/action/{id}")).body["data"]["name"], "greets");

    let page = browser.get("/console/actions/new?source=javascript");
    let form = self::fields(is_page(&page, 200));
    let made = send(&browser, "/console/actions/new", &form, &[("/name", "script")]);
    let path = made.header("location").to_owned();
    let id = path.strip_prefix("/console/actions/").unwrap().strip_suffix("/source").unwrap().to_owned();
    let action = server.admin.get(&format!("/action/{id}")).expect(200).clone();
    assert!(action["language"] == "javascript" && action["code"].as_str().unwrap().contains("export default"));
    let audit = server.admin.get("/audit?kind=action");
    assert_eq!(audit.body["count"], 3, "the audit log has it as of any caller: {}", audit.text);
}

#[test]
fn what_is_refused_is_told_at_its_field_and_somebody_elses_change_is_not_overwritten() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let id = full(&server);
    let path = format!("/console/actions/{id}/edit");
    let form = fields(&browser.get(&path).text);
    for (field, said, pointer) in [
        ("/name", "", ""),
        ("/module", "nothing", "/module"),
        ("/trigger", "nothing", "/trigger"),
        ("/input:json", "{\"a\":", "/input"),
        ("/retry/attempts:number", "21", "/retry/attempts"),
        ("/limits/fuel:number", "99999999999999", "/limits/fuel"),
        ("/limits/fuel:number", "many", "/limits/fuel"),
        ("/allowed_hosts:lines", "https://ok.example\r\nftp://x", "/allowed_hosts/1"),
        ("/when/at", "starts_at", "/when"),
        ("/parameters/2/value:value", "[", "/parameters/2/value"),
        ("/parameters/4/value:value", "no key!", "/parameters/4"),
        ("/parameters/1/name", "channel", "/parameters/1/name"),
        // The row before it is taken out of the form: what is refused is told in the row that is there.
        ("/parameters/3/value:value", "", "/parameters/3/value"),
    ] {
        let refused = send(
            &browser,
            &path,
            &form,
            &[(field, said), ("/parameters/0/name", ""), ("/parameters/0/value:value", "")]
                [..if field == "/parameters/3/value:value" { 3 } else { 1 }],
        );
        let page = is_page(&refused, 422);
        assert!(page.contains(&format!("<li data-pointer=\"{pointer}\">")), "{field}={said}: {page}");
    }
    assert_eq!(server.admin.get(&format!("/action/{id}")).body["data"]["version"], 1);
    let others = send(&browser, &path, &form, &[("/description", "mine")]);
    assert_eq!(others.status, 303, "{}", others.text);
    let conflict = send(&browser, &path, &form, &[("/description", "stale")]);
    let page = is_page(&conflict, 412);
    assert!(text(page).contains("Somebody changed it meanwhile The action is at version 2 now"), "{page}");
    assert!(page.contains(&format!("/console/actions/{id}/versions?from=1&#38;to=2")), "{page}");
    assert!(page.contains("<button class=\"danger\" name=\"version\" value=\"2\">"), "{page}");
    let none = send(&browser, &path, &form, &[("version", "")]);
    assert_eq!(none.status, 412, "a form that says no version changes nothing");
    assert_eq!(server.admin.get(&format!("/action/{id}")).body["data"]["description"], "mine");
    // The button is in the form, behind the field: what it says is what counts.
    let stale: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let over = browser.post(&path, &[&stale[..], &[("version", "2")]].concat());
    assert_eq!(over.status, 303, "{}", over.text);
    assert_eq!(server.admin.get(&format!("/action/{id}")).body["data"]["description"], "Greets\nwhoever came.");
}

#[test]
fn versions_are_compared_and_gone_back_to_after_one_question() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let id = full(&server);
    let one = browser.get(&format!("/console/actions/{id}/versions"));
    assert!(text(is_page(&one, 200)).contains("the first") && !one.text.contains("id=\"diff-title\""));
    let module = server.upload_bytes(crate::support::ECHO);
    let put = |body: Value| server.admin.put(&format!("/action/{id}"), &body).expect(200).clone();
    put(
        json!({ "name": "greet", "module": module, "description": "<b>new</b>", "limits": { "fuel": 5 }, "trigger": "booked" }),
    );
    put(
        json!({ "name": "greet", "module": module, "description": "<b>newer</b>", "limits": { "fuel": 5 }, "trigger": "booked" }),
    );
    let path = format!("/console/actions/{id}/versions");
    let page = browser.get(&path);
    let page = is_page(&page, 200);
    assert!(text(page).contains("From version 2 to version 3 Description <b>new</b> <b>newer</b>"), "{}", text(page));
    assert!(
        page.contains("<del>&#60;b&#62;new&#60;/b&#62;</del>")
            && page.contains("<ins>&#60;b&#62;newer&#60;/b&#62;</ins>"),
        "{page}"
    );
    let second = text(behind(page, "<tr id=\"v-2\">", "</tr>"));
    for field in ["Description", "Enabled", "On Success", "Parameters", "Retry", "Limits", "Allowed hosts", "When"] {
        assert!(second.contains(field), "{field}: {second}");
    }
    assert!(!second.contains("Trigger") && !second.contains("Module"), "{second}");
    let all = browser.part(&format!("{path}?from=1&to=3"), "detail");
    let all = is_page(&all, 200);
    assert!(all.trim_start().starts_with("<article") && all.contains("<del>  &#34;attempts&#34;: 5,</del>"), "{all}");
    for odd in ["from=9", "to=9", "from=x"] {
        is_page(&browser.get(&format!("{path}?{odd}")), 404);
    }
    let asked = browser.part(&format!("/console/actions/{id}/rollback?version=1"), "dialog");
    let asked = is_page(&asked, 200);
    assert!(
        text(asked).contains("Roll greet back to version 1? A new version 4 is made that is like version 1"),
        "{asked}"
    );
    assert!(text(asked).contains("It changes: Description, Enabled, On Success"), "{asked}");
    let target = unescaped(behind(asked, "action=\"", "\""));
    put(json!({ "name": "greet", "module": module, "description": "between" }));
    is_page(&browser.post(&target, &[]), 412);
    let asked = browser.get(&format!("/console/actions/{id}/rollback?version=1")).text;
    let target = unescaped(behind(&asked, "<form class=\"question\" method=\"post\" action=\"", "\""));
    assert_eq!(browser.post(&target, &[]).header("location"), format!("/console/actions/{id}"));
    let now = server.admin.get(&format!("/action/{id}")).expect(200).clone();
    assert_eq!((&now["version"], &now["description"]), (&json!(5), &json!("Greets\nwhoever came.")));
}

#[test]
fn an_action_is_tried_with_a_sample_and_nothing_of_it_is_kept() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let schema =
        json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer", "minimum": 7 } } });
    server.admin.post("/event-type", &json!({ "display_name": "t", "payload_schema": schema })).expect(201);
    let code = "export default (payload, ctx) => { console.warn(\"heard\", { n: payload.n }); return { n: payload.n, channel: ctx.input.channel }; }";
    let body = json!({ "name": "try", "language": "javascript", "code": code, "trigger": "t",
        "parameters": [{ "name": "n", "type": "DATA", "value": "n" }], "input": { "channel": { "type": "string", "default": "#ops" } } });
    let id = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/console/actions/{id}/test");
    let page = browser.get(&path);
    let form = fields(is_page(&page, 200));
    let said = |name: &str| form.iter().find(|(found, _)| found == name).unwrap().1.replace("\r\n", "\n");
    assert_eq!(said("/payload:json"), "{\n  \"n\": 7\n}", "it is made from the schema");
    assert_eq!(
        (said("/input:json"), said("/event_type")),
        ("{\n  \"channel\": \"#ops\"\n}".to_owned(), "t".to_owned())
    );
    let before = server.dump();
    let dry = send(&browser, &path, &form, &[("mode", "dry_run")]);
    let dry = text(behind(is_page(&dry, 200), "id=\"tried-title\"", "</main>"));
    assert!(dry.contains("What it would run with") && dry.contains("n DATA 7 n of the payload · the action"), "{dry}");
    let run = send(&browser, &path, &form, &[("mode", "run")]);
    let run = text(behind(is_page(&run, 200), "id=\"tried-title\"", "</main>"));
    for words in ["What it came to", "SUCCESS", "\"channel\": \"#ops\"", "warn heard n=7", "Fuel", "Memory"] {
        assert!(run.contains(words), "{words}: {run}");
    }
    assert_eq!(server.dump(), before);
    let broken = [("/payload:json", "{\"n\": \"x\"}")];
    let dry = send(&browser, &path, &form, &[&broken[..], &[("mode", "dry_run")]].concat());
    assert!(text(is_page(&dry, 200)).contains("A real firing would be refused: /payload/n"), "{}", dry.text);
    let refused = send(&browser, &path, &form, &[&broken[..], &[("mode", "run")]].concat());
    assert!(is_page(&refused, 422).contains("<li data-pointer=\"/payload/n\">"), "{}", refused.text);
    // As htmx asks, the answer goes beside the form.
    let headers = [("hx-request", "true"), ("x-csrf-token", browser.csrf.as_str())];
    let part = browser.post_as_it_is(&path, &[("/payload:json", "{\"n\": 8}")], &headers);
    assert_eq!((part.header("hx-retarget"), part.header("hx-reswap")), ("#outcome", "innerHTML"));
    assert!(is_page(&part, 200).trim_start().starts_with("<section"), "{}", part.text);
    server.fire_and_wait("t", json!({ "n": 42 }));
    let form = fields(&browser.get(&path).text);
    assert!(
        form.contains(&("/payload:json".to_owned(), "{\r\n  \"n\": 42\r\n}".to_owned())),
        "the last event's: {form:?}"
    );
}

#[test]
fn an_action_is_deleted_after_what_goes_with_it_was_counted_and_named() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let id = full(&server);
    server.admin.post("/event-type", &json!({ "display_name": "linked", "action": id })).expect(201);
    for n in 0..12 {
        let attachment = json!({ "object_type": "place", "object_id": n.to_string() });
        server.admin.post(&format!("/action/{id}/object"), &attachment).expect(201);
    }
    let path = format!("/console/actions/{id}/delete");
    let asked = browser.part(&path, "dialog");
    let asked = is_page(&asked, 200);
    let said = text(asked);
    assert!(
        said.contains("Gone with it: 12 attachments: place/0, place/1, place/10, ") && said.contains(", …."),
        "{said}"
    );
    assert!(said.contains("Left without an action of their own: 1 event type: linked."), "{said}");
    assert!(said.contains("where other tenants attached it"), "{said}");
    let target = unescaped(behind(asked, "action=\"", "\""));
    is_page(&browser.post(&path, &[]), 412);
    assert_eq!(browser.post(&target, &[]).header("location"), "/console/actions");
    server.admin.get(&format!("/action/{id}")).problem(404, "not_found");
    assert_eq!(server.admin.get("/event-type/linked").body["data"]["action"], Value::Null);
    is_page(&browser.get(&format!("/console/actions/{id}")), 404);
}

#[test]
fn who_may_not_change_an_action_is_offered_nothing_that_would() {
    let server = TestServer::start();
    let id = full(&server);
    let (_, reader) = server.client_and_token_for("", &["read"]);
    let page = Browser::signed_in(&server, &reader).get(&format!("/console/actions/{id}")).text;
    assert!(
        page.contains("/versions\"")
            && !page.contains("/edit\"")
            && !page.contains("/delete\"")
            && !page.contains("/test\"")
    );
    assert!(!Browser::signed_in(&server, &reader).get("/console/actions").text.contains("New action"));
    // Another tenant's public action: what it takes to attach it, and neither code nor parameters.
    let owner = server.client_for("a", &["read", "write"]);
    let digest = owner.request("POST", "/module").bytes(crate::support::ECHO).send().body["data"]["digest"].clone();
    let make = |client: &Client, name: &str, public: bool| {
        let body = json!({ "name": name, "module": digest, "public": public,
            "parameters": [{ "name": "hidden", "type": "STATIC", "value": "of a" }] });
        client.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned()
    };
    let (shown, own) = (make(&owner, "shown", true), make(&owner, "own", false));
    let (_, stranger) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &stranger);
    let list = stranger.get("/console/actions").text;
    assert_eq!(names(&list), ["greet", "shown"]);
    assert!(!list.contains("of a") && list.contains("not shown"), "{list}");
    let page = stranger.get(&format!("/console/actions/{shown}"));
    let page = is_page(&page, 200);
    assert!(
        !page.contains("hidden</td>") && !page.contains("of a") && !page.contains(digest.as_str().unwrap()),
        "{page}"
    );
    assert!(!page.contains("/edit\"") && !page.contains("/versions\""), "{page}");
    for path in ["edit", "versions", "test", "delete", "rollback"] {
        is_page(&stranger.get(&format!("/console/actions/{shown}/{path}")), 404);
    }
    is_page(&stranger.get(&format!("/console/actions/{own}")), 404);
    // A shared one a tenant sees and does not change.
    is_page(&stranger.get(&format!("/console/actions/{id}/edit")), 403);
    assert!(!stranger.get(&format!("/console/actions/{id}")).text.contains("/edit\""));
}

#[test]
fn the_line_for_curl_sends_what_the_form_would() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let id = full(&server);
    let form = fields(&browser.get(&format!("/console/actions/{id}/edit")).text);
    let path = format!("/console/curl?method=PUT&path=/action/{id}");
    let shown = send(&browser, &path, &form, &[("/description", "it's")]);
    let line = unescaped(behind(
        is_page(&shown, 200),
        "<pre class=\"code\" tabindex=\"0\" aria-label=\"The request with curl\">",
        "</pre>",
    ));
    assert!(line.starts_with(&format!("curl -X PUT {}/action/{id} \\\n", server.url())), "{line}");
    assert!(line.contains("-H \"authorization: Bearer $FUSEBOX_TOKEN\"") && !line.contains(&server.token), "{line}");
    assert!(line.contains("-H 'if-match: \"1\"'"), "{line}");
    let body = line.split_once("--data-raw '").unwrap().1.strip_suffix('\'').unwrap().replace(r"'\''", "'");
    let body: Value = serde_json::from_str(&body).unwrap();
    let sent = server.admin.put(&format!("/action/{id}"), &body).expect(200).clone();
    assert_eq!((&sent["description"], &sent["parameters"][2]["value"]), (&json!("it's"), &json!("3")));
    let broken = send(&browser, &path, &form, &[("/input:json", "{")]);
    assert!(text(is_page(&broken, 200)).contains("It cannot be sent yet: /input: not valid JSON"), "{}", broken.text);
}

#[test]
fn whatever_anybody_wrote_is_text_on_the_pages_of_actions_and_event_types() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let parameters = json!([{ "name": format!("x{EVIL}"), "type": "STATIC", "value": EVIL }]);
    let schema = json!({ "description": EVIL, "properties": { "evil": { "default": EVIL } } });
    let body =
        json!({ "display_name": "evil", "description": EVIL, "parameters": parameters, "payload_schema": schema });
    server.admin.post("/event-type", &body).expect(201);
    let code = format!(
        "// {EVIL}\nexport default (payload) => {{ console.warn(payload.evil, {{ [payload.evil]: payload.evil }}); return payload; }};\n"
    );
    let mut body = json!({ "name": EVIL, "description": EVIL, "language": "javascript", "code": code, "parameters": parameters,
        "input": { "evil": { "type": "string", "description": EVIL, "default": EVIL } } });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let attachment = json!({ "object_type": "thing", "object_id": EVIL, "input": { "evil": EVIL }, "reason": EVIL });
    server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    let event_type = server.event_type("runs", &action, json!({ "description": EVIL }));
    body["description"] = json!(format!("{EVIL}{EVIL}"));
    server.admin.patient().put(&format!("/action/{action}"), &body).expect(200);
    let evil = server.admin.get("/event-type/evil").body["data"]["id"].as_str().unwrap().to_owned();
    let mut pages = vec![format!("/console/offers?of=actions&{}", q(EVIL))];
    for kind in ["actions", "event-types"] {
        pages.extend(
            ["".to_owned(), format!("?{}", q(EVIL)), "/new".to_owned()].map(|more| format!("/console/{kind}{more}")),
        );
    }
    let of_action = ["", "/edit", "/delete", "/test", "/versions", "/rollback?version=1"];
    pages.extend(of_action.map(|more| format!("/console/actions/{action}{more}")));
    for id in [&evil, &event_type] {
        pages.extend(["", "/edit", "/delete", "/fire"].map(|more| format!("/console/event-types/{id}{more}")));
    }
    let mut seen = 0;
    for path in &pages {
        let page = browser.get(path);
        for html in [is_page(&page, 200), &browser.part(path, "panel").text, &browser.part(path, "list").text] {
            is_harmless(html, path);
            seen += html.matches("&#60;script&#62;alert(1)").count();
        }
    }
    assert!(seen > 60, "it is shown {seen} times only");
    let payload = json!({ "evil": EVIL }).to_string();
    for (path, more) in [
        (format!("/console/actions/{action}/test"), ("mode", "run")),
        (format!("/console/actions/{action}/test"), ("mode", "dry_run")),
        (format!("/console/event-types/{event_type}/fire"), ("dry_run", "true")),
        (format!("/console/curl?method={}&path=/x", q(EVIL)), ("/name", EVIL)),
    ] {
        let answer = browser.post(&path, &[("/payload:json", payload.as_str()), more]);
        is_harmless(is_page(&answer, 200), &path);
        assert!(answer.text.contains("&#60;script&#62;alert(1)"), "{path}: {}", answer.text);
    }
}
