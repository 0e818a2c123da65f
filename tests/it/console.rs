//! The console's doors: who gets in, for how long, and what a form must prove.

use crate::support::{Browser, TestServer, form, has_headers, is_page};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_browser_that_asks_for_nothing_in_particular_comes_to_the_console_by_the_login() {
    let server = TestServer::start();
    let stranger = Browser::stranger(&server);
    let root = stranger.get("/");
    assert_eq!((root.status, root.header("location")), (303, "/console"));
    server.admin.without_token().get("/").problem(404, "not_found");
    let console = stranger.get("/console");
    assert_eq!((console.status, console.header("location")), (303, "/console/login?next=%2Fconsole"));
    has_headers(&console.headers);
    let wanted = "/console/events?state=ERROR&q=a%20b";
    let login = stranger.get(wanted).header("location").to_owned();
    let page = stranger.get(&login);
    let page = is_page(&page, 200);
    assert!(page.contains("name=\"next\" value=\"/console/events?state=ERROR&#38;q=a%20b\""), "{page}");

    let entered = stranger.sign_in(&server.token, wanted);
    assert_eq!((entered.status, entered.header("location")), (303, wanted));
    let cookie = entered.header("set-cookie");
    let (said, attributes) = cookie.split_once("; ").unwrap();
    assert!(said.starts_with("fusebox_session=") && said.len() > 50 && !said.contains(&server.token), "{cookie}");
    assert_eq!(attributes, "Path=/console; HttpOnly; SameSite=Strict");
    let inside = stranger.with_cookie(said);
    is_page(&inside.get(wanted), 200);
    assert_eq!(inside.get("/console/login?next=/console/events").header("location"), "/console/events");
    // The API takes tokens, and no cookies.
    inside.get_with("/event", &[]).problem(401, "unauthorized");

    let evil = stranger.sign_in(&server.token, "https://evil.example/");
    assert_eq!(evil.header("location"), "/console");
}

#[test]
fn over_tls_the_cookie_does_not_go_anywhere_else() {
    let server = TestServer::start();
    let fields = [("token", server.token.as_str())];
    let same = ("sec-fetch-site", "same-origin");
    let stranger = Browser::stranger(&server);
    let behind_a_proxy = stranger.post_as_it_is("/console/login", &fields, &[("x-forwarded-proto", "https")]);
    assert!(behind_a_proxy.header("set-cookie").ends_with("; Secure"));
    let origin = ("origin", "https://fusebox.example");
    assert!(
        stranger.post_as_it_is("/console/login", &fields, &[same, origin]).header("set-cookie").ends_with("; Secure")
    );
}

#[test]
fn a_wrong_token_gets_nobody_in_and_past_twenty_in_a_minute_none_is_looked_into() {
    let server = TestServer::with_manual_clock();
    let stranger = Browser::stranger(&server);
    for wrong in ["", "wrong", &server.token[1..]] {
        let refused = stranger.sign_in(wrong, "");
        let page = is_page(&refused, 401);
        assert!(page.contains("not known here") && !refused.headers.contains_key("set-cookie"), "{page}");
        assert!(!page.contains("value=\"wrong\""), "what was typed is not shown: it may be half of a token");
    }
    server.admin.post("/source-type", &json!({ "name": "system" })).expect(201);
    let source = server.admin.post("/source", &json!({ "name": "one", "source_type": "system" }));
    is_page(&stranger.sign_in(source.expect(201)["token"].as_str().unwrap(), ""), 401);
    for _ in 4..20 {
        is_page(&stranger.sign_in("wrong", ""), 401);
    }
    let late = stranger.sign_in("wrong", "");
    is_page(&late, 429);
    assert_eq!(late.header("retry-after"), "60");
    assert_eq!(stranger.sign_in(&server.token, "").status, 303, "nobody is kept out by what others do");
    server.pass_ms(59_999);
    assert_eq!(stranger.sign_in("wrong", "").header("retry-after"), "1");
    server.pass_ms(1);
    is_page(&stranger.sign_in("wrong", ""), 401);
    let too_long = stranger.sign_in(&"x".repeat(20_000), "");
    assert_eq!(too_long.status, 413);
}

#[test]
fn a_session_ends_with_its_token_and_has_its_rights_of_now() {
    let server = TestServer::start();
    let made = server.admin.post("/token", &json!({ "name": "ada", "owner_id": "a", "rights": { "read": true } }));
    let (id, token) = (made.expect(201)["id"].clone(), made.body["data"]["token"].as_str().unwrap().to_owned());
    let browser = Browser::signed_in(&server, &token);
    let page = browser.get("/console/events");
    assert!(is_page(&page, 200).contains("ada · read"), "{}", page.text);
    server.admin.post("/tenant", &json!({ "id": "a", "enabled": false })).expect(201);
    assert_eq!(browser.get("/console/events").status, 303);
    let refused = browser.sign_in(&token, "");
    assert!(is_page(&refused, 403).contains("switched off"), "{}", refused.text);
    server.admin.put("/tenant/a", &json!({ "enabled": true })).expect(200);
    let browser = Browser::signed_in(&server, &token);
    is_page(&browser.get("/console/events"), 200);
    server.admin.delete(&format!("/token/{}", id.as_str().unwrap())).expect(200);
    assert_eq!(browser.get("/console/events").header("location"), "/console/login?next=%2Fconsole%2Fevents");
}

#[test]
fn whoever_signs_out_is_out() {
    let server = TestServer::start();
    let (browser, other) = (Browser::admin(&server), Browser::admin(&server));
    let left = browser.post("/console/logout", &[]);
    assert_eq!((left.status, left.header("location")), (303, "/console/login"));
    assert_eq!(left.header("set-cookie"), "fusebox_session=; Path=/console; HttpOnly; SameSite=Strict; Max-Age=0");
    assert_eq!(browser.get("/console/events").status, 303);
    is_page(&other.get("/console/events"), 200);
    let again = other.sign_in(&server.token, "");
    assert_eq!((again.status, other.get("/console/events").status), (303, 303), "a new login ends the one before");
}

#[test]
fn a_session_that_nobody_uses_ends_and_so_does_one_that_is_a_week_old() {
    let server = TestServer::with_manual_clock();
    let (used, unused) = (Browser::admin(&server), Browser::admin(&server));
    for _ in 0..14 {
        server.pass_ms(12 * HOUR_MS - 1);
        if unused.cookie != used.cookie {
            is_page(&used.get("/console/events"), 200);
        }
    }
    assert_eq!(unused.get("/console/events").status, 303);
    server.pass_ms(13);
    is_page(&used.get("/console/events"), 200);
    server.pass_ms(1);
    assert_eq!(used.get("/console/events").status, 303, "seven days are over");
    let fresh = Browser::admin(&server);
    server.pass_ms(12 * HOUR_MS - 1);
    is_page(&fresh.get("/console/events"), 200);
    server.pass_ms(12 * HOUR_MS);
    assert_eq!(fresh.get("/console/events").status, 303);
}

#[test]
fn of_one_token_there_are_a_hundred_sessions() {
    let server = TestServer::with_manual_clock();
    let other = server.client_for("a", &["read"]);
    let token = server.admin.post("/token", &json!({ "name": "x", "rights": { "read": true } }));
    let kept = Browser::signed_in(&server, token.expect(201)["token"].as_str().unwrap());
    other.get("/event").expect(200);
    let mut browsers = Vec::new();
    for _ in 0..100 {
        server.pass_ms(1);
        browsers.push(Browser::admin(&server));
    }
    is_page(&browsers[0].get("/console/events"), 200);
    server.pass_ms(1);
    is_page(&browsers[0].get("/console/events"), 200);
    let newest = Browser::admin(&server);
    let open = |browser: &Browser| browser.get("/console/events").status == 200;
    assert!(open(&browsers[0]) && open(&newest) && !open(&browsers[1]), "the one that was unused longest makes room");
    assert!(open(&kept), "others keep theirs");
}

/// A path with something in the place of each of its parameters.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part == "{id}" { "01a1ff7d-875e-7388-ab52-e35ac67b46e8" } else { part });
    parts.map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/")
}

/// Everything that changes something, wherever it is.
fn changes() -> Vec<String> {
    let addresses = fusebox::console::addresses().into_iter().filter(|(method, _)| *method != "GET");
    let changes: Vec<String> = addresses.map(|(_, path)| filled(path)).collect();
    assert!(changes.len() >= 5, "{changes:?}");
    changes
}

#[test]
fn a_change_comes_from_a_form_of_the_session_and_from_nowhere_else() {
    let server = TestServer::start();
    let (browser, other) = (Browser::admin(&server), Browser::admin(&server));
    let (own, same) = (browser.csrf.as_str(), ("sec-fetch-site", "same-origin"));
    let code = |answer: &crate::support::Answer| {
        is_page(answer, 403);
        let (_, rest) = answer.text.split_once("403 <code>").unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    for path in changes() {
        let send =
            |fields: &[(&str, &str)], headers: &[(&'static str, &str)]| browser.post_as_it_is(&path, fields, headers);
        assert_eq!(code(&send(&[], &[same])), "csrf", "{path}");
        assert_eq!(code(&send(&[("csrf", "")], &[same])), "csrf", "{path}");
        assert_eq!(code(&send(&[("csrf", &other.csrf)], &[same])), "csrf", "{path}: of another session");
        assert_eq!(code(&send(&[("csrf", own)], &[same, ("x-csrf-token", "wrong")])), "csrf", "{path}");
        for elsewhere in ["cross-site", "same-site"] {
            assert_eq!(code(&send(&[("csrf", own)], &[("sec-fetch-site", elsewhere)])), "cross_site", "{path}");
        }
        assert_eq!(code(&send(&[("csrf", own)], &[("origin", "https://evil.example")])), "cross_site", "{path}");
        assert_eq!(code(&send(&[("csrf", own)], &[("origin", "null")])), "cross_site", "{path}");
    }
    // With it, by a header as htmx sends it or by a field, the change is looked at.
    let nobody = "/console/events/01a1ff7d-875e-7388-ab52-e35ac67b46e8/cancel";
    is_page(&browser.post(nobody, &[]), 404);
    is_page(&browser.post_as_it_is(nobody, &[], &[same, ("x-csrf-token", own)]), 404);
    is_page(&browser.post_as_it_is(nobody, &[("csrf", own)], &[("origin", &server.url())]), 404);
    let stranger = Browser::stranger(&server);
    let login =
        stranger.post_as_it_is("/console/login", &[("token", &server.token)], &[("sec-fetch-site", "cross-site")]);
    login.problem(403, "cross_site");
    assert!(!login.headers.contains_key("set-cookie"));
}

#[test]
fn a_form_has_bounds() {
    let server = TestServer::with(|config| config.bounds.body_bytes = 1_000);
    let browser = Browser::admin(&server);
    server.install("noop", "noop", json!({}));
    let event = server.fire_and_wait("noop", json!({}))["id"].as_str().unwrap().to_owned();
    let path = format!("/console/events/{event}/replay");
    let payload = |length: usize| format!("\"{}\"", "x".repeat(length));
    let around = r#"{"payload":""}"#.len();
    let send = |length: usize| browser.post(&path, &[("/payload:json", &payload(length))]).status;
    assert_eq!((send(1_000 - around), send(1_001 - around)), (303, 413));
    let body = form(&[("csrf", &browser.csrf), ("x", &"x".repeat(3_000))]);
    assert!(body.len() > 3_000);
    assert_eq!(browser.post(&path, &[("x", &"x".repeat(3_000))]).status, 413);
}

#[test]
fn who_is_not_signed_in_sees_no_page_and_no_part_of_one() {
    let server = TestServer::start();
    let stranger = Browser::stranger(&server);
    let expired = stranger.with_cookie("fusebox_session=nothing");
    for (method, path) in fusebox::console::addresses() {
        let path = filled(path);
        for browser in [&stranger, &expired] {
            if method != "GET" {
                let sent = browser.post_as_it_is(&path, &[], &[]);
                assert_eq!((sent.status, sent.header("location")), (303, "/console/login?next=%2Fconsole"), "{path}");
                continue;
            }
            let page = browser.get(&format!("{path}?q=1"));
            let login = format!("/console/login?{}", form(&[("next", &format!("{path}?q=1"))]));
            assert_eq!((page.status, page.header("location")), (303, login.as_str()), "{path}");
            has_headers(&page.headers);
            let current = ("hx-current-url", "http://127.0.0.1/console/events?q=2");
            let part = browser.get_with(&path, &[("hx-request", "true"), ("hx-target", "list"), current]);
            let login = "/console/login?next=%2Fconsole%2Fevents%3Fq%3D2";
            assert_eq!((part.status, part.header("hx-redirect")), (401, login), "{path}");
            assert_eq!(browser.get_with(&path, &[("accept", "text/event-stream")]).status, 401, "{path}");
        }
    }
}

/// A cookie that is `SameSite=Strict` does not come along when a link in a mail is followed, which looks like being
/// signed out. From the console's own page it does.
#[test]
fn a_link_from_elsewhere_comes_in_by_a_page_that_loads_itself_once() {
    let server = TestServer::start();
    let stranger = Browser::stranger(&server);
    let bounced = stranger.get_with("/console/events", &[("sec-fetch-site", "cross-site"), ("accept", "text/html")]);
    assert!(is_page(&bounced, 200).contains("http-equiv=\"refresh\" content=\"0\""), "{}", bounced.text);
    let again = stranger.get_with("/console/events", &[("sec-fetch-site", "same-origin"), ("accept", "text/html")]);
    assert_eq!(again.status, 303);
}

#[test]
fn files_have_addresses_that_change_with_them_and_are_kept_for_ever() {
    let server = TestServer::start();
    let stranger = Browser::stranger(&server);
    let page = stranger.get("/console/login").text + &Browser::admin(&server).get("/console/events").text;
    let urls: std::collections::BTreeSet<&str> =
        page.split('"').filter(|text| text.starts_with("/console/assets/")).collect();
    assert_eq!(urls.len(), 5, "{urls:?}");
    for url in urls {
        let file = stranger.get(url);
        assert_eq!((file.status, file.header("cache-control")), (200, "public, max-age=31536000, immutable"), "{url}");
        has_headers(&file.headers);
        let etag = file.header("etag").to_owned();
        let known = stranger.get_with(url, &[("if-none-match", &etag)]);
        assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", etag.as_str()));
        let old = url.replacen("assets/", "assets/0", 1);
        assert_eq!(stranger.get(&old).status, 404);
    }
}
