//! The console beside the API: nobody sees or does there what the API would not show or do, and nothing that anybody wrote
//! is more than text.

use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::json;

/// What a page stands on: the request of the API whose answer decides who may see it. `None` is for who is signed in.
fn behind(method: &str, path: &str) -> Option<(&'static str, &'static str)> {
    let request = match (method, path) {
        ("GET", "/console" | "/console/{*rest}") | ("POST", "/console/logout") => return None,
        ("GET", "/console/events") => ("GET", "/event"),
        ("GET", "/console/events/{id}") => ("GET", "/event/{event}"),
        // Asking whether to do it needs what doing it needs.
        (_, "/console/events/{id}/replay") => ("POST", "/event/{event}/replay"),
        (_, "/console/events/{id}/cancel") => ("POST", "/event/{event}/cancel"),
        ("GET", "/console/runs/{id}") => ("GET", "/run/{run}"),
        (_, "/console/runs/{id}/replay") => ("POST", "/run/{run}/replay"),
        (_, "/console/runs/{id}/cancel") => ("POST", "/run/{run}/cancel"),
        ("GET", "/console/stream") => ("GET", "/stream"),
        ("GET", "/console/event-types" | "/console/offers") => ("GET", "/event-type"),
        ("GET", "/console/event-types/{id}") => ("GET", "/event-type/{type}"),
        (_, "/console/event-types/new") => ("POST", "/event-type"),
        (_, "/console/event-types/{id}/pause") => ("POST", "/event-type/{type}/pause"),
        (_, "/console/event-types/{id}/resume") => ("POST", "/event-type/{type}/resume"),
        // Fires in the name of the tenant that the thing is of, as a replay does.
        (_, "/console/event-types/{id}/fire") => ("POST", "/event/{event}/replay"),
        // Changing and deleting ask for the same; with a version that nobody has seen neither is done.
        (_, path) if path.starts_with("/console/event-types/{id}/") => ("DELETE", "/event-type/{type}"),
        ("GET", "/console/actions") => ("GET", "/action"),
        ("GET", "/console/actions/{id}") => ("GET", "/action/{action}"),
        ("GET", "/console/actions/{id}/versions") => ("GET", "/action/{action}/version"),
        (_, "/console/actions/new") => ("POST", "/action"),
        (_, path) if path.starts_with("/console/actions/{id}/") => ("DELETE", "/action/{action}"),
        // Says what would be sent, and sends nothing.
        ("POST", "/console/curl") => ("GET", "/event-type"),
        other => panic!("{other:?}: say here which request of the API it stands on"),
    };
    Some(request)
}

/// What there is to look at, by the name that `behind` has for it.
struct Things {
    event: String,
    run: String,
    action: String,
    event_type: String,
}

impl Things {
    fn made(server: &TestServer, tenant: &Client) -> Things {
        let digest = tenant.request("POST", "/module").bytes(crate::support::component("noop")).send();
        let action = tenant.post("/action", &json!({ "name": "mine", "module": digest.body["data"]["digest"] }));
        let action = action.expect(201)["id"].as_str().unwrap().to_owned();
        let body = json!({ "display_name": "mine", "action": action });
        let event_type = tenant.post("/event-type", &body).expect(201)["id"].as_str().unwrap().to_owned();
        let event =
            tenant.post("/event", &json!({ "event_type": "mine" })).expect(202)["id"].as_str().unwrap().to_owned();
        let ended = server.until(&event, crate::support::is_ended);
        Things { event, run: ended["runs"][0]["id"].as_str().unwrap().to_owned(), action, event_type }
    }

    /// The address of the page, and of what is behind it.
    fn filled(&self, page: &str, api: &str) -> (String, String) {
        let ids = [("/runs/", &self.run), ("/actions/", &self.action), ("/event-types/", &self.event_type)];
        let id = ids.into_iter().find(|(place, _)| page.contains(place)).map_or(&self.event, |(_, id)| id);
        let api = api.replace("{event}", &self.event).replace("{run}", &self.run);
        (page.replace("{id}", id), api.replace("{action}", &self.action).replace("{type}", &self.event_type))
    }
}

/// The status that the API answers with. A stream is closed again at once. What may go is not at the version that is said.
fn status(client: &Client, method: &'static str, path: &str) -> u16 {
    let request = client.request(method, path);
    let request = if method == "DELETE" { request.header("if-match", "\"0\"") } else { request };
    if path == "/stream" { request.head() } else { request.send().status }
}

#[test]
fn every_page_is_refused_to_whom_the_api_refuses_what_is_behind_it() {
    let server = TestServer::start();
    let things = Things::made(&server, &server.client_for("a", &["read", "write", "execute"]));
    let mut refused = 0;
    for (tenant, rights) in [
        ("a", &["read"] as &[&str]),
        ("a", &["write"]),
        ("a", &["execute"]),
        ("a", &["read", "execute"]),
        ("a", &["admin"]),
        ("b", &["admin"]),
        ("", &["admin"]),
        ("", &["read"]),
    ] {
        let (client, token) = server.client_and_token_for(tenant, rights);
        let browser = Browser::signed_in(&server, &token);
        for (method, page) in fusebox::console::addresses() {
            let Some((api_method, api)) = behind(method, page) else { continue };
            let (page, api) = things.filled(page, api);
            let expected = match status(&client, api_method, &api) {
                // A form that was sent goes on to a page; what cannot be asked for is said as the API says it.
                200 | 202 if method == "POST" => 303,
                202 => 200,
                other => other,
            };
            // A page shows something, which needs the right to read; a change alone does not.
            let reads = rights.contains(&"read") || rights.contains(&"admin");
            let expected = if method == "GET" && !reads { 403 } else { expected };
            // Whoever the API would let do it is asked for what is missing.
            let asks = matches!(expected, 400 | 412);
            let expected = if asks && method == "GET" { 200 } else { expected };
            let shown = match (method, page.as_str()) {
                ("GET", "/console/stream") => browser.head(&page),
                ("GET", _) => browser.get(&page).status,
                _ => browser.post(&page, &[]).status,
            };
            if asks && method == "POST" {
                assert!(matches!(shown, 200 | 412 | 422), "{tenant}:{rights:?} {method} {page}: {shown}");
                continue;
            }
            // What makes no change answers with a page itself.
            let expected = if page == "/console/curl" && expected == 303 { 200 } else { expected };
            assert_eq!(shown, expected, "{tenant}:{rights:?} {method} {page} beside {api_method} {api}");
            refused += u32::from(shown >= 400);
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

#[test]
fn another_tenants_things_are_in_no_list_and_nothing_is_told_of_them() {
    let server = TestServer::start();
    let things = Things::made(&server, &server.client_for("a", &["read", "write", "execute"]));
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    for filter in ["", "?owner_id=a", &format!("?q={}", things.event), "?event_type=mine", "?state=SUCCESS"] {
        let list = stranger.get(&format!("/console/events{filter}"));
        assert!(!list.text.contains(&format!("e-{}", things.event)), "{filter}: {}", list.text);
    }
    let missing = stranger.get(&format!("/console/events/{}", things.event));
    let nothing = stranger.get("/console/events/01a1ff7d-875e-7388-ab52-e35ac67b46e8");
    let plain = |text: &str, id: &str| {
        let words = text.split("<main").nth(1).unwrap().split("request <code>").next().unwrap();
        words.replace(id, "ID")
    };
    assert_eq!(
        plain(is_page(&missing, 404), &things.event),
        plain(is_page(&nothing, 404), "01a1ff7d-875e-7388-ab52-e35ac67b46e8"),
        "what is another's looks like what is not there"
    );
}

/// Text that would run if anything let it.
pub(crate) const EVIL: &str = "</textarea></script>\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";

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
    let code = "import { outcome } from \"fusebox\";\n\
        export default (payload, ctx) => {\n\
          console.warn(payload.evil, { [payload.evil]: payload.evil });\n\
          console.log(ctx.input, ctx.params);\n\
          if (payload.fail) throw new Error(payload.evil);\n\
          return outcome({ [payload.evil]: payload.evil }, { warnings: [payload.evil], event: { evil: payload.evil } });\n\
        }\n";
    for name in ["next", "evil"] {
        server.admin.post("/event-type", &json!({ "display_name": name, "description": EVIL })).expect(201);
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
    let object = json!({ "object_type": "thing", "object_id": EVIL });
    let mut attachment = object.clone();
    attachment["input"] = json!({ "evil": EVIL });
    attachment["reason"] = json!(EVIL);
    server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    let token = server.admin.post("/token", &json!({ "name": EVIL, "rights": { "admin": true } }));
    let admin = server.admin.with_token(token.expect(201)["token"].as_str().unwrap());
    let browser = Browser::signed_in(&server, token.body["data"]["token"].as_str().unwrap());
    let mut pages = vec!["/console/events".to_owned(), format!("/console/events?{}", q(EVIL))];
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
    let mut seen = 0;
    for page in &pages {
        for answer in
            [browser.get(page), browser.part(page, "panel"), browser.part(page, "list"), browser.part(page, "log")]
        {
            is_harmless(&answer.text, page);
            seen += answer.text.matches("&#60;script&#62;alert(1)").count();
        }
        is_page(&browser.get(page), 200);
    }
    assert!(seen > 100, "it is shown {seen} times only");
    // What a refusal repeats is text too, and so is what stood in a form.
    for path in
        ["/console/events?state=", "/console/events?span=", "/console/events?event_type=", "/console/login?next="]
    {
        let answer = browser.get(&format!("{path}{}", &q(EVIL)[2..]));
        is_harmless(&answer.text, path);
    }
    let stranger = Browser::stranger(&server);
    is_harmless(&stranger.sign_in(EVIL, EVIL).text, "the login");
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
