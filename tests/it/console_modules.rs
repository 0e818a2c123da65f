//! The pages of modules: what is listed, what one asks for, how more get here and how one goes.

use crate::support::{Answer, Browser, ECHO, TestServer, component, is_page, wat_with};
use serde_json::json;

/// Sends a file as the page's script does, or as something that has not got the session's secret.
fn send(browser: &Browser, query: &str, bytes: impl Into<Vec<u8>>, csrf: &str) -> Answer {
    let headers = [("x-csrf-token", csrf), ("hx-request", "true"), ("sec-fetch-site", "same-origin")];
    browser.send(&format!("/console/modules{query}"), bytes, &headers)
}

fn upload(browser: &Browser, query: &str, bytes: impl Into<Vec<u8>>) -> Answer {
    send(browser, query, bytes, &browser.csrf)
}

/// What the rows of the list are called, in order.
fn rows(html: &str) -> Vec<String> {
    let rows = html.split("<tr id=\"m-").skip(1);
    rows.map(|row| row.split("hx-push-url=\"true\">").nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
}

fn digest(answer: &Answer) -> String {
    answer.header("hx-redirect").strip_prefix("/console/modules/").unwrap().to_owned()
}

#[test]
fn a_file_that_is_sent_is_a_module_and_its_page_says_what_it_may() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/modules");
    let page = is_page(&empty, 200);
    assert!(page.contains("No module is here yet.") && page.contains("fusebox push action.wasm"), "{page}");
    assert!(page.contains("data-upload=\"/console/modules\" data-bytes-max=\"33554432\""), "{page}");
    let sent = upload(&browser, "?name=calendar&version=1.0.0&owner_id=", component("booking_calendar"));
    assert_eq!(sent.status, 200, "{}", sent.text);
    let path = sent.header("hx-redirect").to_owned();
    let module = server.admin.get("/module/calendar@1.0.0").expect(200).clone();
    assert_eq!(path, format!("/console/modules/{}", module["digest"].as_str().unwrap()));
    let page = browser.get(&path);
    let page = is_page(&page, 200);
    for import in module["imports"].as_array().unwrap() {
        let (name, words) = (import["import"].as_str().unwrap(), import["grants"].as_str().unwrap());
        let said = page.split("<li>").find(|item| item.starts_with(words));
        assert!(said.is_some_and(|item| item.contains(name)), "{words}: {name}: {page}");
    }
    let exports = module["exports"].as_array().unwrap();
    assert!(!exports.is_empty() && exports.iter().all(|export| page.contains(export.as_str().unwrap())), "{page}");
    assert!(page.contains(&format!("data-copy=\"{}\"", module["digest"].as_str().unwrap())), "{page}");
    assert!(page.contains("Action: of the world fusebox:action/action") && page.contains("the newest"), "{page}");
    assert!(page.contains("href=\"/console/actions/new?module=calendar\""), "it says what to do next: {page}");
    let panel = browser.part(&path, "panel");
    assert!(is_page(&panel, 200).trim_start().starts_with("<article id=\"detail\""), "{}", panel.text);
    // What only computes asks for nothing.
    let sent = upload(&browser, "", ECHO);
    let bare = browser.get(sent.header("hx-redirect"));
    assert!(
        is_page(&bare, 200).contains("Nothing but to compute") && bare.text.contains("It has no name"),
        "{}",
        bare.text
    );
}

#[test]
fn what_is_refused_is_explained_as_the_api_does_and_nothing_is_kept() {
    let server = TestServer::with(|config| config.bounds.module_bytes = 100_000);
    let browser = Browser::admin(&server);
    for (query, bytes, status, words) in [
        ("", "(component (oops))".as_bytes().to_vec(), 422, "not a WebAssembly component"),
        ("?name=No", ECHO.as_bytes().to_vec(), 400, "lower-case letters"),
        ("?version=1", ECHO.as_bytes().to_vec(), 400, "give `name` too"),
        ("", Vec::new(), 400, "the body is empty"),
        ("?odd=1", ECHO.as_bytes().to_vec(), 400, "unknown field `odd`"),
        ("", vec![0; 100_001], 413, "100000 bytes"),
    ] {
        let refused = upload(&browser, query, bytes);
        let part = is_page(&refused, status);
        assert!(part.contains(words) && part.trim_start().starts_with("<div class=\"problem\""), "{part}");
    }
    assert_eq!(server.admin.get("/module").body["count"], 0);
    // Not from a page of this session, however well it is made.
    let other = Browser::admin(&server);
    for wrong in ["", "wrong", other.csrf.as_str()] {
        assert!(is_page(&send(&browser, "", ECHO, wrong), 403).contains("<code>csrf</code>"));
    }
    let elsewhere =
        browser.send("/console/modules", ECHO, &[("x-csrf-token", &browser.csrf), ("sec-fetch-site", "cross-site")]);
    assert_eq!(elsewhere.status, 403);
    assert_eq!(server.admin.get("/module").body["count"], 0);
}

#[test]
fn the_list_is_searched_filtered_sorted_and_paged() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    let small = |pages: u32| wat_with(pages, "run");
    for (query, bytes) in [
        ("?name=beta&version=1.0", small(3).into_bytes()),
        ("?name=alpha&version=1.0", small(4).into_bytes()),
        ("?name=alpha&version=1.1", component("booking_calendar")),
        ("?name=gamma&version=7", component("noop")),
        ("", small(5).into_bytes()),
    ] {
        server.pass_ms(1_000);
        assert_eq!(upload(&browser, query, bytes).status, 200);
    }
    let unnamed =
        server.admin.get("/module?sort=-created_at&limit=1").body["data"][0]["digest"].as_str().unwrap().to_owned();
    let short = unnamed[..19].to_owned();
    let found = |query: &str| {
        let part = browser.part(&format!("/console/modules?{query}"), "list");
        let page = is_page(&part, 200).to_owned();
        assert!(page.trim_start().starts_with("<section id=\"list\""), "only the part is answered: {page}");
        assert_eq!(rows(&browser.get(&format!("/console/modules?{query}")).text), rows(&page), "{query}");
        (rows(&page), page)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(found("").0, names(&[&short, "alpha", "alpha", "beta", "gamma"]));
    assert_eq!(found("sort=-name").0, names(&["gamma", "beta", "alpha", "alpha", &short]));
    assert_eq!(found("sort=-created_at").0, names(&[&short, "gamma", "alpha", "alpha", "beta"]));
    assert_eq!(found("sort=-size_bytes&limit=1").0, names(&["alpha"]));
    assert_eq!(found("q=ALPHA%401.1&kind=").0, names(&["alpha"]));
    assert_eq!(found(&format!("q={}", &unnamed[20..40])).0, names(&[&short]));
    assert_eq!(found("q=admin&kind=action").0.len(), 5);
    assert_eq!(found("kind=command").0, names(&[]));
    assert!(found("kind=command").1.contains("No module matches."));
    assert!(found("kind=command&sort=name").1.contains("href=\"/console/modules?sort=name\">Clear filters"));
    assert_eq!(found("name=alpha&sort=-updated_at").0, names(&["alpha", "alpha"]));
    assert!(
        found("").1.contains("aria-sort=\"ascending\"><a href=\"/console/modules?sort=-name\">Name ↑"),
        "{}",
        found("").1
    );
    let (mut page, mut all) = (String::from("limit=2"), Vec::new());
    loop {
        let (rows, html) = found(&page);
        all.extend(rows);
        let Some((_, next)) = html.split_once("rel=\"next\" href=\"/console/modules?") else { break };
        page = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(all, names(&[&short, "alpha", "alpha", "beta", "gamma"]));
    for query in ["sort=odd", "kind=odd", "limit=0", "odd=1"] {
        assert_eq!(browser.part(&format!("/console/modules?{query}"), "list").status, 400, "{query}");
        assert_eq!(server.admin.get(&format!("/module?{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_module_has_all_versions_of_its_names_and_the_actions_that_run_it() {
    let server = TestServer::with_manual_clock();
    let browser = Browser::admin(&server);
    let first = digest(&upload(&browser, "?name=runner&version=1.0", wat_with(3, "run")));
    server.pass_ms(1_000);
    let second = digest(&upload(&browser, "?name=runner&version=1.1", wat_with(4, "run")));
    upload(&browser, "?name=other&version=5", wat_with(4, "run"));
    let by_name = server.action("by its name", "runner", json!({}));
    let by_version = server.action("by a version", "runner@1.0", json!({ "enabled": false }));
    let page = |digest: &str| is_page(&browser.get(&format!("/console/modules/{digest}")), 200).to_owned();
    let (old, new) = (page(&first), page(&second));
    for (page, other, own) in [(&old, &second, "1.0"), (&new, &first, "1.1")] {
        let table = page.split("<caption>runner</caption>").nth(1).unwrap().split("</table>").next().unwrap();
        assert_eq!(table.matches("<tr").count(), 3, "{table}");
        assert!(table.find("1.1").unwrap() < table.find("1.0").unwrap(), "the newest first: {table}");
        assert!(table.contains(&format!("href=\"/console/modules/{other}\"")), "{table}");
        let here = table.split("aria-current=\"true\"").nth(1).unwrap();
        assert!(here.starts_with(&format!("><td class=\"main\">{own}")), "{here}");
    }
    assert!(new.contains("<caption>other</caption>") && !old.contains("<caption>other</caption>"));
    assert!(new.contains(&format!("/console/actions/{by_name}")) && new.contains("it names runner"), "{new}");
    assert!(!new.contains("by a version"), "{new}");
    assert!(old.contains(&format!("/console/actions/{by_version}")) && old.contains("switched off"), "{old}");
    assert!(!old.contains("by its name"), "{old}");
    let used = server.admin.get(&format!("/module/{second}/use"));
    let used = &used.expect(200)[0];
    assert_eq!(
        (&used["action"], &used["by"], &used["module"]),
        (&json!("by its name"), &json!("name"), &json!("runner"))
    );
    assert_eq!(server.admin.get("/module/runner@1.0/use?q=nothing").body["count"], 0);
    server.admin.get("/module/nothing/use").problem(404, "not_found");
}

#[test]
fn a_module_goes_after_one_question_and_not_while_an_action_runs_it() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let digest = digest(&upload(&browser, "?name=runner&version=1.0", component("noop")));
    let action = server.action("uses it", "runner", json!({}));
    let path = format!("/console/modules/{digest}/delete");
    for answer in [browser.part(&path, "dialog"), browser.post(&path, &[])] {
        let refused = is_page(&answer, 409);
        assert!(refused.contains("the action `uses it`") && refused.contains("in_use"), "{refused}");
    }
    server.admin.get(&format!("/module/{digest}")).expect(200);
    server.admin.delete(&format!("/action/{action}")).expect(200);
    let question = browser.part(&path, "dialog");
    let question = is_page(&question, 200);
    assert!(question.contains("Delete the module runner?") && question.contains("runner@1.0"), "{question}");
    server.admin.get(&format!("/module/{digest}")).expect(200);
    let gone = browser.post(&path, &[]);
    assert_eq!((gone.status, gone.header("location")), (303, "/console/modules"));
    server.admin.get(&format!("/module/{digest}")).problem(404, "not_found");
    for answer in [browser.get(&path), browser.post(&path, &[]), browser.get(&format!("/console/modules/{digest}"))] {
        is_page(&answer, 404);
    }
}

#[test]
fn who_may_only_read_is_shown_no_upload_and_others_see_nothing_of_it() {
    let server = TestServer::start();
    let (owner, _) = server.client_and_token_for("a", &["read", "write"]);
    let own = owner.request("POST", "/module?name=own&version=1").bytes(ECHO).send().expect(201)["digest"].clone();
    let shared = server.upload("noop");
    let (_, token) = server.client_and_token_for("a", &["read"]);
    let reader = Browser::signed_in(&server, &token);
    let list = reader.get("/console/modules");
    assert!(!is_page(&list, 200).contains("data-upload"), "{}", list.text);
    assert!(!list.text.contains("upload.js") && rows(&list.text).len() == 2, "{}", list.text);
    is_page(&upload(&reader, "", ECHO), 403);
    let own = own.as_str().unwrap();
    assert!(!reader.get(&format!("/console/modules/{own}")).text.contains("/delete"));
    is_page(&reader.get(&format!("/console/modules/{own}/delete")), 403);
    let (_, token) = server.client_and_token_for("a", &["read", "write"]);
    let writer = Browser::signed_in(&server, &token);
    assert!(writer.get(&format!("/console/modules/{own}")).text.contains("/delete\""));
    let of_all = writer.get(&format!("/console/modules/{shared}"));
    assert!(!is_page(&of_all, 200).contains("/delete\"") && of_all.text.contains("shared by all"), "{}", of_all.text);
    is_page(&writer.post(&format!("/console/modules/{shared}/delete"), &[]), 403);
    // What is another's is not there, in the list, by its address, or as what runs a module of all.
    server.admin.post("/action", &json!({ "name": "of a", "module": shared, "owner_id": "a" })).expect(201);
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    assert_eq!(rows(&stranger.get("/console/modules?q=").text).len(), 1);
    for path in [format!("/console/modules/{own}"), format!("/console/modules/{own}/delete")] {
        is_page(&stranger.get(&path), 404);
    }
    assert!(!stranger.get(&format!("/console/modules/{shared}")).text.contains("of a<"));
    assert!(reader.get(&format!("/console/modules/{shared}")).text.contains(">of a<"));
}
