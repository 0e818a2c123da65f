//! The editor of source code: what it starts from, trying a text out that is not saved, and saving it.

use crate::support::{Answer, Browser, TestServer, is_page};
use serde_json::json;

const CODE: &str =
    "export default (payload) => {\n  console.info(\"said\", { n: payload.n });\n  return payload.n + 1;\n};\n";

fn scripted(server: &TestServer, code: &str) -> String {
    let body = json!({ "name": "adds", "language": "javascript", "code": code, "retry": { "attempts": 2 } });
    let made = server.admin.patient().post("/action", &body);
    made.expect(201)["id"].as_str().unwrap().to_owned()
}

fn path(action: &str) -> String {
    format!("/console/actions/{action}/source")
}

/// As the page's script sends it.
fn send(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let headers = [("hx-request", "true"), ("x-csrf-token", browser.csrf.as_str()), ("sec-fetch-site", "same-origin")];
    browser.post_as_it_is(path, fields, &headers)
}

/// The text of a field.
#[track_caller]
fn field(page: &str, id: &str) -> String {
    let (_, rest) = page.split_once(&format!("<textarea id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {page}"));
    let text = rest.split_once(">\n").unwrap().1.split("</textarea>").next().unwrap();
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

#[test]
fn it_starts_from_the_newest_version_and_the_event_that_ran_last() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    // The first line of a text stays, also when it is empty.
    let code = format!("\n{CODE}");
    let action = scripted(&server, &code);
    let page = browser.get(&path(&action));
    let page = is_page(&page, 200);
    assert_eq!((field(page, "code"), field(page, "payload")), (code.clone(), "{}".to_owned()));
    assert!(page.contains("name=\"version\" value=\"1\"") && page.contains("codemirror.min.js"), "{page}");
    server.event_type("adds", &action, json!({}));
    let object = json!({ "object_type": "place", "object_id": "7" });
    let fired = json!({ "event_type": "adds", "payload": { "n": 41 }, "object": object });
    server.admin.request("POST", "/event").header("prefer", "wait=60").json(&fired).send().expect(200);
    let page = browser.get(&path(&action));
    let page = is_page(&page, 200);
    assert_eq!(field(page, "payload"), "{\n  \"n\": 41\n}");
    for (name, value) in [("/event_type", "adds"), ("/object/object_type", "place"), ("/object/object_id", "7")] {
        assert!(page.contains(&format!("name=\"{name}\" value=\"{value}\"")), "{name}: {page}");
    }
    // What has no source code has no editor.
    let module = server.action("runs a module", &server.upload("noop"), json!({}));
    let none = browser.get(&path(&module));
    assert!(is_page(&none, 404).contains("source code of the action"), "{}", none.text);
}

#[test]
fn a_text_is_tried_as_it_stands_and_nothing_is_kept_of_it() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let action = scripted(&server, CODE);
    let before = server.dump();
    let draft = CODE.replace("+ 1", "* 10").replace('\n', "\r\n");
    let fields =
        [("/code:text", draft.as_str()), ("version", "1"), ("/payload:json", "{\"n\": 4}"), ("/input:json", "")];
    let tried = send(&browser, &format!("{}/test", path(&action)), &fields);
    let part = is_page(&tried, 200);
    assert!(part.trim_start().starts_with("<div id=\"outcome\""), "{part}");
    assert!(part.contains("class=\"state success\">SUCCESS") && part.contains(">40</pre>"), "{part}");
    assert!(part.contains("<span class=\"words\">said</span> <span class=\"pair\">n=4</span>"), "{part}");
    for meter in ["Fuel", "Memory", "Time", "Log"] {
        assert!(part.contains(&format!("aria-label=\"{meter}\"")), "{meter}: {part}");
    }
    assert_eq!(server.dump(), before);
    // Without a script the whole page comes back, with all that was typed.
    let whole = browser.post(&format!("{}/test", path(&action)), &fields);
    let page = is_page(&whole, 200);
    assert_eq!((field(page, "code"), field(page, "payload")), (draft.replace("\r\n", "\n"), "{\"n\": 4}".to_owned()));
    assert!(page.contains("<nav") && page.contains(">40</pre>"), "{page}");
    assert_eq!(server.admin.get(&format!("/action/{action}")).expect(200)["code"], CODE);
}

#[test]
fn what_is_wrong_is_said_at_its_line() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let action = scripted(&server, CODE);
    let test = format!("{}/test", path(&action));
    let broken = "export default () => {\n  const 1 = 2;\n};\n";
    for path in [&test, &path(&action)] {
        let refused = send(&browser, path, &[("/code:text", broken), ("version", "1"), ("/payload:json", "{}")]);
        let part = is_page(&refused, 422);
        assert!(part.trim_start().starts_with("<div id=\"outcome\""), "{part}");
        assert!(part.contains("data-line=\"2\" data-column=\"") && part.contains("SyntaxError"), "{part}");
    }
    let throws = "export default () => {\n\n  throw new Error(\"no\");\n};\n";
    let failed = send(&browser, &test, &[("/code:text", throws), ("version", "1"), ("/payload:json", "{}")]);
    let part = is_page(&failed, 200);
    assert!(part.contains("class=\"outcome error\" data-line=\"3\"") && part.contains("Error: no"), "{part}");
    let odd = send(&browser, &test, &[("/code:text", CODE), ("version", "1"), ("/payload:json", "{")]);
    assert!(
        is_page(&odd, 422).contains("data-pointer=\"/payload\"") && odd.text.contains("not valid JSON"),
        "{}",
        odd.text
    );
    let nothing = send(&browser, &test, &[("/code:text", CODE), ("/event_type", "nothing")]);
    assert!(is_page(&nothing, 422).contains("there is no event type `nothing`"), "{}", nothing.text);
    // Refused on a page of its own, the text stays in its field.
    let whole = browser.post(&path(&action), &[("/code:text", broken), ("version", "1"), ("/payload:json", "[1]")]);
    let page = is_page(&whole, 422);
    assert_eq!((field(page, "code"), field(page, "payload")), (broken.to_owned(), "[1]".to_owned()));
}

#[test]
fn saving_makes_a_version_with_everything_else_as_it_was() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let action = scripted(&server, CODE);
    let next = CODE.replace("+ 1", "+ 2");
    let saved = send(&browser, &path(&action), &[("/code:text", &next), ("version", "1")]);
    let part = is_page(&saved, 200);
    assert!(part.contains("data-version=\"2\"") && part.contains("Saved as version 2"), "{part}");
    let now = server.admin.get(&format!("/action/{action}"));
    let now = now.expect(200);
    assert_eq!((&now["code"], &now["version"], &now["retry"]["attempts"]), (&json!(next), &json!(2), &json!(2)));
    assert_eq!(now["name"], "adds");
    assert_eq!(server.admin.get("/audit?what=changed").body["count"], 1);
    let whole = browser.post(&path(&action), &[("/code:text", CODE), ("version", "2")]);
    assert_eq!((whole.status, whole.header("location")), (303, path(&action).as_str()));
    assert_eq!(server.admin.get(&format!("/action/{action}")).expect(200)["version"], 3);
}

#[test]
fn another_change_meanwhile_is_told_and_the_text_stays() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let action = scripted(&server, CODE);
    let (theirs, mine) = (CODE.replace("+ 1", "+ 2"), CODE.replace("+ 1", "+ 3"));
    send(&browser, &path(&action), &[("/code:text", &theirs), ("version", "1")]);
    let late = [("/code:text", mine.as_str()), ("version", "1")];
    let refused = send(&browser, &path(&action), &late);
    let part = is_page(&refused, 412);
    assert!(part.contains("Somebody changed the action meanwhile") && part.contains("from version 1"), "{part}");
    assert!(part.contains("name=\"over\" value=\"2\""), "{part}");
    let whole = browser.post(&path(&action), &late);
    assert_eq!(field(is_page(&whole, 412), "code"), mine);
    assert!(whole.text.contains("name=\"version\" value=\"1\""), "{}", whole.text);
    let code = || server.admin.get(&format!("/action/{action}")).expect(200)["code"].clone();
    assert_eq!(code(), theirs, "nothing was saved");
    let over = send(&browser, &path(&action), &[("/code:text", &mine), ("version", "1"), ("over", "2")]);
    assert!(is_page(&over, 200).contains("Saved as version 3"), "{}", over.text);
    assert_eq!(code(), mine);
}

#[test]
fn who_may_not_write_sees_the_text_and_no_more() {
    let server = TestServer::start();
    let shared = scripted(&server, CODE);
    let (writer, token) = server.client_and_token_for("a", &["read", "write"]);
    let body = json!({ "name": "own", "language": "javascript", "code": CODE });
    let own = writer.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let (_, reading) = server.client_and_token_for("a", &["read"]);
    let (reader, writer) = (Browser::signed_in(&server, &reading), Browser::signed_in(&server, &token));
    let fields = [("/code:text", CODE), ("version", "1"), ("/payload:json", "{\"n\": 1}")];
    for (browser, action) in [(&reader, &own), (&reader, &shared), (&writer, &shared)] {
        let page = browser.get(&path(action));
        let page = is_page(&page, 200);
        assert!(page.contains("export default (payload)") && !page.contains("<textarea"), "{page}");
        assert!(!page.contains("codemirror") && !page.contains("editor.js"), "{page}");
        for path in [path(action), format!("{}/test", path(action))] {
            is_page(&browser.post(&path, &fields), 403);
        }
    }
    assert!(is_page(&writer.get(&path(&own)), 200).contains("<textarea id=\"code\""));
    is_page(&send(&writer, &format!("{}/test", path(&own)), &fields), 200);
    let (_, token) = server.client_and_token_for("b", &["admin"]);
    let stranger = Browser::signed_in(&server, &token);
    for path in [path(&own), format!("{}/test", path(&own))] {
        is_page(&stranger.post(&path, &fields), 404);
    }
    is_page(&stranger.get(&path(&own)), 404);
}
