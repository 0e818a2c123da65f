//! What the benches share: a server of their own, a load on it, and figures.

#![allow(dead_code, reason = "each bench uses a part")]

pub(crate) mod catalogue;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod stub;

use fusebox::server::{Config, Server, SystemClock};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) const NOOP: &[u8] = include_bytes!("../../tests/guests/components/noop.wasm");

/// A server with a runtime of its own, as in the program.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
    pub(crate) token: String,
}

impl Bench {
    pub(crate) fn start(data: &Path) -> Bench {
        Bench::with(data, |_| {})
    }

    pub(crate) fn with(data: &Path, change: impl FnOnce(&mut Config)) -> Bench {
        let compiler = env!("CARGO_BIN_EXE_fusebox").into();
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), data.to_owned(), compiler);
        change(&mut config);
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(config, Arc::new(SystemClock))).unwrap();
        let token = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
        Bench { runtime, server, token }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Sends JSON and gives the `data` of the answer.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> serde_json::Value {
        self.post_as(&self.token, path, body)
    }

    pub(crate) fn post_as(&self, token: &str, path: &str, body: &[u8]) -> serde_json::Value {
        let request = ureq::post(self.url(path)).header("authorization", format!("Bearer {token}"));
        let mut answer: serde_json::Value = request.send(body).unwrap().body_mut().read_json().unwrap();
        answer["data"].take()
    }

    /// An event type `name` with an action that runs `component`.
    pub(crate) fn install(&self, name: &str, component: &[u8]) {
        let module = self.post("/module", component)["digest"].clone();
        let action = self.post("/action", json(&serde_json::json!({ "name": name, "module": module })).as_slice());
        let event_type = serde_json::json!({ "display_name": name, "action": action["id"] });
        self.post("/event-type", &json(&event_type));
    }

    /// Fires and waits; gives the run, which succeeded.
    pub(crate) fn fire(&self, event_type: &str, payload: &serde_json::Value) -> serde_json::Value {
        let run = self.fired(event_type, payload);
        assert!(["SUCCESS", "WARNING"].contains(&run["state"].as_str().unwrap_or("")), "{event_type}: {run:#}");
        run
    }

    /// The same of a run that may have failed.
    pub(crate) fn fired(&self, event_type: &str, payload: &serde_json::Value) -> serde_json::Value {
        let body = json(&serde_json::json!({ "event_type": event_type, "payload": payload }));
        let request = ureq::post(self.url("/event")).header("authorization", format!("Bearer {}", self.token));
        let mut answer = request.header("prefer", "wait=60").send(body.as_slice()).unwrap();
        let mut answer: serde_json::Value = answer.body_mut().read_json().unwrap();
        answer["data"]["runs"][0].take()
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }
}

pub(crate) fn json(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

/// What the one attempt of a run took, from instantiating to tearing down, in microseconds.
pub(crate) fn wall_us(run: &serde_json::Value) -> f64 {
    run["attempts"][0]["usage"]["wall_ms"]["used"].as_f64().unwrap() * 1000.0
}

/// Whether only to see that the bench works: `-- --quick`.
pub(crate) fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
