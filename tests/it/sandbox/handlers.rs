//! Handlers of HTTP: what they are sent, and what their answers mean.

use super::{Bench, DEFAULT, Listener, NOW, broken, context, outcome};
use crate::support::component;
use bytes::Bytes;
use fusebox::domain::{Context, Ending, Failure, Json, Kind, Limits, ObjectRef, Reason};
use fusebox::sandbox::{Attempted, Invocation};
use serde_json::{Value, json};
use std::sync::Arc;

struct Handler {
    bench: Bench,
    prepared: fusebox::sandbox::Prepared,
}

impl Handler {
    async fn new() -> Handler {
        let bench = Bench::new();
        let inspected = bench.sandbox.inspect(Bytes::from(component("handler"))).await.unwrap();
        assert_eq!((inspected.kind, inspected.wrapped), (Kind::Http, None));
        let prepared = bench.sandbox.find_prepared(&inspected.digest).unwrap();
        Handler { bench, prepared }
    }

    async fn handle(&self, payload: Value) -> Attempted {
        self.handle_within(payload, DEFAULT).await
    }

    async fn handle_within(&self, payload: Value, limits: Limits) -> Attempted {
        let context = Context { payload: Json::from(payload), ..context(limits) };
        self.invoke(context).await
    }

    async fn invoke(&self, context: Context) -> Attempted {
        let invocation = Invocation { context, host: Arc::new(Listener::default()) };
        self.bench.sandbox.invoke(&self.prepared, invocation).await
    }
}

#[track_caller]
fn output(attempted: &Attempted) -> Option<Value> {
    outcome(attempted).output.as_ref().map(|output| output.to().unwrap())
}

#[track_caller]
fn failure(attempted: &Attempted) -> &Failure {
    match &attempted.ending {
        Ending::Failure(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[tokio::test]
async fn an_event_comes_as_a_cloudevent_that_has_everything() {
    let handler = Handler::new().await;
    let parent = context(DEFAULT).event_id;
    let mut context = Context {
        attempt: 2,
        object: Some(ObjectRef::new("public.bookable".to_owned(), "4/2".to_owned()).unwrap()),
        scope: Some(ObjectRef::new("location".to_owned(), "north".to_owned()).unwrap()),
        payload: Json::from(json!({ "echo": true, "headers": { "content-type": "application/json" } })),
        params: Json::from(json!({ "key": "grün" })),
        input: Json::from(json!([1, 2])),
        ..context(DEFAULT)
    };
    context.chain.parent = Some(parent);
    context.chain.depth = 3;
    context.chain.parent_outcome = Some(Json::from(json!({ "done": true })));
    let (run, event, root) = (context.run_id, context.event_id, context.chain.root);
    let attempted = handler.invoke(context).await;
    let told = output(&attempted).unwrap();
    assert_eq!(told["line"], "Method::Post fusebox.invalid/");
    assert_eq!(told["content_type"], "application/cloudevents+json; charset=utf-8");
    let expected = json!({
        "specversion": "1.0", "id": run.to_string(), "source": format!("/event/{event}"), "type": "booking_created",
        "subject": "public.bookable/4/2", "time": NOW.to_string(), "datacontenttype": "application/json",
        "fuseboxattempt": 2, "fuseboxscope": "location/north",
        "fuseboxparams": r#"{"key":"grün"}"#, "fuseboxinput": "[1,2]",
        "fuseboxroot": root.to_string(), "fuseboxparent": parent.to_string(), "fuseboxdepth": 3,
        "fuseboxoutcome": r#"{"done":true}"#, "fuseboxdeadline": NOW.plus_ms(DEFAULT.timeout_ms).to_string(),
        "data": { "echo": true, "headers": { "content-type": "application/json" } },
    });
    assert_eq!(told["event"], expected);
}

/// What is not there is left out: an attribute of a CloudEvent is never empty.
#[tokio::test]
async fn attributes_that_there_are_not_are_left_out() {
    let handler = Handler::new().await;
    let attempted = handler.handle(json!({ "echo": true })).await;
    let told = output(&attempted).unwrap();
    for absent in ["subject", "fuseboxtenant", "fuseboxscope", "fuseboxparent", "fuseboxoutcome"] {
        assert!(told["event"].get(absent).is_none(), "{absent}");
    }
    assert_eq!((&told["event"]["fuseboxparams"], &told["event"]["fuseboxdepth"]), (&json!("{}"), &json!(0)));
}

#[tokio::test]
async fn the_status_of_the_answer_decides() {
    let handler = Handler::new().await;
    for status in [200, 201, 204, 299] {
        let attempted = handler.handle(json!({ "status": status })).await;
        assert_eq!(output(&attempted), None, "{status}");
    }
    for status in [408, 425, 429, 500, 503, 599] {
        let attempted = handler.handle(json!({ "status": status, "body": "not\nnow" })).await;
        let Failure::Retry { message, after_ms: None } = failure(&attempted) else { panic!("{status}: {attempted:?}") };
        assert!(message.starts_with(&format!("answered {status} ")) && message.ends_with(": not\nnow"), "{message}");
    }
    for status in [301, 304, 400, 404, 409, 422, 600, 999] {
        let attempted = handler.handle(json!({ "status": status })).await;
        let Failure::Reject { message, code } = failure(&attempted) else { panic!("{status}: {attempted:?}") };
        assert_eq!(*code, status, "{message}");
    }
    let attempted = handler.handle(json!({ "status": 422, "body": "no such room" })).await;
    let message = "answered 422 Unprocessable Entity: no such room".to_owned();
    assert_eq!(*failure(&attempted), Failure::Reject { message, code: 422 });
}

#[tokio::test]
async fn an_answer_says_when_to_try_again() {
    let handler = Handler::new().await;
    for (said, expected) in [
        ("120", Some(120_000)),
        ("0", Some(0)),
        // A minute and a half after the attempt began, and long before.
        ("Tue, 14 Nov 2023 22:14:50 GMT", Some(90_000)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ("soon", None),
        ("-5", None),
        ("18446744073709551615", Some(u64::MAX)),
    ] {
        let attempted = handler.handle(json!({ "status": 503, "headers": { "retry-after": said } })).await;
        let Failure::Retry { after_ms, .. } = failure(&attempted) else { panic!("{said}: {attempted:?}") };
        assert_eq!(*after_ms, expected, "{said}");
    }
}

#[tokio::test]
async fn the_body_of_an_answer_is_the_output_as_its_content_type_says() {
    let handler = Handler::new().await;
    for (content_type, body, expected) in [
        (Some("application/json"), r#"{"a": 1}"#, json!({ "a": 1 })),
        (Some("application/problem+json; charset=utf-8"), "[1]", json!([1])),
        (Some("TEXT/JSON"), "2", json!(2)),
        (Some("text/plain"), "2", json!("2")),
        (Some("text/html; charset=utf-8"), "<p>\"grün\"</p>", json!("<p>\"grün\"</p>")),
        (None, r#"{"a": 1}"#, json!({ "a": 1 })),
        (None, "hello", json!("hello")),
    ] {
        let headers = content_type.map_or(json!({}), |content_type| json!({ "content-type": content_type }));
        let attempted = handler.handle(json!({ "headers": headers, "body": body })).await;
        assert_eq!(output(&attempted), Some(expected), "{content_type:?}");
        assert_eq!(attempted.usage.output_bytes, body.len() as u64);
    }
    let attempted = handler.handle(json!({ "headers": { "content-type": "application/json" }, "body": "{" })).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::GuestError);
    assert!(message.starts_with("the body of its answer is not valid JSON: EOF"), "{message}");
}

#[tokio::test]
async fn the_output_limit_bites_while_the_answer_is_written() {
    let handler = Handler::new().await;
    let limits = Limits { output_bytes: 100_000, ..DEFAULT };
    let answer = |chunks: u64| json!({ "body": "x".repeat(10_000), "chunks": chunks });
    let attempted = handler.handle_within(answer(10), limits).await;
    assert_eq!(output(&attempted).unwrap().as_str().unwrap().len(), 100_000);
    assert_eq!(attempted.usage.output_bytes, 100_000);
    // Without the limit this would go on until the fuel is used up.
    for chunks in [11, u64::MAX] {
        let attempted = handler.handle_within(answer(chunks), limits).await;
        let message = "answered with more than its output limit of 100000 bytes";
        assert_eq!(broken(&attempted), (Reason::OutputLimit, message));
        assert_eq!(attempted.usage.output_bytes, 100_000);
        assert!(attempted.usage.fuel < limits.fuel / 2);
    }
}

#[tokio::test]
async fn a_handler_that_does_not_answer_well_is_told_what_is_missing() {
    let handler = Handler::new().await;
    for end in ["silent", "forgetful"] {
        let attempted = handler.handle(json!({ "end": end })).await;
        let message = "ended without an answer: it never set the response";
        assert_eq!(broken(&attempted), (Reason::GuestError, message), "{end}");
    }
    let attempted = handler.handle(json!({ "end": "broken", "body": "half" })).await;
    assert_eq!(broken(&attempted), (Reason::GuestError, "broke off its answer before the end of the body"));
    // A body that is left open ends with the handler.
    let attempted = handler.handle(json!({ "end": "open", "body": "all" })).await;
    assert_eq!(output(&attempted), Some(json!("all")));
    let attempted = handler.handle(json!({ "end": "error" })).await;
    let message = "answered with an error: out of order".to_owned();
    assert_eq!(*failure(&attempted), Failure::Retry { message, after_ms: None });
    for end in ["panic", "panic later"] {
        let attempted = handler.handle(json!({ "end": end })).await;
        assert_eq!(broken(&attempted).0, Reason::Trap, "{end}");
    }
    let attempted = handler.handle_within(json!({ "end": "loop" }), Limits { fuel: 10_000_000, ..DEFAULT }).await;
    assert_eq!(broken(&attempted).0, Reason::FuelExhausted);
}
