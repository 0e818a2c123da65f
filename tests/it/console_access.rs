//! The console beside the API: nobody sees or does there what the API would not show or do.

use crate::support::{Browser, Client, TestServer, is_page};
use serde_json::{Value, json};

/// What a page stands on: the request of the API whose answer decides who may see it. `None` is for who is signed in.
fn behind(method: &str, path: &str) -> Option<(&'static str, &'static str)> {
    let request = match (method, path) {
        ("GET", "/console" | "/console/{*rest}") | ("POST", "/console/logout") => return None,
        ("GET", "/console/overview") => ("GET", "/stats"),
        ("GET", "/console/events") => ("GET", "/event"),
        ("GET", "/console/events/{id}") => ("GET", "/event/{event}"),
        // Asking whether to do it needs what doing it needs.
        (_, "/console/events/{id}/replay") => ("POST", "/event/{event}/replay"),
        (_, "/console/events/{id}/cancel") => ("POST", "/event/{event}/cancel"),
        ("GET", "/console/runs/{id}") => ("GET", "/run/{run}"),
        (_, "/console/runs/{id}/replay") => ("POST", "/run/{run}/replay"),
        (_, "/console/runs/{id}/cancel") => ("POST", "/run/{run}/cancel"),
        ("GET", "/console/stream") => ("GET", "/stream"),
        ("GET", "/console/modules") => ("GET", "/module"),
        ("POST", "/console/modules") => ("POST", "/module"),
        ("GET", "/console/modules/{id}") => ("GET", "/module/{module}"),
        (_, "/console/modules/{id}/delete") => ("DELETE", "/module/{module}"),
        ("GET", "/console/chains") => ("GET", "/chain"),
        ("GET", "/console/limits") => ("GET", "/limit"),
        ("GET", "/console/audit") => ("GET", "/audit"),
        ("GET", "/console/audit/{id}") => ("GET", "/audit/{audit}"),
        (_, "/console/secret-key/rotate") => ("POST", "/secret-key/rotate"),
        ("GET", "/console/schedules/preview") => ("POST", "/schedule"),
        // Says what would be sent, and sends nothing.
        ("POST", "/console/curl") => ("GET", "/event-type"),
        (_, path) if of_the_catalogue(path).is_some() => {
            return of_the_catalogue(path).map(|of| of.behind(method, path));
        }
        (_, path) if path.starts_with("/console/objects") || path.contains("/objects/") => {
            behind_an_object(method, path)
        }
        _ => behind_a_kind(method, path),
    };
    Some(request)
}

/// The same of event types and actions.
fn behind_a_kind(method: &str, path: &str) -> (&'static str, &'static str) {
    match (method, path) {
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
        ("GET", "/console/actions/{id}/source") => ("GET", "/action/{scripted}"),
        ("POST", "/console/actions/{id}/source") => ("PUT", "/action/{scripted}"),
        ("POST", "/console/actions/{id}/source/test") => ("POST", "/action/{scripted}/test"),
        (_, "/console/actions/new") => ("POST", "/action"),
        (_, path) if path.starts_with("/console/actions/{id}/") => ("DELETE", "/action/{action}"),
        other => panic!("{other:?}: say here which request of the API it stands on"),
    }
}

/// The same of objects, and of what is attached to them.
fn behind_an_object(method: &str, path: &str) -> (&'static str, &'static str) {
    let rest = path.strip_prefix("/console/objects/{object_type}/{object_id}");
    match (method, path, rest) {
        ("GET", "/console/objects", _) => ("GET", "/object"),
        ("GET", _, Some("")) => ("GET", "/place/up/action"),
        ("GET", _, Some("/children")) => ("GET", "/object?parent_type=place&parent_id=up"),
        (_, "/console/objects/new", _) | (_, _, Some("/edit")) => ("PUT", "/object/place/up"),
        // What it stands on cannot be deleted, so this may be asked for again and again.
        (_, _, Some("/delete")) => ("DELETE", "/object/place/up"),
        (_, _, Some("/order")) => ("POST", "/object/place/up/order"),
        (_, _, Some("/attach")) => ("POST", "/place/up/action"),
        (_, "/console/actions/{id}/objects/{attachment_id}", _) => ("PUT", "/action/{action}/object/{attachment}"),
        (_, "/console/actions/{id}/objects/{attachment_id}/detach", _) => ("DELETE", "/action/{action}/object/NOBODY"),
        other => panic!("{other:?}: say here which request of the API it stands on"),
    }
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

const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";
const CODE: &str = "export default () => 1;";

/// What a route takes to make or change what there is; nothing for those that take no body.
fn body(path: &str) -> Value {
    match path.split(['/', '?']).nth(1).unwrap() {
        "schedule" => json!({ "name": "mine", "event_type": "mine", "cron": "0 0 1 1 *" }),
        "source" => json!({ "name": "mine", "source_type": "mine" }),
        "sink" => json!({ "name": "local" }),
        "secret" => json!({ "value": "hunter2" }),
        "source-type" | "sink-type" => json!({ "name": "mine" }),
        "action" if !path.ends_with("/test") && !path.contains("/object/") => {
            json!({ "name": "scripted", "language": "javascript", "code": CODE })
        }
        _ => json!({}),
    }
}

/// What is wrong with a body of something new is looked at after who may.
fn wrong(path: &str) -> Value {
    match path {
        "/sink" => json!({ "name": "new", "sink_types": ["none"] }),
        "/tenant" => json!({ "id": "" }),
        _ => json!({}),
    }
}

/// What there is to look at, by the name that `behind` has for it.
struct Things(Vec<(&'static str, String)>);

impl Things {
    fn made(server: &TestServer, tenant: &Client) -> Things {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let digest = tenant.request("POST", "/module").bytes(crate::support::component("noop")).send();
        let digest = digest.body["data"]["digest"].as_str().unwrap().to_owned();
        let action = id(tenant.post("/action", &json!({ "name": "mine", "module": digest })).expect(201));
        let scripted = id(tenant.patient().post("/action", &body("/action")).expect(201));
        let event_type = json!({ "display_name": "mine", "action": action });
        let event_type = tenant.post("/event-type", &event_type).expect(201).clone();
        let event = id(tenant.post("/event", &json!({ "event_type": "mine" })).expect(202));
        let ended = server.until(&event, crate::support::is_ended);
        let up = json!({ "object_type": "place", "object_id": "up" });
        tenant.put("/object/place/up", &json!({})).expect(201);
        tenant.put("/object/place/1", &json!({ "parents": [up] })).expect(201);
        let attachment = id(tenant.post(&format!("/action/{action}/object"), &up).expect(201));
        let owner = event_type["owner_id"].as_str().unwrap().to_owned();
        let admin = server.client_for(&owner, &["admin"]);
        let made = |client: &Client, path: &str| id(client.post(path, &body(path)).expect(201));
        let source_type = made(tenant, "/source-type");
        tenant.put("/secret/mine", &body("/secret")).expect(201);
        server.admin.post("/tenant", &json!({ "id": owner })).expect(201);
        Things(vec![
            ("{event}", event),
            ("{run}", id(&ended["runs"][0])),
            ("{module}", digest),
            ("{action}", action),
            ("{scripted}", scripted),
            ("{type}", id(&event_type)),
            ("{attachment}", attachment),
            ("{schedule}", made(tenant, "/schedule")),
            ("{source}", made(&admin, "/source")),
            ("{source-type}", source_type),
            ("{sink-type}", made(tenant, "/sink-type")),
            ("{audit}", id(&admin.get("/audit").expect(200)[0])),
            ("{sink}", "local".to_owned()),
            ("{secret}", "mine".to_owned()),
            ("{tenant}", owner),
            // One that is there would be gone after the first that may.
            ("{token}", NOBODY.to_owned()),
        ])
    }

    fn id(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, id)| id)
    }

    /// The address of the page, and of what is behind it.
    fn filled(&self, page: &str, api: &str) -> (String, String) {
        let named = match page.split('/').nth(2) {
            // Fires, and stands on firing.
            Some("event-types") => self.id("{type}"),
            Some("actions") if !(page.contains("/source/") || page.ends_with("/source")) => self.id("{action}"),
            _ => self.0.iter().find(|(name, _)| api.contains(name)).map_or("", |(_, id)| id),
        };
        let attachment = if page.ends_with("/detach") { NOBODY } else { self.id("{attachment}") };
        let page = page.replace("{object_type}", "place").replace("{object_id}", "up");
        let page = page.replace("{attachment_id}", attachment).replace("{id}", named);
        let api = self.0.iter().fold(api.replace("NOBODY", NOBODY), |api, (name, id)| api.replace(name, id));
        (page, api)
    }
}

/// The status that the API answers with. A stream is closed again at once. What is there stays: nobody has seen the version
/// that is said.
fn status(client: &Client, method: &'static str, path: &str) -> u16 {
    let request = client.request(method, path);
    if path == "/stream" {
        return request.head();
    }
    match method {
        "GET" => request.send().status,
        "PUT" | "DELETE" => request.header("if-match", "\"999\"").json(&body(path)).send().status,
        _ if path.starts_with("/event") || path == "/module" => request.send().status,
        _ => request.header("if-match", "\"999\"").json(&wrong(path)).send().status,
    }
}

/// The status that the console answers with to a form that says the same.
fn sent(browser: &Browser, page: &str, (api_method, api): (&str, &str)) -> u16 {
    // A file is no form.
    if page == "/console/modules" {
        return browser.send(page, "", &[("x-csrf-token", &browser.csrf)]).status;
    }
    let body = if api_method == "PUT" { body(api) } else { wrong(api) };
    let fields = body.as_object().unwrap().iter().map(|(name, value)| (format!("/{name}:json"), value.to_string()));
    let fields: Vec<_> = fields.chain([("version".to_owned(), "999".to_owned())]).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(page, &fields).status
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
            let expected = status(&client, api_method, &api);
            // A page shows something, which needs the right to read; a change alone does not.
            let reads = rights.contains(&"read") || rights.contains(&"admin");
            let shows = method == "GET" || (page.contains("/source/") || page.ends_with("/source"));
            let expected = if shows && !reads { 403 } else { expected };
            let shown = match (method, page.as_str()) {
                ("GET", "/console/stream") => browser.head(&page),
                ("GET", _) => browser.get(&page).status,
                _ => sent(&browser, &page, (api_method, &api)),
            };
            let case = format!("{tenant}:{rights:?} {method} {page}: {shown}, beside {api_method} {api}: {expected}");
            assert!(shown < 500 && expected < 500, "{case}");
            // Who may is what counts here: what is wrong with a change, or too late, is said in a page or beside a form.
            let is_refused = |status: u16| [401, 403, 404].contains(&status);
            if is_refused(expected) || is_refused(shown) || api_method == "GET" && method == "GET" {
                assert_eq!(shown, expected, "{case}");
            } else if method == "GET" {
                assert!([200, 409].contains(&shown), "{case}");
            }
            refused += u32::from(is_refused(shown));
        }
    }
    assert!(refused > 300, "only {refused} were refused");
}

#[test]
fn another_tenants_things_are_in_no_list_and_nothing_is_told_of_them() {
    let server = TestServer::start();
    let things = Things::made(&server, &server.client_for("a", &["read", "write", "execute"]));
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    for filter in ["", "?owner_id=a", &format!("?q={}", things.id("{event}")), "?event_type=mine", "?state=SUCCESS"] {
        let list = stranger.get(&format!("/console/events{filter}"));
        assert!(!list.text.contains(&format!("e-{}", things.id("{event}"))), "{filter}: {}", list.text);
    }
    let missing = stranger.get(&format!("/console/events/{}", things.id("{event}")));
    let nothing = stranger.get("/console/events/01a1ff7d-875e-7388-ab52-e35ac67b46e8");
    let plain = |text: &str, id: &str| {
        let words = text.split("<main").nth(1).unwrap().split("request <code>").next().unwrap();
        words.replace(id, "ID")
    };
    assert_eq!(
        plain(is_page(&missing, 404), things.id("{event}")),
        plain(is_page(&nothing, 404), "01a1ff7d-875e-7388-ab52-e35ac67b46e8"),
        "what is another's looks like what is not there"
    );
}
