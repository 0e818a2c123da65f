//! What `#[action]` makes of functions, seen the way an author's tests see it.

use std::num::ParseIntError;

use fusebox_sdk::log::Level;
use fusebox_sdk::testing::{Sample, run};
use fusebox_sdk::{Chain, Context, Failure, Outcome, Timestamp, action, json, log};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order<'a> {
    /// Borrowed from the payload's text.
    #[serde(borrow)]
    name: &'a str,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    count: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Settings {
    factor: Option<u32>,
}

#[derive(Serialize)]
struct Bill {
    name: String,
    total: u32,
}

/// An alias, so that nothing in the signature is spelled `Result`.
type Answer<T> = Result<T, Failure>;

#[action]
fn bill(ctx: &Context, input: Settings, params: Settings, payload: Order<'_>) -> Answer<Bill> {
    log::debug!("billing {}", payload.name; attempt = ctx.attempt(), lines = payload.lines.len());
    let count: u32 = payload.lines.iter().map(|line| line.count).sum();
    let total = count * params.factor.unwrap_or(1) * input.factor.unwrap_or(1);
    Ok(Bill { name: payload.name.to_owned(), total })
}

fn order() -> Sample {
    Sample::new(json!({"name": "Jo", "lines": [{"count": 2}, {"count": 3}]}))
}

#[test]
fn payload_params_and_input_stay_apart() {
    let report = run(bill_action, order().params(json!({"factor": 10})).input(json!({"factor": 7})));
    assert_eq!(report.output(), &json!({"name": "Jo", "total": 350}));
    assert_eq!(report.state(), "SUCCESS");
}

#[test]
fn params_and_input_that_nobody_configured_are_empty() {
    let report = run(bill_action, order().params(json!(null)).input(json!(null)));
    assert_eq!(report.output()["total"], 5);
}

#[test]
fn what_does_not_fit_is_rejected_with_its_place() {
    let cases = [
        (json!({"name": "Jo", "lines": [{"count": 1}, {"count": "x"}]}), "payload.lines[1].count: invalid type"),
        (json!({"name": "Jo", "lines": [{}]}), "payload.lines[0]: missing field `count`"),
        (json!([]), "payload: invalid length 0"),
    ];
    for (payload, expected) in cases {
        let report = run(bill_action, Sample::new(payload));
        assert_eq!(report.failure().code(), 2);
        assert!(report.failure().message().starts_with(expected), "{:?}", report.failure());
        assert!(report.logs().is_empty(), "the function was not called");
    }
    let report = run(bill_action, order().input(json!({"factor": -1})));
    assert!(report.failure().message().starts_with("input.factor: invalid value"), "{:?}", report.failure());
}

#[test]
fn log_lines_carry_their_fields() {
    let report = run(bill_action, order().attempt(3));
    let [line] = report.logs() else { panic!("{:?}", report.logs()) };
    assert_eq!((line.level, line.message.as_str()), (Level::Debug, "billing Jo"));
    assert_eq!(line.field("attempt"), Some(json!(3)));
    assert_eq!(line.field("lines"), Some(json!(2)));
    assert_eq!(line.field("nothing"), None);
}

#[test]
fn the_function_itself_stays_callable() {
    let settings = || Settings { factor: Some(2) };
    let order = Order { name: "Jo", lines: vec![Line { count: 4 }] };
    let bill = bill(&Sample::default().into_context(), settings(), settings(), order).unwrap();
    assert_eq!(bill.total, 16);
}

#[action]
fn nothing() {}

#[action]
fn plain(payload: u8) -> Option<u8> {
    payload.checked_sub(1)
}

#[action]
fn foreign_error(payload: &str) -> Result<u8, ParseIntError> {
    payload.parse()
}

#[action]
fn bare_outcome(_payload: u8) -> Outcome<u8> {
    Outcome::new(1).warning("half done").event(json!({"next": true}))
}

#[test]
fn every_way_to_return_is_understood() {
    assert_eq!(run(nothing_action, Sample::default()).output(), &json!(null));
    assert_eq!(run(plain_action, Sample::new(json!(3))).output(), &json!(2));
    assert_eq!(run(plain_action, Sample::new(json!(0))).output(), &json!(null));
    assert_eq!(run(foreign_error_action, Sample::new(json!("12"))).output(), &json!(12));
    let failure = run(foreign_error_action, Sample::new(json!("x"))).failure().clone();
    assert_eq!(failure, Failure::reject("invalid digit found in string"));
    let report = run(bare_outcome_action, Sample::new(json!(3)));
    assert_eq!(report.state(), "WARNING");
    assert_eq!(report.warnings(), ["half done"]);
    assert_eq!(report.event(), Some(&json!({"next": true})));
}

#[action]
fn tell(ctx: Context) -> serde_json::Value {
    let object = |object: Option<&fusebox_sdk::ObjectRef>| object.map(|object| object.object_id.clone());
    json!({
        "event": ctx.event_id(), "run": ctx.run_id(), "attempt": ctx.attempt(), "trigger": ctx.trigger(),
        "tenant": ctx.tenant(), "object": object(ctx.object()), "scope": object(ctx.scope()),
        "now": ctx.now().to_string(), "depth": ctx.chain().depth, "parent": ctx.chain().parent,
        "left_ms": ctx.now().until(ctx.budget().deadline).as_millis() as u64,
        "payload": ctx.payload_json(), "ids": [ctx.random().uuid(), ctx.random().uuid()],
    })
}

#[test]
fn the_context_says_everything_else() {
    let chain = Chain { root: "e0".into(), parent: Some("e1".into()), depth: 2, parent_outcome: None };
    let sample = Sample::new(json!([1]))
        .attempt(2)
        .trigger("booking_created")
        .tenant("acme")
        .object("public.bookable", "42")
        .scope("public.location", "7")
        .now(Timestamp::from_millis(1_000))
        .chain(chain);
    let report = run(tell_action, sample.clone());
    let told = report.output();
    assert_eq!(told["event"], "01900000-0000-7000-8000-000000000001");
    assert_eq!(told["run"], "01900000-0000-7000-8000-000000000002");
    assert_eq!((&told["attempt"], &told["trigger"]), (&json!(2), &json!("booking_created")));
    assert_eq!((&told["tenant"], &told["object"], &told["scope"]), (&json!("acme"), &json!("42"), &json!("7")));
    assert_eq!((&told["now"], &told["depth"]), (&json!("1970-01-01T00:00:01.000Z"), &json!(2)));
    assert_eq!((&told["parent"], &told["payload"]), (&json!("e1"), &json!("[1]")));
    assert_ne!(told["ids"][0], told["ids"][1], "a draw is not repeated");
    assert_eq!(run(tell_action, sample.clone()).output(), told, "the same context gives the same run");
    assert_ne!(run(tell_action, sample.seed((8, 9))).output()["ids"], told["ids"]);
}
