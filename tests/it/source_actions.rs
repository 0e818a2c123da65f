//! Actions that are source code: what a script is given, what it may use, and what becomes of how it ends.

use crate::support::{Answer, TestServer};
use serde_json::{Value, json};

/// A server on which scripts are tried out.
pub(crate) struct Scripts {
    pub(crate) server: TestServer,
}

impl Scripts {
    pub(crate) fn new() -> Scripts {
        Scripts { server: TestServer::start() }
    }

    pub(crate) fn create(&self, name: &str, code: &str) -> Answer {
        let body = json!({ "name": name, "language": "javascript", "code": code });
        self.server.admin.post("/action", &body)
    }

    /// Makes an action of the code, named like its digest, and tries it out.
    #[track_caller]
    pub(crate) fn try_out(&self, code: &str, sample: &Value) -> Value {
        let id = self.create(&fusebox::domain::Digest::of(code.as_bytes()).hex(), code).expect(201)["id"].clone();
        let id = id.as_str().unwrap();
        self.server.admin.post(&format!("/action/{id}/test"), sample).expect(200).clone()
    }

    /// What a script returns.
    #[track_caller]
    pub(crate) fn output(&self, code: &str) -> Value {
        let tried = self.try_out(code, &json!({ "payload": { "name": "Ada" } }));
        assert_eq!(tried["run"]["state"], "SUCCESS", "{:#}", tried["run"]);
        tried["run"]["output"].clone()
    }

    /// How a script fails: the reason and what is said.
    #[track_caller]
    pub(crate) fn failure(&self, code: &str) -> (String, String, Value) {
        let tried = self.try_out(code, &json!({ "payload": { "name": "Ada" } }));
        let run = &tried["run"];
        assert_eq!(run["state"], "ERROR", "{run:#}");
        let text = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("message"), run["code"].clone())
    }
}

#[test]
fn a_script_is_an_action_like_any_other() {
    let server = TestServer::start();
    let code = "import { outcome } from \"fusebox\";\n\
        export default async function (payload, ctx) {\n\
          console.info(\"greeting\", { attempt: ctx.attempt });\n\
          return outcome({ text: `${ctx.params.greeting} ${payload.name} at ${ctx.object?.objectId ?? \"home\"}` });\n\
        }\n";
    let parameters = json!([{ "name": "greeting", "type": "STATIC", "value": "Hello" }]);
    let body = json!({ "name": "greet", "language": "javascript", "code": code, "parameters": parameters });
    let made = server.admin.post("/action", &body);
    let action = made.expect(201);
    assert_eq!(
        (&action["code"], &action["language"], action.get("module")),
        (&json!(code), &json!("javascript"), None)
    );
    let id = action["id"].as_str().unwrap();
    server.event_type("greeted", id, json!({}));
    let event = server.fire_and_wait("greeted", json!({ "name": "Ada" }));
    let run = &event["runs"][0];
    assert_eq!(
        (&run["state"], &run["output"]),
        (&json!("SUCCESS"), &json!({ "text": "Hello Ada at home" })),
        "{run:#}"
    );
    assert_eq!(run["code_digest"], action["code_digest"]);
    assert!(run["module"].as_str().unwrap().starts_with("sha256:"), "the interpreter is known by its digest");
    let log = server.admin.get(&format!("/run/{}/log", run["id"].as_str().unwrap()));
    let line = &log.expect(200)[0];
    assert_eq!((&line["message"], &line["level"]), (&json!("greeting"), &json!("info")));
    assert_eq!(line["fields"]["attempt"], 1, "{line:#}");
    // Lists have no code in them.
    let listed = server.admin.get("/action");
    assert_eq!((listed.expect(200)[0].get("code"), &listed.body["data"][0]["language"]), (None, &json!("javascript")));
}

#[test]
fn every_version_of_a_script_is_kept_and_can_come_back() {
    let mut server = TestServer::start();
    let version = |number: u32| json!({ "name": "answer", "language": "javascript", "code": format!("export default () => {number};") });
    let made = server.admin.post("/action", &version(1));
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("asked", &id, json!({}));
    let answer = |server: &TestServer| server.fire_and_wait("asked", json!({}))["runs"][0]["output"].clone();
    assert_eq!(answer(&server), 1);
    server.admin.put(&format!("/action/{id}"), &version(2)).expect(200);
    assert_eq!(answer(&server), 2);
    server.admin.post(&format!("/action/{id}/rollback"), &json!({ "version": 1 })).expect(200);
    assert_eq!(answer(&server), 1);
    let versions = server.admin.get(&format!("/action/{id}/version"));
    let codes: Vec<&str> =
        versions.expect(200).as_array().unwrap().iter().map(|v| v["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["export default () => 1;", "export default () => 2;", "export default () => 1;"]);
    // A start finds the programs where they were left.
    server.restart();
    assert_eq!(answer(&server), 1);
    // From a module to code and back.
    let module = server.upload("noop");
    server.admin.put(&format!("/action/{id}"), &json!({ "name": "answer", "module": module })).expect(200);
    assert_eq!(answer(&server), json!({}));
    server.admin.post(&format!("/action/{id}/rollback"), &json!({ "version": 2 })).expect(200);
    assert_eq!(answer(&server), 2);
}

#[test]
fn an_action_runs_a_module_or_code_and_not_both() {
    let server = TestServer::start();
    let module = server.upload("noop");
    let code = "export default () => 1;";
    for (body, pointer) in [
        (json!({}), "/module"),
        (json!({ "code": code }), "/language"),
        (json!({ "language": "javascript" }), "/code"),
        (json!({ "module": module, "code": code, "language": "javascript" }), "/module"),
        (json!({ "module": module, "language": "javascript" }), "/module"),
        (json!({ "code": code, "language": "cobol" }), "/language"),
    ] {
        let mut whole = body.clone();
        whole["name"] = json!("x");
        let refused = server.admin.post("/action", &whole);
        refused.problem(422, "invalid_body");
        refused.points_at(&[pointer]);
    }
}

#[test]
fn who_may_attach_a_script_does_not_see_its_code() {
    let server = TestServer::start();
    let acme = server.client_for("acme", &["read", "write", "execute"]);
    let globex = server.client_for("globex", &["read", "write", "execute"]);
    let code = "export default () => 'trade secret';";
    let body = json!({ "name": "shared", "language": "javascript", "code": code, "public": true });
    let made = acme.post("/action", &body);
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let seen = globex.get(&format!("/action/{id}"));
    assert_eq!(seen.expect(200)["name"], "shared");
    for field in ["code", "language", "code_digest", "module"] {
        assert_eq!(seen.body["data"].get(field), None, "{}", seen.text);
    }
    assert!(!globex.get("/action").text.contains("trade secret"));
    globex.get(&format!("/action/{id}/version")).problem(404, "not_found");
    // Attached, it runs for the other tenant, at the version that it was attached with.
    let event_type = acme.post("/event-type", &json!({ "display_name": "asked" }));
    event_type.expect(201);
    globex.post("/event-type", &json!({ "display_name": "asked" })).expect(201);
    let with_trigger =
        json!({ "name": "shared", "language": "javascript", "code": code, "public": true, "trigger": "asked" });
    acme.put(&format!("/action/{id}"), &with_trigger).expect(200);
    let attach = json!({ "object_type": "room", "object_id": "1" });
    globex.post(&format!("/action/{id}/object"), &attach).expect(201);
    let newer = json!({ "name": "shared", "language": "javascript", "code": "export default () => 2;", "public": true,
        "trigger": "asked" });
    acme.put(&format!("/action/{id}"), &newer).expect(200);
    let object = json!({ "object_type": "room", "object_id": "1" });
    let fired = globex
        .request("POST", "/event")
        .header("prefer", "wait=60")
        .json(&json!({ "event_type": "asked", "object": object, "payload": {} }))
        .send();
    assert_eq!(fired.expect(200)["runs"][0]["output"], "trade secret", "{}", fired.text);
}

#[test]
fn what_a_script_is_told_has_the_names_of_the_kits() {
    let scripts = Scripts::new();
    let code = "export default (payload, ctx) => ({ payload, ctx, keys: Object.keys(ctx).sort() });";
    let sample = json!({ "payload": { "n": 1 }, "object": { "object_type": "room", "object_id": "7" },
        "params": { "key": "v" } });
    let tried = scripts.try_out(code, &sample);
    let told = &tried["run"]["output"];
    assert_eq!((&told["payload"], &told["ctx"]["params"]), (&json!({ "n": 1 }), &json!({ "key": "v" })), "{tried:#}");
    assert_eq!(told["ctx"]["object"], json!({ "objectType": "room", "objectId": "7" }));
    assert_eq!((&told["ctx"]["scope"], &told["ctx"]["attempt"]), (&Value::Null, &json!(1)));
    assert_eq!(told["ctx"]["chain"]["depth"], 0);
    assert_eq!(told["ctx"]["budget"]["fuel"], 1_000_000_000);
    let keys =
        ["attempt", "budget", "chain", "eventId", "eventTime", "input", "now", "object", "params", "runId", "scope"];
    let keys: Vec<&str> = keys.into_iter().chain(["tenant", "trigger"]).collect();
    assert_eq!(told["keys"], json!(keys));
}

#[test]
fn a_script_finds_what_it_expects_of_the_web() {
    let scripts = Scripts::new();
    for (code, expected) in [
        ("new TextDecoder().decode(new TextEncoder().encode('Grüße 🌍'))", json!("Grüße 🌍")),
        ("[...new TextEncoder().encode('é')]", json!([195, 169])),
        ("new TextDecoder().decode(new Uint8Array([0x61, 0xff]))", json!("a\u{fffd}")),
        ("[atob('SGk='), btoa('Hi')]", json!(["Hi", "SGk="])),
        ("new URL('../b?q=1#f', 'https://a.example:8443/x/y').href", json!("https://a.example:8443/b?q=1#f")),
        (
            "(() => { const u = new URL('https://a.example/'); u.searchParams.set('q', 'ä b'); u.port = '8080'; return u.href })()",
            json!("https://a.example:8080/?q=%C3%A4+b"),
        ),
        ("[...new URLSearchParams('a=1&b=2&a=3').getAll('a')]", json!(["1", "3"])),
        ("URL.canParse('nothing')", json!(false)),
        (
            "(() => { const a = { d: new Date(0), m: new Map([[1, 2]]) }; a.self = a; const b = structuredClone(a); return [b.self === b, b.d.getTime(), b.m.get(1), b !== a] })()",
            json!([true, 0, 2, true]),
        ),
        (
            "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())",
            json!(true),
        ),
        ("crypto.getRandomValues(new Uint8Array(16)).length", json!(16)),
        ("new Headers([['A', '1'], ['a', '2']]).get('A')", json!("1, 2")),
        ("await new Response('{\"a\":1}').json()", json!({ "a": 1 })),
        (
            "(() => { const r = new Request('https://a.example', { method: 'post', body: 'x' }); return [r.method, r.headers.get('content-type')] })()",
            json!(["POST", "text/plain;charset=UTF-8"]),
        ),
        ("[typeof process, typeof require, typeof Intl]", json!(["undefined", "undefined", "undefined"])),
        ("[Object.keys(globalThis), performance.now() >= 0 && performance.now() < 60000]", json!([[], true])),
    ] {
        let found = scripts.output(&format!("export default async () => {code};"));
        assert_eq!(found, expected, "{code}");
    }
}

#[test]
fn time_goes_on_and_chance_differs_between_attempts() {
    let scripts = Scripts::new();
    let code = "export default async (payload, ctx) => {
        const before = Date.now();
        const order = [];
        setTimeout(() => order.push('later'), 30);
        setTimeout((word) => order.push(word), 5, 'sooner');
        const dropped = setTimeout(() => order.push('never'), 1);
        clearTimeout(dropped);
        queueMicrotask(() => order.push('at once'));
        let ticks = 0;
        const interval = setInterval(() => { ticks += 1; if (ticks === 3) clearInterval(interval); }, 2);
        await new Promise((resolve) => setTimeout(resolve, 60));
        return { order, ticks, waited: Date.now() - before, early: before - ctx.now, random: Math.random() };
    };";
    let (first, second) = (scripts.output(code), scripts.output(&format!("{code}\n")));
    assert_eq!((&first["order"], &first["ticks"]), (&json!(["at once", "sooner", "later"]), &json!(3)));
    let waited = first["waited"].as_f64().unwrap();
    assert!((59.0..10_000.0).contains(&waited), "it waits for real: {waited}");
    assert!((0.0..10_000.0).contains(&first["early"].as_f64().unwrap()), "{first}");
    assert_ne!(first["random"], second["random"]);
}

#[test]
fn a_script_says_how_it_ended() {
    let scripts = Scripts::new();
    let warned = scripts.try_out(
        "import { Outcome } from 'fusebox';\nexport default () => new Outcome(1, { warnings: ['late'], event: { n: 2 } });",
        &json!({}),
    );
    let run = &warned["run"];
    assert_eq!((&run["state"], &run["messages"], &run["output"]), (&json!("WARNING"), &json!(["late"]), &json!(1)));
    assert_eq!(run["event"], json!({ "n": 2 }));
    assert_eq!(scripts.output("export default () => {};"), Value::Null);

    let rejected =
        "import { Reject } from 'fusebox';\nexport default () => { throw new Reject('no room', { code: 42 }) };";
    assert_eq!(scripts.failure(rejected), ("guest_error".to_owned(), "no room".to_owned(), json!(42)));
    let retried =
        "import { Retry } from 'fusebox';\nexport default () => { throw new Retry('busy', { afterMs: 5000 }) };";
    assert_eq!(scripts.failure(retried).1, "busy");
    let server = &scripts.server;
    let id = scripts.create("busy", retried).expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("tried", &id, json!({}));
    let event = server.fire("tried", json!({}));
    let waiting = server.until_run_is(&event, "WAITING");
    assert_eq!((&waiting["message"], waiting["attempts"].as_array().unwrap().len()), (&json!("busy"), 1));

    let (reason, message, code) = scripts.failure(
        "export default async (payload) => {\n  await null;\n  inner(payload);\n};\n\nfunction inner(payload) {\n  payload.missing.field;\n}\n",
    );
    assert_eq!((reason.as_str(), code), ("guest_error", json!(1)));
    assert!(message.starts_with("TypeError: cannot read property 'field' of undefined"), "{message}");
    assert!(message.contains("inner (action.js:7:") && message.contains("action.js:3:"), "{message}");
    assert!(!message.contains("fusebox/run.js"), "{message}");

    let (_, message, _) = scripts.failure("export default () => { throw { odd: 1n } };");
    assert_eq!(message, "threw { odd: 1n }, which is no Error");
    let (_, message, _) = scripts.failure("export default () => { const a = {}; a.a = a; return a };");
    assert!(message.starts_with("TypeError: the output cannot be written as JSON: circular"), "{message}");
    let (_, message, _) =
        scripts.failure("export default () => { throw new Error('no', { cause: new RangeError('small') }) };");
    assert!(message.contains("Error: no") && message.contains("caused by RangeError: small"), "{message}");
    let (_, message, _) = scripts.failure("export default 5;");
    assert!(message.contains("the default export of an action is a function, not 5"), "{message}");
    let (_, message, _) = scripts.failure("export default () => new Promise(() => {});");
    assert!(message.contains("nothing will settle its promise"), "{message}");
    let (_, message, _) = scripts
        .failure("setTimeout(() => { throw new Error('in a timer') });\nexport default () => new Promise(() => {});");
    assert!(message.contains("in a timer"), "{message}");
    let (_, message, _) = scripts.failure("await Promise.reject(new Error('at the top'));\nexport default () => 1;");
    assert!(message.contains("at the top"), "{message}");
    assert_eq!(scripts.output("const one = await Promise.resolve(1);\nexport default () => one;"), 1);
}

#[test]
fn what_is_printed_is_logged_whatever_it_is() {
    let scripts = Scripts::new();
    let code = "export default () => {
        const a = { name: 'a', list: [1, [2, [3, [4, [5, [6]]]]]] };
        a.self = a;
        console.log('plain', 1, null, undefined, true, 5n, Symbol('s'));
        console.debug(a);
        console.warn('with fields', { a: 1, deep: { b: [2] }, circle: a, f() {} });
        console.error(new TypeError('wrong'));
        console.log(new Map([['k', { v: 1 }]]), new Set([1]), new Date(0), /x/g, new Uint8Array(2));
        console.log({ get trap() { throw new Error('never read') } }, new Proxy({}, { ownKeys() { throw 1 } }));
        console.trace('traced');
        console.assert(false, 'asserted');
    };";
    let tried = scripts.try_out(code, &json!({}));
    assert_eq!(tried["run"]["state"], "SUCCESS", "{tried:#}");
    let lines: Vec<(String, String)> = tried["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["level"].as_str().unwrap().to_owned(), line["message"].as_str().unwrap().to_owned()))
        .collect();
    let told: Vec<(&str, &str)> = lines.iter().map(|(level, message)| (level.as_str(), message.as_str())).collect();
    assert_eq!(told[0], ("info", "plain 1 null undefined true 5n Symbol(s)"));
    assert!(
        told[1].0 == "debug" && told[1].1.contains("self: [Circular]") && told[1].1.contains("[Array]"),
        "{told:?}"
    );
    assert_eq!(told[2], ("warn", "with fields"));
    let fields = &tried["log"][2]["fields"];
    assert_eq!((&fields["a"], &fields["deep"]), (&json!(1), &json!({ "b": [2] })), "{fields}");
    assert!(fields["circle"].to_string().contains("[Circular]"), "{fields}");
    assert!(told[3].0 == "error" && told[3].1.starts_with("TypeError: wrong"), "{told:?}");
    assert_eq!(told[4].1, "Map { \"k\" => { v: 1 } } Set { 1 } 1970-01-01T00:00:00.000Z /x/g Uint8Array [ 0, 0 ]");
    assert!(told[5].1.contains("trap: [Getter]") && told[5].1.contains("cannot be shown"), "{told:?}");
    assert_eq!((told[6], told[7]), (("trace", "traced"), ("error", "Assertion failed asserted")));
}

#[test]
fn nothing_that_a_run_does_to_its_world_is_there_in_the_next() {
    let scripts = Scripts::new();
    let code = "export default () => {
        const clean = [JSON.stringify({ a: 1 }), [1].map((x) => x + 1)[0], typeof globalThis.mark, Math.max(1, 2)];
        globalThis.mark = 1;
        JSON.stringify = () => '\"tampered\"';
        Array.prototype.map = () => ['tampered'];
        Object.prototype.toString = () => 'tampered';
        Math.max = () => 0;
        Promise.prototype.then = undefined;
        delete globalThis.console;
        return clean[0] + clean[1] + clean[2] + clean[3];
    };";
    let id = scripts.create("tampering", code).expect(201)["id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let tried = scripts.server.admin.post(&format!("/action/{id}/test"), &json!({}));
        let run = &tried.expect(200)["run"];
        // What it broke was its own.
        assert_eq!((&run["state"], &run["output"]), (&json!("SUCCESS"), &json!("tampered")), "{run:#}");
    }
    assert_eq!(scripts.output("export default () => [JSON.stringify([1]), typeof console];"), json!(["[1]", "object"]));
}
