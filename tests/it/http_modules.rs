//! Modules over HTTP: what is taken, under which names, and what is refused in which words.

use crate::sandbox::guest::program;
use crate::support::{Answer, ECHO, TestServer, component, wat_with};
use serde_json::json;

fn upload(server: &TestServer, query: &str, bytes: impl Into<Vec<u8>>) -> Answer {
    server.admin.request("POST", &format!("/module{query}")).bytes(bytes).send()
}

/// Refused with these words, and nothing is kept.
#[track_caller]
fn refused(server: &TestServer, bytes: impl Into<Vec<u8>>, words: &[&str]) -> Answer {
    let answer = upload(server, "", bytes);
    answer.problem(422, "module_refused");
    for word in words {
        assert!(answer.detail().contains(word), "{word} is not in: {}", answer.detail());
    }
    assert_eq!(server.admin.get("/module").body["count"], 0, "a refused module was stored");
    assert!(!server.dump().contains("[module"), "something of a refused module was stored");
    answer
}

#[test]
fn an_upload_is_told_back_with_its_digest_and_what_it_asks_for() {
    let server = TestServer::start();
    let bytes = component("booking_calendar");
    let answer = upload(&server, "?name=calendar&version=1.0.0", bytes.clone());
    let module = answer.expect(201);
    assert_eq!(module["digest"], fusebox::domain::Digest::of(&bytes).to_string());
    assert_eq!((&module["kind"], &module["size_bytes"]), (&json!("action"), &json!(bytes.len())));
    assert_eq!((&module["names"], &module["owner_id"]), (&json!(["calendar@1.0.0"]), &json!("")));
    assert_eq!(module["created_by"], "admin");
    let imports = module["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import["import"] == "fusebox:action/log@0.1.0"), "{imports:?}");
    assert!(imports.iter().all(|import| import["grants"].as_str().is_some_and(|grants| !grants.is_empty())));
    let digest = module["digest"].as_str().unwrap();
    assert_eq!(server.admin.get(&format!("/module/{digest}")).expect(200), module);
    assert_eq!(server.admin.get("/module").expect(200), &json!([module]));
}

#[test]
fn text_and_binary_of_one_component_are_one_module_that_runs() {
    let server = TestServer::start();
    let text = upload(&server, "", ECHO);
    let binary = upload(&server, "", wat::parse_str(ECHO).unwrap());
    assert_eq!(text.expect(201)["digest"], binary.expect(200)["digest"]);
    let digest = text.body["data"]["digest"].as_str().unwrap();
    let action = server.action("echo", digest, json!({}));
    server.event_type("echoed", &action, json!({}));
    let event = server.fire_and_wait("echoed", json!({ "said": "twice" }));
    assert_eq!(event["runs"][0]["output"], json!({ "said": "twice" }));
}

#[test]
fn the_same_bytes_again_change_nothing_but_may_add_a_name() {
    let server = TestServer::start();
    upload(&server, "", component("noop")).expect(201);
    let before = server.dump();
    let again = upload(&server, "", component("noop"));
    assert_eq!(again.expect(200)["names"], json!([]));
    assert_eq!(server.dump(), before);
    for (query, names) in [
        ("?name=a&version=1", json!(["a@1"])),
        ("?name=a&version=1", json!(["a@1"])),
        ("?name=b&version=1", json!(["a@1", "b@1"])),
    ] {
        assert_eq!(upload(&server, query, component("noop")).expect(200)["names"], names);
    }
    assert_eq!(server.admin.get("/module").body["count"], 1);
}

#[test]
fn a_name_means_its_newest_upload_and_a_version_always_the_same() {
    let mut server = TestServer::start();
    let first = upload(&server, "?name=reports.runner&version=1.0.0", component("noop"));
    let second = upload(&server, "?name=reports.runner&version=1.1.0", ECHO);
    let digest = |answer: &Answer| answer.body["data"]["digest"].clone();
    let meaning = |server: &TestServer, reference: &str| {
        server.admin.get(&format!("/module/{reference}")).expect(200)["digest"].clone()
    };
    for _ in 0..2 {
        assert_eq!(meaning(&server, "reports.runner@1.0.0"), digest(&first));
        assert_eq!(meaning(&server, "reports.runner@1.1.0"), digest(&second));
        assert_eq!(meaning(&server, "reports.runner"), digest(&second));
        server.restart();
    }
    let taken = upload(&server, "?name=reports.runner&version=1.0.0", ECHO);
    taken.problem(409, "name_taken");
    assert!(taken.detail().contains("reports.runner@1.0.0"), "{}", taken.detail());
    assert_eq!(meaning(&server, "reports.runner@1.0.0"), digest(&first));
    for unknown in ["nobody", "reports.runner@9", "sha256:00", "UPPER", "reports.runner@"] {
        server.admin.get(&format!("/module/{unknown}")).problem(404, "not_found");
    }
}

/// Uploads of one millisecond had no order: which was the newest changed with a restart, to the one with the greatest digest.
#[test]
fn the_newest_upload_of_a_name_is_the_last_one_even_when_the_clock_stands() {
    let mut server = TestServer::with_manual_clock();
    let newest = |server: &TestServer| server.admin.get("/module/runner").expect(200)["digest"].clone();
    let mut digests = Vec::new();
    for number in 1..=6 {
        let answer = upload(&server, &format!("?name=runner&version={number}"), wat_with(number + 1, "run"));
        digests.push(answer.expect(201)["digest"].as_str().unwrap().to_owned());
        assert_eq!(newest(&server), *digests.last().unwrap());
    }
    assert!(!digests.is_sorted(), "the order of the digests is the order of the uploads: this shows nothing");
    server.restart();
    for digest in digests.iter().rev() {
        assert_eq!(newest(&server), *digest);
        server.admin.delete(&format!("/module/{digest}")).expect(200);
    }

    std::thread::scope(|scope| {
        for number in 1..=6 {
            let server = &server;
            scope.spawn(move || {
                upload(server, &format!("?name=runner&version={number}"), wat_with(number + 1, "run"))
                    .expect(201)
                    .clone()
            });
        }
    });
    let catalogue = server.store().catalogue();
    let mut kept: Vec<_> = catalogue.modules().map(|m| (m.names[0].since, m.digest.to_string())).collect();
    kept.sort_unstable();
    assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "two have one time: {kept:?}");
    drop(catalogue);
    server.restart();
    for (_, digest) in kept.iter().rev() {
        assert_eq!(newest(&server), *digest);
        server.admin.delete(&format!("/module/{digest}")).expect(200);
    }
}

#[test]
fn a_name_without_a_version_gets_one_from_the_digest() {
    let server = TestServer::start();
    let answer = upload(&server, "?name=noop", component("noop"));
    let module = answer.expect(201);
    let digits = &module["digest"].as_str().unwrap()["sha256:".len()..][..12];
    assert_eq!(module["names"], json!([format!("noop@{digits}")]));
}

#[test]
fn a_bad_name_is_refused_before_the_upload_is_looked_at() {
    let server = TestServer::start();
    let long = format!("?name={}", "a".repeat(129));
    let long_version = format!("?name=a&version={}", "1".repeat(65));
    let bad =
        ["?name=A", "?name=", "?name=a%20b", "?name=a/b", "?version=1", "?name=a&version=1/2", &long, &long_version];
    for query in bad {
        upload(&server, query, "not even a component").problem(400, "bad_request");
    }
    upload(&server, "?nam=a", "x").problem(400, "bad_request");
    let at_the_limit = format!("?name={}&version={}", "a".repeat(128), "1".repeat(64));
    upload(&server, &at_the_limit, component("noop")).expect(201);
}

#[test]
fn a_module_in_use_is_not_deleted_and_one_that_is_not_is_gone() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    let action = server.action("uses it", &digest, json!({}));
    let answer = server.admin.delete(&format!("/module/{digest}"));
    answer.problem(409, "in_use");
    assert!(answer.detail().contains("uses it"), "{}", answer.detail());
    server.admin.get(&format!("/module/{digest}")).expect(200);

    server.admin.delete(&format!("/action/{action}")).expect(200);
    assert_eq!(server.admin.delete(&format!("/module/{digest}")).expect(200)["digest"], digest.as_str());
    server.admin.get(&format!("/module/{digest}")).problem(404, "not_found");
    server.admin.delete(&format!("/module/{digest}")).problem(404, "not_found");
    assert!(!server.dump().contains("[module_bytes]"), "the bytes are still there");
    assert_eq!(server.upload("noop"), digest, "it can come again");
}

#[test]
fn a_name_whose_newest_module_is_deleted_means_the_one_before() {
    let server = TestServer::start();
    let old = upload(&server, "?name=a&version=1", component("noop")).expect(201)["digest"].clone();
    upload(&server, "?name=a&version=2", ECHO).expect(201);
    server.admin.delete("/module/a").expect(200);
    assert_eq!(server.admin.get("/module/a").expect(200)["digest"], old);
    server.admin.get("/module/a@2").problem(404, "not_found");
}

#[test]
fn bytes_that_are_no_component_are_refused() {
    let server = TestServer::start();
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    refused(&server, noise, &["not a WebAssembly component or module"]);
    refused(&server, "(component (oops))", &["not a WebAssembly component", "1:13"]);
    let whole = component("noop");
    for length in [9, whole.len() / 2, whole.len() - 1] {
        refused(&server, &whole[..length], &["not a WebAssembly component", "at byte"]);
    }
}

#[test]
fn a_core_module_that_cannot_be_run_is_refused_with_what_to_do() {
    let server = TestServer::start();
    refused(&server, "(module)", &["core module", "fusebox:action/action", "`_start`"]).points_at(&["/exports"]);
    refused(&server, wat::parse_str("(module)").unwrap(), &["core module", "wasm-tools component new"]);
    let foreign = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    refused(&server, foreign, &["`env.abort`", "wasi_snapshot_preview1"]).points_at(&["/imports/env.abort"]);
}

/// The pointers to refused imports had the bare names in them, whose slashes made them point elsewhere.
#[test]
fn an_import_that_is_not_offered_is_named() {
    let server = TestServer::start();
    let foreign = r#"(component
        (import "wasi:keyvalue/store@0.2.0" (instance))
        (import "evil:host/root@1.0.0" (instance)))"#;
    let answer =
        refused(&server, foreign, &["wasi:keyvalue/store@0.2.0", "evil:host/root@1.0.0", "fusebox:action/log"]);
    answer.points_at(&["/imports/wasi:keyvalue~1store@0.2.0", "/imports/evil:host~1root@1.0.0"]);
}

#[test]
fn a_component_of_another_world_is_refused() {
    let server = TestServer::start();
    refused(
        &server,
        wat_with(2, "go"),
        &["exports nothing that is run here", "`go`", "result<outcome, failure>", "`wasi:cli/run@0.2"],
    )
    .points_at(&["/exports"]);
    let other_type = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))"#;
    refused(&server, other_type, &["`run`", "not of the expected type"]).points_at(&["/exports/run"]);
}

#[test]
fn a_component_that_starts_with_more_memory_than_any_attempt_may_have_is_refused() {
    let server = TestServer::start();
    refused(&server, wat_with(16_384, "run"), &["1073741824", "allowed"]);
}

#[test]
fn an_upload_at_the_bound_is_read_and_one_past_it_is_not() {
    let server = TestServer::with(|config| config.bounds.module_bytes = 100_000);
    let padded = |length: usize| format!("{ECHO}{}", " ".repeat(length - ECHO.len()));
    let answer = upload(&server, "", padded(100_001));
    answer.problem(413, "too_large");
    assert!(answer.detail().contains("100000 bytes"), "{}", answer.detail());
    assert_eq!(server.admin.get("/module").body["count"], 0);
    upload(&server, "", padded(100_000)).expect(201);
}

/// The answer to a body that was far too large was lost: the connection was closed while the client was still sending,
/// so that it saw a broken pipe instead of 413.
#[test]
fn an_upload_far_past_the_bound_is_answered_and_the_server_lives_on() {
    let server = TestServer::start();
    upload(&server, "", vec![0; 40 << 20]).problem(413, "too_large");
    server.admin.get("/healthz").expect(200);
}

#[test]
fn an_empty_upload_is_told_how_to_send_one() {
    let server = TestServer::start();
    let answer = upload(&server, "", "");
    answer.problem(400, "bad_request");
    assert!(answer.detail().contains("empty"), "{}", answer.detail());
}

/// A name that was answered with 200 was lost when somebody else named the same module at the same time: both wrote
/// the whole record, each without the other's name.
#[test]
fn names_that_are_given_at_the_same_time_are_all_kept() {
    let mut server = TestServer::start();
    server.upload("noop");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let server = &server;
            scope.spawn(move || {
                upload(server, &format!("?name=n{number}&version=1"), component("noop")).expect(200).clone()
            });
        }
    });
    server.restart();
    for number in 0..16 {
        server.admin.get(&format!("/module/n{number}@1")).expect(200);
    }
    assert_eq!(server.admin.get("/module").expect(200)[0]["names"].as_array().unwrap().len(), 16);
}

#[test]
fn a_module_is_downloaded_by_its_tenant_only() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    let path = format!("/module/{digest}/content");
    let answer = server.admin.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/wasm"));
    assert_eq!(answer.text, String::from_utf8_lossy(&component("noop")));
    let tenant = server.client_for("a", &["read", "write"]);
    tenant.get(&path).problem(403, "forbidden");
    tenant.request("POST", "/module").bytes(component("noop")).send().expect(201);
    assert_eq!(tenant.get(&path).status, 200);
    tenant.get("/module/nobody/content").problem(404, "not_found");
}

/// Prints what it was told; with `code` in its payload it complains instead, and ends with status 42.
fn echo() -> String {
    program(
        r#"(data (i32.const 1024) "\"code\"") (data (i32.const 1040) "no such door\n")
           (func (export "_start")
             (local $at i32) (local $end i32)
             (local.set $at (i32.const 65536))
             (local.set $end (i32.add (i32.const 65536) (call $read)))
             (loop $next
               (if (i64.eq (i64.shl (i64.load (local.get $at)) (i64.const 16))
                           (i64.shl (i64.load (i32.const 1024)) (i64.const 16)))
                 (then (call $complain (i32.const 1040) (i32.const 13)) (call $exit (i32.const 42))))
               (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end))))
             (call $print (i32.const 65536) (i32.sub (local.get $end) (i32.const 65536))))"#,
    )
}

#[test]
fn a_core_module_runs_as_the_component_that_is_made_of_it_and_stays_what_was_uploaded() {
    let mut server = TestServer::start();
    let bytes = wat::parse_str(echo()).unwrap();
    let digest = fusebox::domain::Digest::of(&bytes).to_string();
    let first = upload(&server, "?name=echo&version=1", echo());
    let module = first.expect(201).clone();
    assert_eq!((&module["digest"], &module["size_bytes"]), (&json!(digest), &json!(bytes.len())));
    assert_eq!(
        (&module["kind"], &module["wrapped"]),
        (&json!("command"), &json!("core module, wasip1 command adapter 48.0.8"))
    );
    let before = server.dump();
    assert_eq!(upload(&server, "?name=echo&version=1", bytes.clone()).expect(200), &module);
    assert_eq!(server.dump(), before);
    assert!(upload(&server, "", component("noop")).expect(201).get("wrapped").is_none());

    let action = server.action("echo", &digest, json!({}));
    server.event_type("said", &action, json!({}));
    for _ in 0..2 {
        let event = server.fire_and_wait("said", json!({ "name": "Ada" }));
        let output = &event["runs"][0]["output"];
        assert_eq!((&output["payload"], &output["trigger"]), (&json!({ "name": "Ada" }), &json!("said")));
        server.restart();
        let content = server.admin.get(&format!("/module/{digest}/content"));
        assert_eq!(content.text, String::from_utf8_lossy(&bytes));
    }
    let event = server.fire_and_wait("said", json!({ "code": 1 }));
    let run = &event["runs"][0];
    assert_eq!((&run["state"], &run["reason"], &run["code"]), (&json!("ERROR"), &json!("guest_error"), &json!(42)));
    assert_eq!(run["message"], "ended with exit status 42: no such door");
    assert_eq!(run["attempts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_handler_answers_an_event_with_its_output_or_a_status() {
    let server = TestServer::start();
    let module = upload(&server, "?name=handler&version=1", component("handler")).expect(201).clone();
    assert_eq!(module["kind"], "http");
    let action = server.action("handler", "handler@1", json!({}));
    server.event_type("asked", &action, json!({}));
    let event = server.fire_and_wait("asked", json!({ "body": "{\"seats\": 4}" }));
    assert_eq!(event["runs"][0]["output"], json!({ "seats": 4 }));
    let event = server.fire_and_wait("asked", json!({ "status": 410, "body": "gone" }));
    let run = &event["runs"][0];
    assert_eq!(
        (&run["state"], &run["code"], &run["message"]),
        (&json!("ERROR"), &json!(410), &json!("answered 410 Gone: gone"))
    );
}

#[test]
fn modules_are_found_by_each_of_their_names_by_kind_and_by_size() {
    let server = TestServer::start();
    let one = upload(&server, "?name=one&version=1", component("noop"));
    let digest = one.expect(201)["digest"].as_str().unwrap().to_owned();
    upload(&server, "?name=other&version=2.0", component("noop")).expect(200);
    upload(&server, "?name=one&version=2", ECHO).expect(201);
    upload(&server, "", program("(func (export \"_start\"))")).expect(201);
    let found = |query: &str| {
        let list = server.admin.get(&format!("/module?{query}"));
        let list = list.expect(200).as_array().unwrap().clone();
        list.iter().map(|module| module["names"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(found("q=OTHER%402"), [2]);
    assert_eq!(found("name=one&sort=-size_bytes"), [2, 1], "the one that has two names is larger");
    assert_eq!(found("name=on"), [0_usize; 0]);
    assert_eq!(found("kind=command"), [0]);
    assert_eq!(found("kind=action").len(), 2);
    assert_eq!(found(&format!("q={}", &digest[10..40])), [2]);
    assert_eq!(found("q=Admin").len(), 3);
    let module = server.admin.get("/module/other");
    let module = module.expect(200);
    let versions = module["versions"].as_array().unwrap();
    let told: Vec<(&str, &str)> =
        versions.iter().map(|v| (v["name"].as_str().unwrap(), v["version"].as_str().unwrap())).collect();
    assert_eq!(told, [("one", "1"), ("other", "2.0")]);
    assert!(versions[0]["since"].as_str() <= versions[1]["since"].as_str(), "{module:#}");
    assert!(module["exports"].as_array().is_some_and(|exports| !exports.is_empty()), "{module:#}");
    for query in ["sort=size", "sort=-name-", "kind=odd", "odd=1"] {
        server.admin.get(&format!("/module?{query}")).problem(400, "bad_request");
    }
}
