//! What each call of the host costs an attempt. `cargo bench --bench calls`
//!
//! Of each there are two actions, alike but for how often they call: never, which is the floor, and as often as stands beside
//! it. They run on a server, in turns; what there is between their attempts, by the number of calls, is the cost of one. The
//! same of the requests that wait for them has what is done at their end besides, such as keeping values. `http` goes to a
//! peer on this machine, whose floor is the same request without a sandbox. With `-- --quick` less, to see that it works.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use serde_json::{Value, json as value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;
use support::stub::stub;
use support::{Bench, is_quick, json, median, wall_us};

/// What is called: its import with its type, and the instructions of one call.
struct Call {
    name: &'static str,
    import: &'static str,
    call: &'static str,
    times: usize,
}

/// Texts are at 8192 (`key`), 8200 (a message), 8300 (100 bytes), 8500 (`bench.child`), 8520 (JSON), 8600 (GET),
/// 8610 (the URL, as long as `URL_BYTES`); what comes back goes to 16384 and behind 32768.
const CALLS: [Call; 11] = [
    Call {
        name: "budget: left",
        import: r#""fusebox:action/budget@0.1.0" "left" (func $call (param i32))"#,
        call: "(call $call (i32.const 16384))",
        times: 1_000,
    },
    Call {
        name: "budget: cancelled",
        import: r#""fusebox:action/budget@0.1.0" "cancelled" (func $call (result i32))"#,
        call: "(drop (call $call))",
        times: 1_000,
    },
    Call {
        name: "log: a line of 30 bytes",
        import: r#""fusebox:action/log@0.1.0" "write" (func $call (param i32 i32 i32 i32 i32))"#,
        call: "(call $call (i32.const 2) (i32.const 8200) (i32.const 30) (i32.const 0) (i32.const 0))",
        times: 200,
    },
    Call {
        name: "kv: get, there is none",
        import: r#""fusebox:action/kv@0.1.0" "get" (func $call (param i32 i32 i32 i32))"#,
        call: "(call $call (i32.const 0) (i32.const 8200) (i32.const 9) (i32.const 16384))",
        times: 100,
    },
    Call {
        name: "kv: get 100 bytes",
        import: r#""fusebox:action/kv@0.1.0" "get" (func $call (param i32 i32 i32 i32))"#,
        call: "(call $call (i32.const 0) (i32.const 8192) (i32.const 3) (i32.const 16384))",
        times: 100,
    },
    Call {
        name: "kv: set 100 bytes, one key",
        import: SET,
        call: r"(call $call (i32.const 0) (i32.const 8192) (i32.const 3) (i32.const 8300) (i32.const 100)
            (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 16384))",
        times: 100,
    },
    Call {
        name: "kv: list, one key",
        import: r#""fusebox:action/kv@0.1.0" "list" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32))"#,
        call: r"(call $call (i32.const 0) (i32.const 8192) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 10) (i32.const 16384))",
        times: 100,
    },
    Call {
        name: "emit: an event",
        import: r#""fusebox:action/emit@0.1.0" "event" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))"#,
        call: r"(call $call (i32.const 8500) (i32.const 11) (i32.const 8520) (i32.const 9) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16384))",
        times: 16,
    },
    Call {
        name: "http: GET, a few bytes",
        import: r#""fusebox:action/http@0.1.0" "send"
            (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32))"#,
        call: r"(call $call (i32.const 8600) (i32.const 3) (i32.const 8610) (i32.const URL_BYTES) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 16384))",
        times: 8,
    },
    Call {
        name: "wasip1: clock_time_get",
        import: r#""wasi_snapshot_preview1" "clock_time_get" (func $call (param i32 i64 i32) (result i32))"#,
        call: "(drop (call $call (i32.const 0) (i64.const 0) (i32.const 16384)))",
        times: 1_000,
    },
    Call {
        name: "wasip1: random_get, 16 bytes",
        import: r#""wasi_snapshot_preview1" "random_get" (func $call (param i32 i32) (result i32))"#,
        call: "(drop (call $call (i32.const 16384) (i32.const 16)))",
        times: 1_000,
    },
];
const SET: &str = r#""fusebox:action/kv@0.1.0" "set" (func $call (param i32 i32 i32 i32 i32 i32 i64 i32 i64 i32))"#;

fn main() {
    let rounds = if is_quick() { 10 } else { 1_000 };
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    let address = stub();
    let open = format!("private http://{address}");
    let sink_type = value!({ "name": "bench", "allowed_hosts": [open] });
    bench.post("/sink-type", &json(&sink_type));
    bench.post("/event-type", &json(&value!({ "display_name": "bench.child" })));
    println!("{:<30} {:>6} {:>14} {:>16}", "call", "times", "attempt, µs", "until known, µs");
    for (place, call) in CALLS.iter().enumerate() {
        let names = [0, call.times].map(|times| {
            let name = format!("bench.{place}.{times}");
            install(&bench, &name, &module(call, times, address), address);
            name
        });
        let [floor, calling] = taken(&bench, &names, rounds);
        let one = |floor: f64, calling: f64| (calling - floor) / f64::from(u32::try_from(call.times).unwrap());
        let (attempt, known) = (one(floor.0, calling.0), one(floor.1, calling.1));
        println!("{:<30} {:>6} {attempt:>14.2} {known:>16.2}", call.name, call.times);
    }
    let bare = (0..rounds).map(|_| {
        let begun = Instant::now();
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET / HTTP/1.1\r\nhost: stub\r\n\r\n").unwrap();
        connection.read_to_end(&mut Vec::new()).unwrap();
        begun.elapsed().as_secs_f64() * 1e6
    });
    println!("{:<30} {:>6} {:>14.2}", "the same GET, no sandbox", 1, median(bare.collect()));
    bench.stop();
}

/// Medians of what the attempts took and of what it took until they were known, of both.
fn taken(bench: &Bench, names: &[String; 2], rounds: usize) -> [(f64, f64); 2] {
    let mut all = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for round in 0..rounds + rounds / 10 {
        for (name, (attempts, known)) in names.iter().zip(&mut all) {
            let begun = Instant::now();
            let run = bench.fire(name, &value!({ "round": round }));
            let until_known = begun.elapsed().as_secs_f64() * 1e6;
            if round >= rounds / 10 {
                attempts.push(wall_us(&run));
                known.push(until_known);
            }
        }
    }
    all.map(|(attempts, known)| (median(attempts), median(known)))
}

/// What calls so often and gives back nothing.
fn module(call: &Call, times: usize, address: SocketAddr) -> Vec<u8> {
    let url = url(address);
    let once = call.call.replace("URL_BYTES", &url.len().to_string());
    let text = format!(
        r#"(module
            (import {import})
            (memory (export "memory") 2)
            (data (i32.const 8192) "key")
            (data (i32.const 8200) "a message of the usual length.")
            (data (i32.const 8500) "bench.child")
            (data (i32.const 8520) "{{\"a\": 1}}")
            (data (i32.const 8600) "GET")
            (data (i32.const 8610) "{url}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
            (func (export "run") (param i32) (result i32) (local $left i32)
                (local.set $left (i32.const {times}))
                (block $done
                    (loop $again
                        (br_if $done (i32.eqz (local.get $left)))
                        {once}
                        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                        (br $again)))
                (i32.const 1024)))"#,
        import = call.import
    );
    wat::parse_str(text).unwrap_or_else(|error| panic!("{}: {error}", call.name))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// An action with a key that has 100 bytes.
fn install(bench: &Bench, name: &str, module: &[u8], address: SocketAddr) {
    let digest = bench.post("/module", module)["digest"].clone();
    let action = value!({ "name": name, "module": digest, "allowed_hosts": [format!("http://{address}")] });
    let action = bench.post("/action", &json(&action));
    let event_type = value!({ "display_name": name, "sink_type": "bench", "action": action["id"] });
    bench.post("/event-type", &json(&event_type));
    let set = CALLS.iter().find(|call| call.import == SET).unwrap();
    let setting = bench.post("/module", &self::module(set, 1, address))["digest"].clone();
    let change = |module: &Value| {
        let body = value!({ "name": name, "module": module, "allowed_hosts": [format!("http://{address}")] });
        let request = ureq::put(bench.url(&format!("/action/{}", action["id"].as_str().unwrap())));
        request.header("authorization", format!("Bearer {}", bench.token)).send(json(&body).as_slice()).unwrap();
    };
    change(&setting);
    bench.fire(name, &value!({}));
    change(&digest);
}
