//! `fusebox run replay` of runs of source code.

use crate::cli_run::{Bench, same};
use crate::support::{TestServer, fusebox_with};
use serde_json::{Value, json};

const INTERPRETER: &str = include_str!("support/interpreter.wat");

impl Bench {
    /// An action of source code with an event type of the same name.
    fn save(&self, name: &str, language: &str, code: &str) -> String {
        let body = json!({ "name": name, "language": language, "code": code });
        let id = self.server.admin.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
        self.server.event_type(name, &id, json!({}));
        id
    }
}

#[test]
fn a_run_of_source_code_is_repeated_with_the_code_of_its_version() {
    let bench = Bench::over(TestServer::start());
    let code = "export default (payload, ctx) => {
        console.info(`at ${new Date().toISOString()}`, { attempt: ctx.attempt });
        if (payload.fail) throw new Error(payload.fail);
        return [Math.random(), crypto.randomUUID(), payload];
    }";
    let id = bench.save("script", "javascript", code);
    let old = bench.fire("script", json!({ "a": [1] }));
    let failed = bench.fire("script", json!({ "fail": "as asked" }));
    let change = json!({ "name": "script", "language": "javascript", "code": "export default () => 'newer';" });
    bench.server.admin.put(&format!("/action/{id}"), &change).expect(200);
    let new = bench.fire("script", json!({}));
    bench.save("typed", "typescript", "export default (payload: { n: number }): number => payload.n * Math.random();");
    let typed = bench.fire("typed", json!({ "n": 3 }));
    for run in [&old, &failed, &new, &typed] {
        let (code, names, document) = bench.replay(run, &[]);
        assert_eq!((code, names), same(), "{document:#}");
    }
    assert_eq!((&failed["state"], &new["output"]), (&json!("ERROR"), &json!("newer")));
    let path = format!("/run/{}/attempt/1", old["id"].as_str().unwrap());
    let told = bench.server.admin.get(&path);
    assert_eq!((&told.expect(200)["code"], &told.body["data"]["language"]), (&json!(code), &json!("javascript")));
    // What the code found there is not recorded, and so it is told.
    bench.save("kept", "javascript", "import { kv } from 'fusebox'; export default () => kv.get('k')?.text() ?? null;");
    let run = bench.fire("kept", json!({}));
    let (code, names, _) = bench.replay(&run, &["--kv", r#"{"k": "v"}"#]);
    assert_eq!((code, names[0].as_str()), (1, "output"));
}

/// The interpreter is the platform's: whoever may read a run can have what ran it.
#[test]
fn the_interpreter_of_another_language_comes_from_the_server_also_for_a_tenant() {
    let bench = Bench::over(TestServer::start());
    let server = &bench.server;
    server.admin.request("POST", "/module?name=interpreter.json").bytes(INTERPRETER).send().expect(201);
    let shared = server.upload("noop");
    let acme = server.client_for("acme", &["read", "write", "execute"]);
    let action = json!({ "name": "constant", "language": "json", "code": "{\"a\": [1]}" });
    let id = acme.post("/action", &action).expect(201)["id"].clone();
    acme.post("/event-type", &json!({ "display_name": "asked", "action": id })).expect(201);
    let fired = acme.request("POST", "/trigger/asked").header("prefer", "wait=60").json(&json!({})).send();
    let run = fired.expect(200)["runs"][0].clone();
    assert_eq!(run["output"], json!({ "a": [1] }), "{run:#}");
    let token =
        server.admin.post("/token", &json!({ "name": "reader", "owner_id": "acme", "rights": { "read": true } }));
    let token = token.expect(201)["token"].as_str().unwrap().to_owned();
    let (url, id) = (server.url(), run["id"].as_str().unwrap());
    let variables = [("FUSEBOX_URL", url.as_str()), ("FUSEBOX_TOKEN", token.as_str())];
    let ran = fusebox_with(bench.folder.path(), &variables, &["run", "replay", id, "--json"]);
    assert_eq!((ran.code, &ran.json()["differences"]), (0, &json!([])), "{ran:?}");
    // Other modules of the platform are not given away, and the interpreter that comes with Fusebox is.
    acme.get(&format!("/module/{shared}/content")).problem(403, "forbidden");
    let script = json!({ "name": "script", "language": "javascript", "code": "export default () => 1;" });
    let id = acme.post("/action", &script).expect(201)["id"].clone();
    acme.post("/event-type", &json!({ "display_name": "scripted", "action": id })).expect(201);
    let fired = acme.request("POST", "/trigger/scripted").header("prefer", "wait=60").json(&json!({})).send();
    let built_in: &Value = &fired.expect(200)["runs"][0]["module"];
    let content = acme.get(&format!("/module/{}/content", built_in.as_str().unwrap()));
    assert_eq!((content.status, &content.text.as_bytes()[..4]), (200, b"\0asm".as_slice()));
}
