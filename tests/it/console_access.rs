//! The console beside the API: nobody sees or does there what the API would not show or do, and nothing that anybody wrote
//! is more than text.

use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::json;

/// What a page stands on: the request of the API whose answer decides who may see it. `None` is for who is signed in.
fn behind(method: &str, path: &str) -> Option<(&'static str, &'static str)> {
    let request = match (method, path) {
        ("GET", "/console/overview") => ("GET", "/stats"),
        ("GET", "/console" | "/console/{*rest}") | ("POST", "/console/logout") => return None,
        ("GET", "/console/events") => ("GET", "/event"),
        ("GET", "/console/events/{id}") => ("GET", "/event/{event}"),
        // Asking whether to do it needs what doing it needs.
        (_, "/console/events/{id}/replay") => ("POST", "/event/{event}/replay"),
        (_, "/console/events/{id}/cancel") => ("POST", "/event/{event}/cancel"),
        ("GET", "/console/runs/{id}") => ("GET", "/run/{run}"),
        (_, "/console/runs/{id}/replay") => ("POST", "/run/{run}/replay"),
        (_, "/console/runs/{id}/cancel") => ("POST", "/run/{run}/cancel"),
        ("GET", "/console/objects") => ("GET", "/object"),
        ("GET", "/console/objects/{object_type}/{object_id}") => ("GET", "/place/up/action"),
        ("GET", "/console/objects/{object_type}/{object_id}/children") => {
            ("GET", "/object?parent_type=place&parent_id=up")
        }
        (_, "/console/objects/new" | "/console/objects/{object_type}/{object_id}/edit") => ("PUT", "/object/place/up"),
        // What it stands on cannot be deleted, so this may be asked for again and again.
        (_, "/console/objects/{object_type}/{object_id}/delete") => ("DELETE", "/object/place/up"),
        (_, "/console/objects/{object_type}/{object_id}/order") => ("POST", "/object/place/up/order"),
        (_, "/console/objects/{object_type}/{object_id}/attach") => ("POST", "/place/up/action"),
        (_, "/console/actions/{id}/objects/{attachment_id}") => ("PUT", "/action/{action}/object/{attachment}"),
        (_, "/console/actions/{id}/objects/{attachment_id}/detach") => ("DELETE", "/action/{action}/object/NOBODY"),
        ("GET", "/console/stream") => ("GET", "/stream"),
        other => panic!("{other:?}: say here which request of the API it stands on"),
    };
    Some(request)
}

const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";

/// What there is to look at, by the name that `behind` has for it.
struct Things {
    event: String,
    run: String,
    action: String,
    attachment: String,
}

impl Things {
    fn made(server: &TestServer, tenant: &Client) -> Things {
        let digest = tenant.request("POST", "/module").bytes(crate::support::component("noop")).send();
        let action = tenant.post("/action", &json!({ "name": "mine", "module": digest.body["data"]["digest"] }));
        let action = action.expect(201)["id"].as_str().unwrap().to_owned();
        let body = json!({ "display_name": "mine", "action": action });
        tenant.post("/event-type", &body).expect(201);
        let event =
            tenant.post("/event", &json!({ "event_type": "mine" })).expect(202)["id"].as_str().unwrap().to_owned();
        let ended = server.until(&event, crate::support::is_ended);
        let up = json!({ "object_type": "place", "object_id": "up" });
        tenant.put("/object/place/up", &json!({})).expect(201);
        tenant.put("/object/place/1", &json!({ "parents": [up] })).expect(201);
        let attached = tenant.post(&format!("/action/{action}/object"), &up);
        let attachment = attached.expect(201)["id"].as_str().unwrap().to_owned();
        Things { event, run: ended["runs"][0]["id"].as_str().unwrap().to_owned(), action, attachment }
    }

    /// The address of the page, and of what is behind it.
    fn filled(&self, page: &str, api: &str) -> (String, String) {
        let id = match page.split('/').nth(2).unwrap_or_default() {
            "runs" => &self.run,
            "actions" => &self.action,
            _ => &self.event,
        };
        let attachment = if page.ends_with("/detach") { NOBODY } else { &self.attachment };
        let page = page.replace("{object_type}", "place").replace("{object_id}", "up");
        let page = page.replace("{attachment_id}", attachment).replace("{id}", id);
        let api = api.replace("{event}", &self.event).replace("{run}", &self.run).replace("NOBODY", NOBODY);
        (page, api.replace("{action}", &self.action).replace("{attachment}", &self.attachment))
    }
}

/// The status that the API answers with. A stream is closed again at once.
fn status(client: &Client, method: &'static str, path: &str) -> u16 {
    let request = client.request(method, path);
    match (method, path) {
        (_, "/stream") => request.head(),
        // Without a body it is not even looked for.
        ("PUT", path) if path.starts_with("/action/") => request.json(&json!({})).send().status,
        _ => request.send().status,
    }
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
            let is_refused = |status: u16| [401, 403, 404].contains(&status);
            let shown = match (method, page.as_str()) {
                ("GET", "/console/stream") => browser.head(&page),
                ("GET", _) => browser.get(&page).status,
                _ => browser.post(&page, &[]).status,
            };
            // What stands on a change shows a form for it, and what was sent here says nothing of it: who may is what counts.
            let shown_all_the_same = api_method != "GET" && !is_refused(expected) && !is_refused(shown);
            let same = shown == expected || shown_all_the_same;
            assert!(same, "{tenant}:{rights:?} {method} {page}: {shown}, beside {api_method} {api}: {expected}");
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
const EVIL: &str = "</textarea></script>\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";

#[track_caller]
fn is_harmless(html: &str, page: &str) {
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
    pages.extend(object_pages(&server, &action));
    pages.push("/console/overview".to_owned());
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

fn q(text: &str) -> String {
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
