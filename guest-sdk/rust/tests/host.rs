//! What an action asks of the host, answered by the stand-ins of `testing`.

use std::time::Duration;

use fusebox_sdk::kv::{Error as KvError, Expect};
use fusebox_sdk::testing::{Sample, run};
use fusebox_sdk::{Failure, ObjectRef, action, budget, emit, http, json, kv, serde_json};

#[action]
fn write(payload: String) -> Result<Option<u64>, Failure> {
    let store = kv::action();
    store.write("seen", "1", Expect::Nothing, Some(Duration::from_secs(60)))?;
    store.set_json("name", &payload)?;
    kv::attachment().set("name", b"the attachment's")?;
    if payload == "fail" {
        return Err(Failure::reject("no"));
    }
    store.delete("old")?;
    Ok(store.get("seen").map(|entry| entry.version))
}

#[test]
fn what_a_run_wrote_is_there_when_it_succeeded() {
    let report = run(write_action, Sample::new(json!("Ada")).kv("old", "x"));
    assert_eq!((report.state(), report.kv("name")), ("SUCCESS", Some(&b"\"Ada\""[..])));
    assert_eq!((report.kv("old"), report.kv_ttl("seen")), (None, Some(Duration::from_secs(60))));
    assert_eq!(report.kv_of_attachment("name"), Some(&b"the attachment's"[..]));
    assert!(report.output().is_u64(), "an attempt sees its own writes");
}

#[test]
fn what_a_run_wrote_is_gone_when_it_failed() {
    let report = run(write_action, Sample::new(json!("fail")).kv("old", "x"));
    assert_eq!((report.state(), report.kv("name"), report.kv("seen")), ("ERROR", None, None));
    assert_eq!(report.kv("old"), Some(&b"x"[..]));
}

#[test]
fn a_conflict_is_a_retry_and_a_limit_is_none() {
    let conflict = run(write_action, Sample::new(json!("Ada")).kv("seen", "1"));
    assert!(conflict.failure().is_retry(), "{:?}", conflict.failure());
    let full = run(write_action, Sample::new(json!("Ada")).kv_full("1,000 keys are the most"));
    assert_eq!(full.failure(), &Failure::reject("1,000 keys are the most"));
}

#[action]
fn versions() -> Result<Vec<bool>, Failure> {
    let store = kv::action();
    let first = store.get("a").map(|entry| entry.version).unwrap_or_default();
    let mut held = vec![store.write("a", "2", Expect::Version(first), None).is_ok()];
    held.push(store.write("a", "3", Expect::Version(first), None).is_ok());
    held.push(store.delete_if("a", Expect::Version(first)) == Err(KvError::Conflict));
    held.push(store.delete_if("a", Expect::Nothing) == Err(KvError::Conflict));
    Ok(held)
}

#[test]
fn a_version_holds_until_somebody_writes() {
    assert_eq!(run(versions_action, Sample::default().kv("a", "1")).output(), &json!([true, false, true, true]));
}

#[action]
fn keys(payload: (String, Option<String>, u32)) -> Vec<String> {
    kv::action().list_after(&payload.0, payload.1.as_deref(), payload.2)
}

#[test]
fn keys_are_listed_by_prefix_in_order_from_where_one_stopped() {
    let sample = |payload| {
        let sample = Sample::new(payload).kv("b/2", "").kv("a", "").kv("b/1", "").kv("b/3", "");
        sample.kv_of_attachment("b/4", "")
    };
    let listed = |payload| run(keys_action, sample(payload)).output().clone();
    assert_eq!(listed(json!(["b/", null, 9])), json!(["b/1", "b/2", "b/3"]));
    assert_eq!(listed(json!(["b/", "b/1", 1])), json!(["b/2"]));
    assert_eq!(listed(json!(["c", null, 9])), json!([]));
    let many = (0..1_001).fold(Sample::new(json!(["", null, 2_000])), |sample, n| sample.kv(&format!("{n:04}"), ""));
    assert_eq!(run(keys_action, many).output().as_array().map(Vec::len), Some(1_000));
}

#[action]
fn wrong_type() -> Result<u64, Failure> {
    Ok(kv::action().update("a", |value: Option<u64>| value.unwrap_or(0) + 1)?)
}

#[test]
fn a_value_of_another_type_is_rejected() {
    let report = run(wrong_type_action, Sample::default().kv("a", "\"text\""));
    assert!(report.failure().message().contains("invalid type"), "{:?}", report.failure());
    assert!(!report.failure().is_retry());
}

#[action]
fn fire(payload: String) -> Result<(), Failure> {
    emit::event("first", &json!({ "n": 1 }))?;
    let object = ObjectRef { object_type: "public.bookable".to_owned(), object_id: "42".to_owned() };
    emit::event_on(&object, &payload, &json!(null))?;
    if payload == "second" { Ok(()) } else { Err(Failure::reject("no")) }
}

#[test]
fn events_are_fired_when_the_run_succeeded_only() {
    let report = run(fire_action, Sample::new(json!("second")));
    let [first, second] = report.emitted() else { panic!("{:?}", report.emitted()) };
    assert_eq!((first.event_type.as_str(), &first.payload, &first.object), ("first", &json!({ "n": 1 }), &None));
    assert_eq!(second.object.as_ref().map(|object| object.object_id.as_str()), Some("42"));
    assert_eq!(run(fire_action, Sample::new(json!("other"))).emitted(), []);
    let refused = run(fire_action, Sample::new(json!("second")).refuses_event("second", "there is no `second`"));
    assert_eq!(refused.failure(), &Failure::reject("there is no `second`"));
}

#[action]
fn fetch(payload: String) -> Result<serde_json::Value, Failure> {
    let request = http::get(payload).header("accept", "text/plain").timeout(Duration::from_secs(1));
    let answer = request.send()?.success()?;
    Ok(json!([answer.text(), answer.header("X-Kind")]))
}

#[test]
fn requests_are_answered_as_the_test_says() {
    let sample = Sample::new(json!("https://a.example/x")).answers_with(|request| {
        let kind = ("x-kind".to_owned(), request.headers[0].1.clone());
        Ok(http::Response { status: 200, headers: vec![kind], body: b"fine".to_vec() })
    });
    let report = run(fetch_action, sample.clone());
    assert_eq!(report.output(), &json!(["fine", "text/plain"]));
    assert_eq!((report.requests().len(), report.requests()[0].timeout), (1, Some(Duration::from_secs(1))));
    let nearer = run(fetch_action, sample.answers("https://a.example/x", 200, "nearer"));
    assert_eq!(nearer.output(), &json!(["nearer", null]));
    let denied = run(fetch_action, Sample::new(json!("https://b.example/")));
    assert!(denied.failure().message().contains("no answer for https://b.example/"), "{:?}", denied.failure());
}

#[test]
fn what_may_go_better_is_tried_again() {
    let url = "https://a.example/";
    for (status, code) in [(503, 0), (429, 0), (404, 404), (302, 302)] {
        let report = run(fetch_action, Sample::new(json!(url)).answers(url, status, ""));
        assert_eq!((report.failure().code(), report.failure().is_retry()), (code, code == 0), "{status}");
    }
    let later = Sample::new(json!(url)).answers_with(|_| {
        let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
        Ok(http::Response { status: 503, headers, body: Vec::new() })
    });
    assert_eq!(run(fetch_action, later).failure().after(), Some(Duration::from_secs(7)));
    let errors: [fn(String) -> http::Error; 5] =
        [http::Error::Timeout, http::Error::Failed, http::Error::Denied, http::Error::Invalid, http::Error::Limit];
    for (index, error) in errors.into_iter().enumerate() {
        let report = run(fetch_action, Sample::new(json!(url)).answers_with(move |_| Err(error("why".to_owned()))));
        assert_eq!((report.failure().message(), report.failure().is_retry()), ("why", index < 2), "{index}");
    }
}

#[action]
fn look() -> (u64, u64, u32, bool, bool) {
    let left = budget::left();
    let time_ms = left.time.as_millis() as u64;
    (left.memory_bytes, time_ms, left.http_calls, budget::cancelled(), budget::cancelled())
}

#[test]
fn what_is_left_is_what_the_sample_gives() {
    let looked = run(look_action, Sample::default().cancelled_after(1)).output().clone();
    assert_eq!(looked, json!([64 << 20, 30_000, 16, false, true]));
    assert_eq!(run(look_action, Sample::default()).output()[4], json!(false));
}

#[test]
#[should_panic(expected = "call the action through fusebox_sdk::testing::run")]
fn outside_of_run_there_is_no_host_to_ask() {
    drop(kv::action().get("a"));
}
