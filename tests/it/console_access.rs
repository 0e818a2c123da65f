//! The console beside the API: nobody sees or does there what the API would not show or do, and nothing that anybody wrote
//! is more than text.

use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::{Value, json};

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
        ("GET", "/console/limits") => ("GET", "/limit"),
        ("GET", "/console/audit") => ("GET", "/audit"),
        ("GET", "/console/audit/{id}") => ("GET", "/audit/{audit}"),
        (_, "/console/secret-key/rotate") => ("POST", "/secret-key/rotate"),
        ("GET", "/console/schedules/preview") => ("POST", "/schedule"),
        (_, path) if of_the_catalogue(path).is_some() => {
            return of_the_catalogue(path).map(|of| of.behind(method, path));
        }
        other => panic!("{other:?}: say here which request of the API it stands on"),
    };
    Some(request)
}

/// Pages that are alike for several kinds of things: where their sections are, how the API calls them, and what a body says.
struct OfTheCatalogue {
    section: &'static str,
    list: &'static str,
    one: &'static str,
}

fn of_the_catalogue(path: &str) -> Option<OfTheCatalogue> {
    let of = |section, list, one| OfTheCatalogue { section, list, one };
    let all = [
        of("/console/schedules", "/schedule", "/schedule/{schedule}"),
        of("/console/sources", "/source", "/source/{source}"),
        of("/console/source-types", "/source-type", "/source-type/{source-type}"),
        of("/console/sinks", "/sink", "/sink/{sink}"),
        of("/console/sink-types", "/sink-type", "/sink-type/{sink-type}"),
        of("/console/secrets", "/secret", "/secret/{secret}"),
        of("/console/tenants", "/tenant", "/tenant/{tenant}"),
        of("/console/tokens", "/token", "/token/{token}"),
    ];
    all.into_iter()
        .find(|of| path.strip_prefix(of.section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl OfTheCatalogue {
    /// Asking, or showing the form, needs what is asked about.
    fn behind(self, method: &str, path: &str) -> (&'static str, &'static str) {
        match (method, &path[self.section.len()..]) {
            ("GET", "") => ("GET", self.list),
            // A secret is made under its name.
            (_, "" | "/new") if self.list == "/secret" => ("PUT", "/secret/new"),
            (_, "" | "/new") => ("POST", self.list),
            ("GET", "/{id}") => ("GET", self.one),
            // What is not there cannot be edited, though it could be made.
            ("GET", "/{id}/edit") if self.list == "/secret" => ("DELETE", self.one),
            (_, "/{id}" | "/{id}/edit" | "/{id}/off") => ("PUT", self.one),
            (_, "/{id}/delete" | "/{id}/revoke") => ("DELETE", self.one),
            (_, "/{id}/token") => ("POST", "/source/{source}/token"),
            other => panic!("{other:?} {path}: say here which request of the API it stands on"),
        }
    }
}

/// What a route takes to change what is there; nothing for all others.
fn body(path: &str) -> Value {
    match path.split('/').nth(1).unwrap() {
        "schedule" => json!({ "name": "mine", "event_type": "mine", "cron": "0 0 1 1 *" }),
        "source" => json!({ "name": "mine", "source_type": "mine" }),
        "sink" => json!({ "name": "local" }),
        "secret" => json!({ "value": "hunter2" }),
        "source-type" | "sink-type" => json!({ "name": "mine" }),
        _ => json!({}),
    }
}

/// What there is to look at, by the name that `behind` has for it.
struct Things {
    event: String,
    run: String,
    schedule: String,
    source: String,
    source_type: String,
    sink_type: String,
    audit: String,
}

impl Things {
    fn made(server: &TestServer, tenant: &Client) -> Things {
        let digest = tenant.request("POST", "/module").bytes(crate::support::component("noop")).send();
        let action = tenant.post("/action", &json!({ "name": "mine", "module": digest.body["data"]["digest"] }));
        let event_type = json!({ "display_name": "mine", "action": action.expect(201)["id"] });
        tenant.post("/event-type", &event_type).expect(201);
        let event =
            tenant.post("/event", &json!({ "event_type": "mine" })).expect(202)["id"].as_str().unwrap().to_owned();
        let ended = server.until(&event, crate::support::is_ended);
        let made =
            |client: &Client, path: &str| client.post(path, &body(path)).expect(201)["id"].as_str().unwrap().to_owned();
        let owner = tenant.get("/event-type/mine").expect(200)["owner_id"].as_str().unwrap().to_owned();
        let admin = server.client_for(&owner, &["admin"]);
        let source_type = made(tenant, "/source-type");
        tenant.put("/secret/mine", &body("/secret")).expect(201);
        server.admin.post("/tenant", &json!({ "id": owner })).expect(201);
        Things {
            event,
            run: ended["runs"][0]["id"].as_str().unwrap().to_owned(),
            schedule: made(tenant, "/schedule"),
            source: made(&admin, "/source"),
            source_type,
            sink_type: made(tenant, "/sink-type"),
            audit: admin.get("/audit").expect(200)[0]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// The address of the page, and of what is behind it.
    fn filled(&self, page: &str, api: &str) -> (String, String) {
        let known = [
            ("{event}", self.event.as_str()),
            ("{run}", &self.run),
            ("{schedule}", &self.schedule),
            ("{source}", &self.source),
            ("{source-type}", &self.source_type),
            ("{sink-type}", &self.sink_type),
            ("{audit}", &self.audit),
            ("{sink}", "local"),
            ("{secret}", "mine"),
            ("{tenant}", "a"),
            // One that is there would be gone after the first that may.
            ("{token}", "01a1ff7d-875e-7388-ab52-e35ac67b46e8"),
        ];
        let named = known.iter().find(|(name, _)| api.contains(name)).map_or("", |(_, id)| id);
        (page.replace("{id}", named), known.iter().fold(api.to_owned(), |api, (name, id)| api.replace(name, id)))
    }
}

/// The status that the API answers with. A stream is closed again at once.
fn status(client: &Client, method: &'static str, path: &str) -> u16 {
    let request = client.request(method, path);
    if path == "/stream" {
        return request.head();
    }
    let is_old = matches!(method, "PUT" | "DELETE") || path.ends_with("/token");
    // What is there stays: nobody has seen this version.
    let request = if is_old { request.header("if-match", "\"999\"") } else { request };
    let body = if method == "PUT" { body(path) } else { wrong(path) };
    if is_old || CREATED.contains(&path) { request.json(&body).send().status } else { request.send().status }
}

/// What is wrong with a body of something new is looked at after who may.
fn wrong(path: &str) -> Value {
    match path {
        "/sink" => json!({ "name": "new", "sink_types": ["none"] }),
        "/tenant" => json!({ "id": "" }),
        _ => json!({}),
    }
}

/// What is made by a body, of which a wrong one is refused.
const CREATED: [&str; 7] = ["/schedule", "/source", "/source-type", "/sink", "/sink-type", "/tenant", "/token"];

/// The fields of a form that means a body, sent by who saw a version that nobody has seen.
fn fields(body: &Value) -> Vec<(String, String)> {
    let fields = body.as_object().unwrap().iter().map(|(name, value)| (format!("/{name}:json"), value.to_string()));
    fields.chain([("version".to_owned(), "999".to_owned())]).collect()
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
                // What would be wrong with a body, or has changed meanwhile, is said when it is sent.
                202 | 412 | 422 if method == "GET" => 200,
                other => other,
            };
            // A page shows something, which needs the right to read; a change alone does not.
            let reads = rights.contains(&"read") || rights.contains(&"admin");
            let expected = if method == "GET" && !reads { 403 } else { expected };
            let shown = match (method, page.as_str()) {
                ("GET", "/console/stream") => browser.head(&page),
                ("GET", _) => browser.get(&page).status,
                _ => {
                    let fields = fields(&if api_method == "PUT" { body(&api) } else { wrong(&api) });
                    let fields: Vec<(&str, &str)> =
                        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    browser.post(&page, &fields).status
                }
            };
            // That it is no more what somebody saw, or is wrong: either is said of what was sent.
            let told = |status| if status == 412 { 422 } else { status };
            let (shown, expected) = (told(shown), told(expected));
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
    pages.extend(evil_catalogue(&admin));
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
    what_is_repeated_is_text(&browser);
    let stranger = Browser::stranger(&server);
    is_harmless(&stranger.sign_in(EVIL, EVIL).text, "the login");
}

fn what_is_repeated_is_text(browser: &Browser) {
    // What a refusal repeats is text too, and so is what stood in a form.
    for path in [
        "/console/events?state=",
        "/console/events?span=",
        "/console/events?event_type=",
        "/console/login?next=",
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
