//! Nothing that anybody wrote is more than text in the console.

use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::{Value, json};

/// Text that would run if anything let it.
pub(crate) const EVIL: &str = "</textarea></script>\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";

/// How it is written where it is text.
const TOLD: &str = "&#60;script&#62;alert(1)";

#[track_caller]
pub(crate) fn is_harmless(html: &str, page: &str) {
    for raw in ["<script>alert", "<img src=x", "</textarea></script>", "\"'>"] {
        assert!(!html.contains(raw), "{page} has {raw} in it:\n{html}");
    }
}

#[test]
fn whatever_anybody_wrote_is_text_on_every_page() {
    let server = TestServer::start();
    // Says it in its log, its fields, its output, its warnings, and, asked to, in how it fails.
    let code = format!(
        "// {EVIL}\n{}",
        "import { outcome } from \"fusebox\";\n\
        export default (payload, ctx) => {\n\
          console.warn(payload.evil, { [payload.evil]: payload.evil });\n\
          console.log(ctx.input, ctx.params);\n\
          if (payload.fail) throw new Error(payload.evil);\n\
          return outcome({ [payload.evil]: payload.evil }, { warnings: [payload.evil], event: { evil: payload.evil } });\n\
        }\n"
    );
    let (action, evil_type) = evil_kinds(&server, &code);
    let object = json!({ "object_type": "thing", "object_id": EVIL });
    let mut attachment = object.clone();
    attachment["input"] = json!({ "evil": EVIL });
    attachment["reason"] = json!(EVIL);
    server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    let token = server.admin.post("/token", &json!({ "name": EVIL, "rights": { "admin": true } }));
    let admin = server.admin.with_token(token.expect(201)["token"].as_str().unwrap());
    let browser = Browser::signed_in(&server, token.body["data"]["token"].as_str().unwrap());
    let module = admin.request("POST", "/module?name=evil").bytes(crate::support::component("noop")).send();
    let module = module.expect(201)["digest"].as_str().unwrap().to_owned();
    let source = format!("/console/actions/{action}/source");
    let mut pages = vec!["/console/events".to_owned(), format!("/console/events?{}", q(EVIL))];
    pages.extend(["/console/modules".to_owned(), format!("/console/modules?{}", q(EVIL)), source.clone()]);
    pages.extend([format!("/console/modules/{module}"), format!("/console/modules/{module}/delete")]);
    pages.extend(["/console/chains".to_owned(), format!("/console/chains?{}", q(EVIL))]);
    for fail in [false, true] {
        let payload = json!({ "evil": EVIL, "fail": fail });
        let fired = admin.post("/event", &json!({ "event_type": "evil", "object": object, "payload": payload }));
        let event = fired.expect(202)["id"].as_str().unwrap().to_owned();
        let ended = server.until(&event, crate::support::is_ended);
        let run = &ended["runs"][0];
        assert_eq!(run["state"], if fail { "ERROR" } else { "WARNING" }, "{run:#}");
        let run = run["id"].as_str().unwrap();
        pages.extend(["", "/replay"].map(|more| format!("/console/events/{event}{more}")));
        pages.extend(["", "/replay"].map(|more| format!("/console/runs/{run}{more}")));
        pages.push(format!("/console/runs/{run}?{}", q(EVIL)));
    }
    let changed = json!({ "name": EVIL, "language": "javascript", "code": format!("{code}// {EVIL}") });
    server.admin.patient().put(&format!("/action/{action}"), &changed).expect(200);
    pages.extend(kind_pages(&action, &evil_type));
    pages.extend(object_pages(&server, &action));
    pages.push("/console/overview".to_owned());
    pages.extend(evil_catalogue(&admin));
    let mut seen = 0;
    for page in &pages {
        for answer in
            [browser.get(page), browser.part(page, "panel"), browser.part(page, "list"), browser.part(page, "log")]
        {
            is_harmless(&answer.text, page);
            seen += answer.text.matches(TOLD).count();
        }
        is_page(&browser.get(page), 200);
    }
    assert!(seen > 100, "it is shown {seen} times only");
    what_is_sent_back_is_text(&browser, &action, &evil_type, &code);
    what_is_repeated_is_text(&browser);
    let stranger = Browser::stranger(&server);
    is_harmless(&stranger.sign_in(EVIL, EVIL).text, "the login");
}

/// An action and the event type that triggers it, with such words wherever words can be; their ids.
fn evil_kinds(server: &TestServer, code: &str) -> (String, String) {
    let mut evil_type = String::new();
    for name in ["next", "evil"] {
        let parameters = json!([{ "name": format!("x{EVIL}"), "type": "STATIC", "value": EVIL }]);
        let body = json!({ "display_name": name, "description": EVIL, "parameters": parameters });
        evil_type = server.admin.post("/event-type", &body).expect(201)["id"].as_str().unwrap().to_owned();
    }
    let made = server.admin.patient().post(
        "/action",
        &json!({
            "name": EVIL, "description": EVIL, "language": "javascript", "code": code, "retry": { "attempts": 1 },
            "parameters": [{ "name": EVIL, "type": "STATIC", "value": EVIL }], "on_success": "next", "trigger": "evil",
            "input": { "evil": { "type": "string", "description": EVIL } },
        }),
    );
    let action = made.expect(201)["id"].as_str().unwrap().to_owned();
    (action, evil_type)
}

/// Forms that are answered with what stood in them, or with what came of it.
fn what_is_sent_back_is_text(browser: &Browser, action: &str, event_type: &str, code: &str) {
    let source = format!("/console/actions/{action}/source");
    for fail in [false, true] {
        let payload = json!({ "evil": EVIL, "fail": fail }).to_string();
        let fields = [("/code:text", code), ("/payload:json", &payload), ("/event_type", "evil")];
        let tried = browser.post(&format!("{source}/test"), &fields);
        is_harmless(is_page(&tried, 200), &source);
        assert!(tried.text.matches(TOLD).count() > 5, "{}", tried.text);
    }
    let refused = browser.post(&source, &[("/code:text", EVIL), ("/event_type", EVIL), ("version", EVIL)]);
    is_harmless(&refused.text, &source);
    let payload = json!({ "evil": EVIL }).to_string();
    for (path, more) in [
        (format!("/console/actions/{action}/test"), ("mode", "run")),
        (format!("/console/actions/{action}/test"), ("mode", "dry_run")),
        (format!("/console/event-types/{event_type}/fire"), ("dry_run", "true")),
        (format!("/console/curl?{}", q(EVIL)), ("/name", EVIL)),
    ] {
        let answer = browser.post(&path, &[("/payload:json", payload.as_str()), more]);
        is_harmless(is_page(&answer, 200), &path);
        assert!(answer.text.contains(TOLD) || more.0 == "dry_run", "{path}: {}", answer.text);
    }
}

/// What a refusal repeats is text too, and so is what stood in a form.
fn what_is_repeated_is_text(browser: &Browser) {
    for path in [
        "/console/events?state=",
        "/console/events?span=",
        "/console/events?event_type=",
        "/console/login?next=",
        "/console/chains?around=",
        "/console/modules?kind=",
        "/console/schedules?event_type=",
        "/console/sources?q=",
        "/console/secrets?owner_id=",
        "/console/tokens?right=",
        "/console/audit?token=",
        "/console/audit?kind=",
        "/console/limits?owner_id=",
        "/console/schedules/preview?%2Fcron=",
        "/console/schedules/preview?%2Ftimezone=x&%2Fcron=0+0+1+1+*&x=",
    ] {
        let answer = browser.get(&format!("{path}{}", &q(EVIL)[2..]));
        is_harmless(&answer.text, path);
    }
}

/// The pages of event types and actions.
fn kind_pages(action: &str, event_type: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for (kind, id) in [("actions", action), ("event-types", event_type)] {
        pages.extend(["", "/edit", "/delete"].map(|more| format!("/console/{kind}/{id}{more}")));
        pages.extend(["", "/new"].map(|more| format!("/console/{kind}{more}")));
        pages.push(format!("/console/{kind}?{}", q(EVIL)));
    }
    pages.extend(["versions", "rollback?version=1", "test"].map(|more| format!("/console/actions/{action}/{more}")));
    pages.push(format!("/console/event-types/{event_type}/fire"));
    pages
}

/// The pages of an object that is called so, and of what is attached to it.
fn object_pages(server: &TestServer, action: &str) -> Vec<String> {
    let coded: String = EVIL.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let parents = json!([{ "object_type": "up", "object_id": EVIL }]);
    let record = json!({ "name": EVIL, "parents": parents });
    server.admin.put(&format!("/object/thing/{coded}"), &record).expect(201);
    let attached = server.admin.get(&format!("/action/{action}/object"));
    let attachment = attached.expect(200)[0]["id"].as_str().unwrap().to_owned();
    let object = format!("/console/objects/thing/{coded}");
    let mut pages = vec!["/console/objects".to_owned(), format!("/console/objects?{}", q(EVIL)), object.clone()];
    pages.extend(["/edit", "/delete", "/attach"].map(|more| format!("{object}{more}")));
    pages.push(format!("{object}/attach?action={action}"));
    pages.push(format!("/console/objects/up/{coded}/children"));
    pages.push(format!("{object}?event_type={}", &q(EVIL)[2..]));
    pages.extend(
        ["", "?as=json", "/detach"].map(|more| format!("/console/actions/{action}/objects/{attachment}{more}")),
    );
    pages
}

/// Everything else that a tenant's people give words to; the pages that show them.
fn evil_catalogue(admin: &Client) -> Vec<String> {
    let made = |path: &str, body: Value| admin.post(path, &body).expect(201)["id"].as_str().unwrap().to_owned();
    let kind = made("/source-type", json!({ "name": "kind", "description": EVIL }));
    admin
        .post("/event-type", &json!({ "display_name": "of.kind", "source_type": "kind", "description": EVIL }))
        .expect(201);
    let webhook = json!({ "preset": "github", "secret": "evil", "event_types": { EVIL: "next" }, "event_type": "next",
        "object": { "type": "thing", "pointer": format!("/{EVIL}") } });
    let source = json!({ "name": "hook", "source_type": "kind", "description": EVIL, "webhook": webhook });
    let source = made("/source", source);
    let sink_type = made("/sink-type", json!({ "name": "heavy", "description": EVIL }));
    let sink = made("/sink", json!({ "name": "spare", "description": EVIL }));
    let secret = json!({ "value": "hunter2", "description": EVIL });
    admin.put("/secret/evil", &secret).expect(201);
    admin.post("/tenant", &json!({ "id": "evil", "name": EVIL, "description": EVIL })).expect(201);
    let object = json!({ "object_type": "thing", "object_id": EVIL });
    let schedule = json!({ "name": "often", "event_type": "next", "description": EVIL, "payload": { EVIL: EVIL },
        "object": object, "cron": "0 0 1 1 *" });
    let schedule = made("/schedule", schedule);
    let token = admin.get("/token?sort=-created_at").expect(200)[0]["id"].as_str().unwrap().to_owned();
    let mut pages = Vec::new();
    for (section, id) in [
        ("schedules", schedule.as_str()),
        ("sources", &source),
        ("source-types", &kind),
        ("sinks", &sink),
        ("sink-types", &sink_type),
        ("secrets", "evil"),
        ("tenants", "evil"),
    ] {
        let more = ["/edit", "/delete", ""].map(|more| format!("/console/{section}/{id}{more}"));
        pages.extend(more.into_iter().chain(["", "/new"].map(|more| format!("/console/{section}{more}"))));
    }
    pages.extend([format!("/console/tokens/{token}"), format!("/console/tokens/{token}/revoke")]);
    pages.extend(
        ["/console/tokens", "/console/audit", "/console/limits", "/console/tenants/evil/off"].map(str::to_owned),
    );
    pages.push(format!("/console/sources/{source}/token"));
    for entry in admin.get("/audit?limit=40").expect(200).as_array().unwrap() {
        pages.push(format!("/console/audit/{}", entry["id"].as_str().unwrap()));
    }
    pages
}

pub(crate) fn q(text: &str) -> String {
    crate::support::form(&[("q", text)])
}

#[test]
fn what_a_secret_holds_is_on_no_page() {
    let server = TestServer::start();
    server.admin.put("/secret/bank.key", &json!({ "value": "hunter2-hunter2" })).expect(201);
    let code = "export default (payload, ctx) => { console.log(ctx.params.key); return ctx.params; }";
    let parameters = json!([
        { "name": "key", "type": "SECRET", "value": "bank.key" },
        { "name": "who", "type": "DATA", "value": "/user" },
        { "name": "size", "type": "STATIC", "value": 3 },
    ]);
    let body = json!({ "name": "pay", "language": "javascript", "code": code, "parameters": parameters });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("pay", &action, json!({ "parameters": [{ "name": "size", "type": "STATIC", "value": 5 }] }));
    let event = server.fire_and_wait("pay", json!({ "user": "Ada" }));
    let browser = Browser::admin(&server);
    let page = browser.get(&format!("/console/runs/{}", event["runs"][0]["id"].as_str().unwrap()));
    let page = is_page(&page, 200);
    assert!(!page.contains("hunter2"), "{page}");
    let row = |name: &str| {
        let (_, row) = page.split_once(&format!("<td class=\"main\">{name}</td>")).unwrap();
        let text: Vec<&str> = row.split("</tr>").next().unwrap().split(['<', '>']).skip(2).step_by(2).collect();
        text.join("").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("key"), "SECRETaction pay, version 1 •••• secret bank.key");
    assert_eq!(row("who"), "DATA/user of the payload · action pay, version 1 &#34;Ada&#34;");
    assert_eq!(row("size"), "STATICevent type pay 5");
}
