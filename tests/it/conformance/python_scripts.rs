//! Source code in Python: what its interpreter says of it when it is saved, and how it ends. Beside the table, as these are not
//! what every language does. Skipped where the interpreter was not built.

use super::guest::{SERVER, has_python};
use crate::support::Answer;
use serde_json::{Value, json};

fn create(code: &str) -> Answer {
    let name = fusebox::domain::Digest::of(code.as_bytes()).hex();
    SERVER.admin.patient().post("/action", &json!({ "name": name, "language": "python", "code": code }))
}

#[track_caller]
fn made(code: &str) -> String {
    create(code).expect(201)["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn test(id: &str, payload: &Value) -> Value {
    let tried = SERVER.admin.post(&format!("/action/{id}/test"), &json!({ "payload": payload }));
    tried.expect(200).clone()
}

/// What a script returns.
#[track_caller]
fn output(code: &str, payload: &Value) -> Value {
    let tried = test(&made(code), payload);
    assert_eq!(tried["run"]["state"], "SUCCESS", "{:#}", tried["run"]);
    tried["run"]["output"].clone()
}

/// How a script fails: the reason and what is said.
#[track_caller]
fn failure(code: &str) -> (String, String) {
    let run = test(&made(code), &json!({}))["run"].clone();
    assert_eq!(run["state"], "ERROR", "{run:#}");
    (run["reason"].as_str().unwrap().to_owned(), run["message"].as_str().unwrap().to_owned())
}

/// The errors of a refusal: line and column where they are known, and what is said.
#[track_caller]
fn faults(code: &str) -> Vec<(Value, Value, String)> {
    let refused = create(code);
    let errors = refused.problem(422, "invalid_body")["errors"].as_array().unwrap().clone();
    let told = |error: &Value| {
        assert_eq!(error["pointer"], "/code", "{}", refused.text);
        (error["line"].clone(), error["column"].clone(), error["message"].as_str().unwrap().to_owned())
    };
    errors.iter().map(told).collect()
}

#[track_caller]
fn is_refused(code: &str, place: (Value, Value), words: &str) {
    let [(line, column, message)] = faults(code).try_into().unwrap();
    assert!((&line, &column) == (&place.0, &place.1) && message.contains(words), "{line}, {column}: {message}");
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_column_when_it_is_saved() {
    if !has_python() {
        return;
    }
    is_refused("def run(grüße):\n    ü = (1,\n", (json!(2), json!(9)), "SyntaxError: '(' was never closed");
    is_refused("def run(): ...\nü = 'ü'; return 1\n", (json!(2), json!(10)), "SyntaxError: 'return' outside function");
    is_refused("def greet(payload): ...\n", (Value::Null, Value::Null), "there is no action; write `@action`");
    is_refused("def run(body): ...\n", (json!(1), json!(9)), "run takes `body`; an action may take payload, params");
    is_refused("async def run(): ...\n", (json!(1), json!(1)), "run is async");
    is_refused("def run(): ...\nimport leftpad\n", (json!(2), json!(8)), "there is no `leftpad` to import");
    is_refused("import requests\ndef run(): ...\n", (json!(1), json!(8)), "requests are sent with `fusebox_sdk.http`");
    is_refused("from fusebox_sdk import gone\ndef run(): ...\n", (json!(1), json!(25)), "`fusebox_sdk` has no `gone`");
    assert_eq!(faults("import leftpad\nimport rightpad\n").len(), 3);
    faults("");
    faults("\0");
    faults(&"(".repeat(100_000));
}

#[test]
fn what_is_checked_is_not_run_and_a_check_comes_to_an_end() {
    if !has_python() {
        return;
    }
    assert_eq!(failure("while True:\n    pass\ndef run(): ...\n").0, "fuel_exhausted");
    // As much as is allowed of what an author would write.
    let function =
        "def price_of_a_booking(seats, hours):\n    return {'seats': seats, 'total': seats * hours * 12}\n\n";
    let limit = fusebox::domain::CODE_BYTES_MAX;
    let long = format!("{}def run(): return 1\n", function.repeat(limit / function.len() - 1));
    assert_eq!(output(&format!("{long}{}", "#".repeat(limit - long.len())), &json!({})), 1);
    create(&format!("{long}{}", "#".repeat(limit - long.len() + 1))).problem(422, "invalid_body");
    create(&"#".repeat(10 << 20)).problem(413, "too_large");
    // What takes the interpreter more than it is given, in one way or another.
    let [(_, _, message)] = faults(&format!("x = {}a\ndef run(): ...\n", "a+".repeat(200_000))).try_into().unwrap();
    assert!(message.contains("could not be looked at"), "{message}");
    assert_eq!(output("def run(): return 'it still looks'\n", &json!({})), "it still looks");
}

#[test]
fn an_error_says_where_in_the_authors_file_and_what_caused_it() {
    if !has_python() {
        return;
    }
    let code = "import json\n\ndef read(text):\n    return json.loads(text)\n\ndef run(payload):\n    try:\n        return read('{')\n    \
        except ValueError as error:\n        raise KeyError('no') from error\n";
    let (reason, message) = failure(code);
    assert_eq!(reason, "guest_error");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[..3], ["KeyError: 'no'", "  at run (action.py:10)", lines[2]], "{message}");
    assert!(lines[2].starts_with("caused by json.decoder.JSONDecodeError: "), "{message}");
    assert_eq!(lines[3..], ["  at read (action.py:4)", "  at run (action.py:8)"], "{message}");
    // At the top of the file, and of what leaves by itself.
    assert_eq!(
        failure("def run(): ...\n1 / 0\n").1,
        "ZeroDivisionError: division by zero\n  at <module> (action.py:2)"
    );
    assert_eq!(failure("def run(): raise SystemExit(3)\n").1, "SystemExit: 3\n  at run (action.py:1)");
    assert_eq!(
        failure("run = 5\n").1.lines().next(),
        Some("TypeError: action.py has no action: write `@action` above its function")
    );
}

#[test]
fn the_standard_library_is_there_also_what_few_import() {
    if !has_python() {
        return;
    }
    let code = "import sys, time, uuid\nfrom dataclasses import dataclass\nfrom fusebox_sdk import action\n
@dataclass
class Order:
    id: str
    seats: int = 1

@action
def score(payload: Order, ctx):
    import difflib, email.message, tomllib, xml.etree.ElementTree as tree
    began = time.time()
    time.sleep(0.02)
    print('an end without a newline', end='')
    return {
        'order': [payload.id, payload.seats], 'toml': tomllib.loads('a = 1'), 'xml': tree.fromstring('<a>b</a>').text,
        'windows': 'é'.encode('cp1252').hex(), 'is_near': abs(began * 1000 - ctx.now) < 60_000,
        'slept': 0.02 <= time.time() - began < 60, 'uuid': str(uuid.uuid4()),
    }
";
    let id = made(code);
    let [first, second] = [0, 1].map(|_| test(&id, &json!({ "id": "o" })));
    let told = &first["run"]["output"];
    assert_eq!(
        (&told["order"], &told["toml"], &told["xml"]),
        (&json!(["o", 1]), &json!({ "a": 1 }), &json!("b")),
        "{first:#}"
    );
    assert_eq!((&told["windows"], &told["is_near"], &told["slept"]), (&json!("e9"), &json!(true), &json!(true)));
    assert_ne!(told["uuid"], second["run"]["output"]["uuid"]);
    assert_eq!(first["log"][0]["message"], "an end without a newline", "{first:#}");
    // What does not fit is refused in the words of the kit.
    let refused = test(&id, &json!({ "id": 7 }));
    let run = &refused["run"];
    assert_eq!((&run["code"], &run["message"]), (&json!(2), &json!("payload.id: expected a string, found a number")));
    let absent =
        "def run():\n    try:\n        import socket\n    except ImportError as error:\n        return str(error)\n";
    assert_eq!(output(absent, &json!({})), "No module named 'socket'");
}

#[test]
fn an_example_that_is_built_ahead_of_time_runs_as_source_as_well() {
    if !has_python() {
        return;
    }
    let read = |file: &str| {
        let path = format!("{}/examples/order-score/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let json = |file: &str| serde_json::from_str::<Value>(&read(file)).unwrap();
    let id = made(&read("action.py"));
    let sample = json!({ "payload": json("sample.json"), "input": json("input.json") });
    let tried = SERVER.admin.post(&format!("/action/{id}/test"), &sample);
    let run = &tried.expect(200)["run"];
    assert_eq!((&run["state"], &run["output"]["decision"]), (&json!("SUCCESS"), &json!("review")), "{run:#}");
    assert_eq!(run["output"]["score"], 90, "{run:#}");
}

#[test]
fn nothing_that_a_run_does_to_its_world_is_there_in_the_next() {
    if !has_python() {
        return;
    }
    let code = "import builtins, json, math, sys
import fusebox_sdk

def run():
    clean = [len([1]), json.dumps([1]), math.floor(1.5), hasattr(builtins, 'mark'), 'tampered' in sys.modules]
    builtins.mark = True
    builtins.len = lambda of: 7
    math.floor = lambda of: 7
    json.loads = json.dumps = lambda *args, **named: '\"tampered\"'
    fusebox_sdk.Reject.__init__ = None
    sys.modules['tampered'] = sys
    sys.meta_path.clear()
    return clean
";
    let id = made(code);
    for _ in 0..3 {
        let run = test(&id, &json!({}))["run"].clone();
        // What it broke was its own.
        assert_eq!((&run["state"], &run["output"]), (&json!("SUCCESS"), &json!("tampered")), "{run:#}");
    }
    let keeping = code.replace("    json.loads", "    json.loads = None\n    nothing").replace("= json.dumps =", "=");
    let id = made(&keeping);
    for _ in 0..2 {
        let run = test(&id, &json!({}))["run"].clone();
        assert_eq!(run["output"], json!([1, "[1]", 1, false, false]), "{run:#}");
    }
}

#[test]
fn a_script_that_is_too_much_ends_alone() {
    if !has_python() {
        return;
    }
    let deep = "def down(n):\n    return down(n + 1) + 1\n\ndef run():\n    try:\n        down(0)\n    except RecursionError as error:\n        return str(error)\n";
    assert_eq!(output(deep, &json!({})), "maximum recursion depth exceeded");
    let hungry = "def run():\n    held = []\n    try:\n        while True:\n            held.append(bytes(1 << 20))\n    except MemoryError:\n        \
        del held\n        return 'caught'\n";
    assert_eq!(output(hungry, &json!({})), "caught");
    assert_eq!(failure("def run():\n    while True: pass\n").0, "fuel_exhausted");
    assert_eq!(failure("import re\ndef run(): re.match('(a+)+$', 'a' * 64 + 'b')\n").0, "fuel_exhausted");
    assert_eq!(failure("def run(): return 'x' * (2 << 20)\n").0, "output_limit");
    assert_eq!(failure("def run():\n    while True: print('x' * 1000)\n").0, "output_limit");
    // A recursion through the interpreter's own code is the end of the attempt.
    let odd = "class Odd:\n    def __repr__(self): return repr(Odd())\n\ndef run(): return repr(Odd())\n";
    assert_eq!(failure(odd).0, "trap");
    assert_eq!(output("def run(): return 'still here'\n", &json!({})), "still here");
}
