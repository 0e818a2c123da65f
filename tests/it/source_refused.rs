//! Source code that is refused when it is saved, or ends at a limit when it runs.

use crate::source_actions::Scripts;
use crate::support::TestServer;
use serde_json::{Value, json};

/// The only error of a refusal.
#[track_caller]
fn fault(scripts: &Scripts, language: &str, code: &str) -> Value {
    let body = json!({ "name": "x", "language": language, "code": code });
    let refused = scripts.server.admin.post("/action", &body);
    refused.problem(422, "invalid_body");
    assert_eq!(refused.body["errors"][0]["pointer"], "/code", "{}", refused.text);
    refused.body["errors"][0].clone()
}

#[test]
fn a_syntax_error_is_told_with_its_line_and_column() {
    let scripts = Scripts::new();
    let told = fault(&scripts, "javascript", "export default function () {\n  const grüße = ;\n}\n");
    assert_eq!((&told["line"], &told["column"]), (&json!(2), &json!(17)), "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with("line 2, column 17: SyntaxError:"), "{message}");
    let told = fault(&scripts, "javascript", "const a = 1;\n");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("no default export") && message.contains("export default"), "{message}");
    assert_eq!(told.get("line"), None);
    let told = fault(
        &scripts,
        "javascript",
        "export const run = 1;\nimport leftPad from \"left-pad\";\nexport default () => 1;",
    );
    assert_eq!((&told["line"], &told["column"]), (&json!(2), &json!(21)), "{told}");
    assert!(told["message"].as_str().unwrap().contains("an action is one file"), "{told}");
    let told = fault(&scripts, "javascript", "import { nothing } from \"fusebox\";\nexport default () => 1;");
    assert!(told["message"].as_str().unwrap().contains("nothing"), "{told}");
    let told = fault(&scripts, "javascript", "export default () => 1; // \u{0}");
    assert!(told["message"].as_str().unwrap().contains("zero character"), "{told}");
    fault(&scripts, "javascript", "");
    fault(&scripts, "javascript", &"(".repeat(100_000));
    assert_eq!(scripts.server.admin.get("/action").body["count"], 0);
}

#[test]
fn what_is_checked_is_not_run() {
    let scripts = Scripts::new();
    let forever = scripts.create("forever", "while (true) {}\nexport default () => 1;");
    forever.expect(201);
    let id = forever.body["data"]["id"].as_str().unwrap();
    let tried = scripts.server.admin.post(&format!("/action/{id}/test"), &json!({}));
    assert_eq!(tried.expect(200)["run"]["reason"], "fuel_exhausted", "{}", tried.text);
}

#[test]
fn a_script_has_as_many_bytes_as_are_allowed_and_not_one_more() {
    let scripts = Scripts::new();
    let limit = fusebox::domain::CODE_BYTES_MAX;
    let padded = |size: usize| {
        let code = "export default () => 1;//";
        format!("{code}{}", "x".repeat(size - code.len()))
    };
    scripts.create("fits", &padded(limit)).expect(201);
    let refused = scripts.create("past", &padded(limit + 1));
    refused.problem(422, "invalid_body");
    refused.points_at(&["/code"]);
    scripts.create("far past", &padded(10 << 20)).problem(413, "too_large");
}

#[test]
fn a_script_that_is_too_much_ends_alone() {
    let scripts = Scripts::new();
    // Errors that it can catch, and that are its own.
    let deep = "function down(n) { return down(n + 1) + 1 }\nexport default () => { try { down(0) } catch (e) { return e.name + ': ' + e.message } };";
    assert_eq!(scripts.output(deep), "RangeError: Maximum call stack size exceeded");
    let hungry = "export default () => { const all = []; try { for (;;) all.push(new Uint8Array(1 << 20)) } catch (e) { all.length = 0; return e.message } };";
    assert_eq!(scripts.output(hungry), "out of memory");
    let (reason, message, _) =
        scripts.failure("export default () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)) };");
    assert!(reason == "guest_error" && message.contains("out of memory"), "{reason}: {message}");
    // Ends that are not.
    assert_eq!(scripts.failure("export default () => { for (;;) {} };").0, "fuel_exhausted");
    assert_eq!(scripts.failure("export default async () => { for (;;) await null };").0, "fuel_exhausted");
    assert_eq!(scripts.failure("export default () => /(a+)+$/.test('a'.repeat(64) + 'b');").0, "fuel_exhausted");
    assert_eq!(scripts.failure("export default () => 'x'.repeat(2 << 20);").0, "output_limit");
    assert_eq!(scripts.failure("export default () => { for (;;) console.log('x'.repeat(1000)) };").0, "output_limit");
    assert_eq!(scripts.output("export default () => 'still here';"), "still here");
}

#[test]
fn types_are_taken_out_of_typescript() {
    let scripts = Scripts::new();
    let code = "import { outcome, type Context } from \"fusebox\";\n\
        interface Booking { name: string; seats?: number }\n\
        export default async function (payload: Booking, ctx: Context<{ a: string }>): Promise<unknown> {\n\
          const seats = (payload.seats ?? 2) as number;\n\
          if (seats > 3) throw new Error(`too many for ${payload!.name}`);\n\
          return outcome({ seats, attempt: ctx.attempt } satisfies object);\n\
        }\n";
    let body = json!({ "name": "typed", "language": "typescript", "code": code });
    let made = scripts.server.admin.post("/action", &body);
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(made.body["data"]["code"], code, "it is kept as it was sent");
    let test = |payload: Value| {
        let answer = scripts.server.admin.post(&format!("/action/{id}/test"), &json!({ "payload": payload }));
        answer.expect(200)["run"].clone()
    };
    assert_eq!(test(json!({ "name": "Ada" }))["output"], json!({ "seats": 2, "attempt": 1 }));
    let failed = test(json!({ "name": "Ada", "seats": 4 }));
    assert!(failed["message"].as_str().unwrap().contains("(action.js:5:"), "places are the author's: {failed:#}");

    let told = fault(&scripts, "typescript", "export default (a: ) => 1;");
    assert_eq!((&told["line"], &told["column"]), (&json!(1), &json!(20)), "{told}");
    let told = fault(&scripts, "typescript", "\nenum Colour { Red }\nexport default () => Colour.Red;");
    assert!(told["message"].as_str().unwrap().contains("nothing is compiled"), "{told}");
    assert_eq!(told["line"], 2, "{told}");
    let told = fault(&scripts, "typescript", "@sealed class A {}\nexport default () => 1;");
    assert_eq!(told["line"], 1, "{told}");
    fault(&scripts, "typescript", &format!("export default () => {}1;", "(".repeat(200_000)));
    assert_eq!(scripts.output("export default () => 'still here';"), "still here");
}

/// An interpreter in text form: see there.
const INTERPRETER: &str = include_str!("support/interpreter.wat");

fn upload(server: &TestServer, name: &str, wat: &str) -> crate::support::Answer {
    server.admin.request("POST", &format!("/module?name={name}")).bytes(wat).send()
}

#[test]
fn another_language_is_an_upload() {
    let server = TestServer::start();
    let uploaded = upload(&server, "interpreter.json", INTERPRETER);
    assert_eq!(uploaded.expect(201)["kind"], "interpreter");
    let action = |name: &str, code: &str| {
        server.admin.post("/action", &json!({ "name": name, "language": "json", "code": code }))
    };
    let id = action("constant", "{\"a\": [1]}").expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("asked", &id, json!({}));
    let run = server.fire_and_wait("asked", json!({}))["runs"][0].clone();
    assert_eq!((&run["output"], &run["module"]), (&json!({ "a": [1] }), &uploaded.body["data"]["digest"]));
    // An interpreter that returns what is none is told as any other guest that does.
    let id = action("nonsense", "not JSON").expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type("nonsense", &id, json!({}));
    let run = server.fire_and_wait("nonsense", json!({}))["runs"][0].clone();
    assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("guest_error")));
    // One that does not come to an end of looking, or has nothing to say.
    for (code, words) in
        [("Loop", "used up its fuel"), ("Trap", "unreachable"), ("Nothing", "does not say why"), ("Big", "more than")]
    {
        let refused = action(code, code);
        refused.problem(422, "invalid_body");
        refused.points_at(&["/code"]);
        assert!(refused.detail().contains(words), "{}", refused.text);
    }
    let refused = action("faulty", "Faulty");
    let told = &refused.problem(422, "invalid_body")["errors"][0];
    assert_eq!(
        (&told["line"], &told["column"], &told["message"]),
        (&json!(3), &json!(7), &json!("line 3, column 7: Faulty"))
    );
    // It stays while it is needed.
    let digest = uploaded.body["data"]["digest"].as_str().unwrap();
    server.admin.delete(&format!("/module/{digest}")).problem(409, "in_use");
    // A newer one takes over, also for what was made by the one before.
    let newer = INTERPRETER
        .replace("(i32.store8 (i32.const 1032) (i32.const 1))", "(i32.store8 (i32.const 1032) (i32.const 0))");
    let newer = upload(&server, "interpreter.json", &newer);
    newer.expect(201);
    let run = server.fire_and_wait("asked", json!({}))["runs"][0].clone();
    assert_eq!((&run["output"], &run["module"]), (&Value::Null, &newer.body["data"]["digest"]));
}

#[test]
fn an_interpreter_that_lies_about_its_exports_is_refused() {
    let server = TestServer::start();
    let lying = INTERPRETER.replace("(field \"column\" u32)", "(field \"column\" s32)");
    let refused = upload(&server, "interpreter.lies", &lying);
    refused.problem(422, "module_refused");
    refused.points_at(&["/exports/check"]);
    assert!(refused.detail().contains("list<fault>"), "{}", refused.text);
}

#[test]
fn an_interpreter_is_no_module_of_an_action_and_only_the_platforms_are_of_a_language() {
    let server = TestServer::start();
    let acme = server.client_for("acme", &["read", "write", "execute"]);
    let own = acme.request("POST", "/module?name=interpreter.json").bytes(INTERPRETER).send();
    own.expect(201);
    let refused = acme.post("/action", &json!({ "name": "x", "language": "json", "code": "1" }));
    refused.problem(422, "invalid_body");
    refused.points_at(&["/language"]);
    let refused = acme.post("/action", &json!({ "name": "x", "module": "interpreter.json" }));
    refused.problem(422, "invalid_body");
    refused.points_at(&["/module"]);
    assert!(refused.detail().contains("is an interpreter"), "{}", refused.text);
    // The platform's is everybody's, and takes the place of the one that comes with Fusebox.
    upload(&server, "interpreter.javascript", INTERPRETER).expect(201);
    let made = acme.post("/action", &json!({ "name": "x", "language": "javascript", "code": "[1]" }));
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let tried = acme.post(&format!("/action/{id}/test"), &json!({}));
    assert_eq!(tried.expect(200)["run"]["output"], json!([1]), "{}", tried.text);
}
