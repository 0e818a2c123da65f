//! Source code by the command line: `fusebox push` of it, and `fusebox interpreter`.

use crate::support::{Ran, TestServer, fusebox_with};
use serde_json::{Value, json};

/// An interpreter whose programs are JSON: their own output. See there.
const INTERPRETER: &str = include_str!("support/interpreter.wat");

/// A server and a folder for commands that speak to it.
struct Bench {
    server: TestServer,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { server: TestServer::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as(&self.server.token, arguments)
    }

    fn run_as(&self, token: &str, arguments: &[&str]) -> Ran {
        let url = self.server.url();
        fusebox_with(self.folder.path(), &[("FUSEBOX_URL", &url), ("FUSEBOX_TOKEN", token)], arguments)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    #[track_caller]
    fn output(&self, event_type: &str) -> Value {
        self.server.fire_and_wait(event_type, json!({}))["runs"][0]["output"].clone()
    }
}

#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is not in: {ran:?}");
    }
}

#[test]
fn pushing_source_code_makes_an_action_of_it() {
    let bench = Bench::new();
    bench.write("greet.js", "export default () => 1;");
    let pushed = bench.ok(&["push", "greet.js"]);
    assert_eq!(pushed, "source      javascript  (23 bytes)\naction      greet (version 1)\n");
    bench.write("typed.ts", "export default (n: number): number => 2;");
    let pushed = bench.ok(&["push", "typed.ts", "--action", "Typed", "--trigger", "asked"]);
    for words in ["source      typescript", "action      Typed (version 1)", "event type  asked", "fusebox fire asked"]
    {
        assert!(pushed.contains(words), "{words} is not in: {pushed}");
    }
    assert_eq!(bench.output("asked"), 2);
    assert_eq!(bench.server.admin.get("/module").body["count"], 0, "no module is made of it");
}

#[test]
fn pushing_source_code_again_changes_what_an_action_runs_and_keeps_the_rest() {
    let bench = Bench::new();
    let push = |code: &str| {
        bench.write("it.js", code);
        bench.json(&["push", "it.js", "--action", "a", "--trigger", "t"])
    };
    let first = push("export default () => 1;");
    assert_eq!((&first["module"], &first["action"]["language"]), (&Value::Null, &json!("javascript")));
    let id = first["action"]["id"].as_str().unwrap();
    let body = json!({ "name": "a", "language": "javascript", "code": "export default () => 1;", "description": "kept",
        "parameters": [{ "name": "p", "type": "STATIC", "value": 1 }] });
    bench.server.admin.put(&format!("/action/{id}"), &body).expect(200);
    assert_eq!(push("export default () => 1;")["action"]["version"], 2, "the same again changes nothing");
    let second = push("export default () => 2;");
    let action = &second["action"];
    assert_eq!((&action["id"], &action["version"], &action["description"]), (&json!(id), &json!(3), &json!("kept")));
    assert_eq!(action["parameters"], body["parameters"]);
    assert_eq!(bench.output("t"), 2);
    // The same text in another language is something else.
    bench.write("it.ts", "export default () => 2;");
    let typed = bench.json(&["push", "it.ts", "--action", "a"]);
    assert_eq!((&typed["action"]["version"], &typed["action"]["language"]), (&json!(4), &json!("typescript")));
}

/// A module was sent beside the code of the action, and both are refused.
#[test]
fn an_action_changes_from_a_module_to_source_code_and_back() {
    let bench = Bench::new();
    bench.write("it.js", "export default () => 7;");
    std::fs::write(bench.folder.path().join("noop.wasm"), crate::support::component("noop")).unwrap();
    let push = |file: &str| bench.json(&["push", file, "--action", "a", "--trigger", "t"])["action"].clone();
    assert_eq!(push("noop.wasm")["version"], 1);
    assert_eq!((push("it.js")["version"].clone(), bench.output("t")), (json!(2), json!(7)));
    let action = push("noop.wasm");
    assert_eq!((&action["version"], action.get("language"), bench.output("t")), (&json!(3), None, json!({})));
}

#[test]
fn source_code_that_is_refused_says_why_with_its_place() {
    let bench = Bench::new();
    bench.write("broken.js", "export default () => {\n  const seats = ;\n}\n");
    fails(&bench.run(&["push", "broken.js"]), &["broken.js", "line 2, column 17", "SyntaxError", "invalid_body"]);
    bench.write("it.js", "export default () => 1;");
    for flag in [["--name", "x"], ["--version", "1"]] {
        fails(&bench.run(&["push", "it.js", flag[0], flag[1]]), &["it.js is source code", "--action names the action"]);
    }
    bench.write("greet.py", "def run(): ...\n");
    fails(&bench.run(&["push", "greet.py"]), &["there is no interpreter for `python`"]);
    std::fs::write(bench.folder.path().join("odd.js"), [0xff, 0xfe]).unwrap();
    fails(&bench.run(&["push", "odd.js"]), &["odd.js cannot be read as text"]);
    fails(&bench.run(&["push", "nothing.js"]), &["nothing.js cannot be read"]);
    assert_eq!(bench.server.admin.get("/action").body["count"], 0);
}

#[test]
fn a_language_is_added_by_one_command() {
    let bench = Bench::new();
    let languages = || -> Vec<String> {
        bench.ok(&["interpreter", "list"]).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(languages(), ["javascript", "typescript"]);
    assert!(bench.ok(&["interpreter", "list"]).contains("comes with Fusebox"));
    bench.write("data.wat", INTERPRETER);
    let added = bench.ok(&["interpreter", "add", "data.wat", "--language", "python", "--version", "3.14"]);
    assert!(added.starts_with("python is run by sha256:"), "{added}");
    assert_eq!(languages(), ["javascript", "python", "typescript"]);
    let listed = bench.json(&["interpreter", "list"]);
    let module = bench.server.admin.get("/module/interpreter.python");
    let digest = &module.expect(200)["digest"];
    assert_eq!((&listed[1]["module"], &listed[1]["digest"]), (&json!("interpreter.python@3.14"), digest));
    assert_eq!(listed[0]["module"], Value::Null);
    assert!(listed[0]["size_bytes"].as_u64().unwrap() > 1_000_000, "{listed:#}");
    // What is pushed then is run by it.
    bench.write("answer.py", "[1, 2]");
    bench.ok(&["push", "answer.py", "--action", "answer", "--trigger", "asked"]);
    assert_eq!(bench.output("asked"), json!([1, 2]));
    // One that comes with Fusebox is replaced for both of its languages.
    let added = bench.json(&["interpreter", "add", "data.wat", "--language", "javascript"]);
    assert_eq!((&added["language"], &added["module"]["digest"]), (&json!("javascript"), digest));
    let listed = bench.json(&["interpreter", "list"]);
    assert_eq!((&listed[0]["digest"], &listed[2]["digest"]), (digest, digest));
    assert_eq!(listed[0]["module"], json!(format!("interpreter.javascript@{}", &digest.as_str().unwrap()[7..19])));
}

#[test]
fn an_interpreter_that_would_run_nothing_is_refused() {
    let bench = Bench::new();
    std::fs::write(bench.folder.path().join("noop.wasm"), crate::support::component("noop")).unwrap();
    let add = ["interpreter", "add", "noop.wasm", "--language", "python"];
    fails(
        &bench.run(&add),
        &["`interpreter.python` is for the interpreter of a language, which this component is not"],
    );
    bench.write("data.wat", INTERPRETER);
    let rights = json!({ "read": true, "write": true, "execute": true });
    let body = json!({ "name": "acme token", "owner_id": "acme", "rights": rights });
    let acme = bench.server.admin.post("/token", &body).expect(201)["token"].as_str().unwrap().to_owned();
    let add = ["interpreter", "add", "data.wat", "--language", "python"];
    fails(&bench.run_as(&acme, &add), &["a token can only make things for its own tenant", "forbidden"]);
    fails(&bench.run(&["interpreter", "add", "nothing.wasm", "--language", "python"]), &["cannot be read"]);
    assert_eq!(bench.run(&["interpreter", "add", "data.wat", "--language", "No Language"]).code, 2);
    assert_eq!(bench.run(&["interpreter", "add", "data.wat"]).code, 2, "a language is to be named");
    let listed = bench.json(&["interpreter", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed:#}");
}
