//! What source code costs beside a compiled action that does the same. `cargo bench --bench source`
//!
//! A script of a kilobyte (`order.js`) against the same action in Rust (`tests/guests/order`), on one server, in turns: what
//! the attempts took, and the requests that waited for them. Then 10,000 scripts of that size against a server without any,
//! and one whose 10,000 actions have a module. With `-- --quick` less of all, to see that it works.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use fusebox::domain::SourceCode;
use serde_json::{Value, json as value};
use std::path::Path;
use std::time::{Duration, Instant};
use support::catalogue::{self, Runs};
use support::load;
use support::process::Program;
use support::{Bench, NOOP, is_quick, json, median, wall_us};

const ORDER: &[u8] = include_bytes!("../tests/guests/components/order.wasm");
const ORDER_JS: &str = include_str!("order.js");

fn main() {
    let (times, clients, scripts) = if is_quick() { (20, 4, 100) } else { (2_000, 64, 10_000) };
    one_script(times, clients);
    many_scripts(scripts);
}

/// The same action in both forms: `rust` and `script`.
fn one_script(times: usize, clients: usize) {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    bench.install("rust", ORDER);
    let saved = Instant::now();
    let action = value!({ "name": "script", "language": "javascript", "code": ORDER_JS });
    let action = bench.post("/action", &json(&action));
    let saved = saved.elapsed();
    bench.post("/event-type", &json(&value!({ "display_name": "script", "action": action["id"] })));
    let outputs = ["rust", "script"].map(|name| bench.fire(name, &order("first"))["output"].clone());
    assert_eq!(outputs[0], outputs[1], "they do not do the same");

    let mut attempts = [Vec::new(), Vec::new()];
    let mut fuel = [0, 0];
    for round in 0..times + times / 10 {
        for (place, name) in ["rust", "script"].into_iter().enumerate() {
            let run = bench.fire(name, &order(&format!("{round}")));
            fuel[place] = run["attempts"][0]["usage"]["fuel"]["used"].as_u64().unwrap();
            if round >= times / 10 {
                attempts[place].push(wall_us(&run));
            }
        }
    }
    let [rust, script] = attempts.map(median);
    println!("a script of {} bytes, saved for the first time in {saved:.1?}", ORDER_JS.len());
    println!("its attempt: {script:.1} µs, in Rust {rust:.1} µs, ratio {:.2} (target 4)", script / rust);
    println!("its fuel:    {}, in Rust {}", fuel[1], fuel[0]);
    alone_and_under_load(&bench, clients);
    bench.stop();
}

/// Requests that wait for the run: one client, and as many as keep the machine busy.
fn alone_and_under_load(bench: &Bench, clients: usize) {
    let loading = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let duration = Duration::from_secs(if is_quick() { 1 } else { 5 });
    let authorization = format!("Bearer {}", bench.token);
    let headers = [("authorization", authorization.as_str()), ("prefer", "wait=30")];
    let requests = ["rust", "script"].map(|name| {
        let body = value!({ "event_type": name, "payload": order("########") });
        load::request("/event", &headers, &json(&body))
    });
    for clients in [1, clients] {
        let mut ratios = Vec::new();
        for _ in 0..if is_quick() { 1 } else { 3 } {
            let run = |request: &[u8]| {
                let answered = loading.block_on(load::run(bench.server.address(), clients, duration, request));
                assert_eq!(answered.refused, 0, "some requests were refused");
                answered
            };
            let [rust, script] = [run(&requests[0]), run(&requests[1])];
            ratios.push(rust.per_second() / script.per_second());
            println!(
                "{clients:>3} clients: {:>6.0}/s, p50 {:.2} ms; in Rust {:>6.0}/s, p50 {:.2} ms",
                script.per_second(),
                script.quantile_ms(0.5),
                rust.per_second(),
                rust.quantile_ms(0.5),
            );
        }
        println!("{clients:>3} clients: the time of a request, beside Rust's: {:.2}", median(ratios));
    }
}

fn order(id: &str) -> Value {
    value!({
        "id": format!("ord_{id}"), "country": "CH", "placed_at": "2026-05-04T10:00:00+02:00",
        "lines": [
            { "sku": "desk-north", "quantity": 2, "cents": 4_590 },
            { "sku": "chair", "quantity": 4, "cents": 1_250 },
            { "sku": "coffee", "quantity": 12, "cents": 350 },
        ],
    })
}

/// What so many scripts take in memory, all of them different, beside their text and beside no scripts.
fn many_scripts(count: usize) {
    let texts: Vec<String> = (0..count).map(|number| format!("{ORDER_JS}// {number:06}\n")).collect();
    let text_kib = texts.iter().map(String::len).sum::<usize>() as u64 / 1024;
    let resident = |runs: Option<&dyn Fn(usize) -> Runs>| {
        let folder = started(NOOP);
        if let Some(runs) = runs {
            catalogue::fill(folder.path(), count, runs);
        }
        let program = Program::start(folder.path());
        (program.resident_kib(), program, folder)
    };
    let (none, ..) = resident(None);
    let (modules, ..) = resident(Some(&|_| Runs::FirstModule));
    let source = |number: usize| Runs::Source(SourceCode::new("javascript".parse().unwrap(), &texts[number]));
    // One script has the interpreter loaded, which all of them share.
    let one = |number: usize| if number == 0 { source(0) } else { Runs::FirstModule };
    let (interpreter, ..) = resident(Some(&one));
    let (scripts, program, _folder) = resident(Some(&source));
    println!(
        "without actions: {none} KiB; {count} actions with a module: {modules} KiB, one of them a script: {interpreter} KiB"
    );
    println!("{count} scripts: {scripts} KiB");
    let over = scripts.saturating_sub(interpreter);
    println!(
        "their text: {text_kib} KiB; on top of the rest {over} KiB, ratio {:.2} (target 1)",
        ratio(over, text_kib)
    );
    // The programs made of them are kept as well, those that are used, up to a bound.
    let each = Instant::now();
    for number in 0..count {
        fire(&program, number);
    }
    let each = each.elapsed() / u32::try_from(count).unwrap();
    let ran = program.resident_kib();
    println!("when each has run once ({each:.1?} each, made ready on the way): {ran} KiB");
    fire(&program, 0);
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

fn fire(program: &Program, number: usize) {
    let body = value!({ "event_type": format!("trigger_{number}"), "payload": order("once") });
    let request = ureq::post(format!("http://{}/event", program.address));
    let request = request.header("authorization", format!("Bearer {}", program.token)).header("prefer", "wait=60");
    let answer: Value = request.send(json(&body).as_slice()).unwrap().body_mut().read_json().unwrap();
    assert_eq!(answer["data"]["state"], "SUCCESS", "{answer:#}");
}

/// A folder in which a server has run and has a module.
fn started(module: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(Path::new(folder.path()));
    bench.install("bench", module);
    bench.stop();
    folder
}
