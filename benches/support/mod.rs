//! What the benches share: a server of their own, a load on it, and figures.

#![allow(dead_code, reason = "each bench uses a part")]

pub(crate) mod load;

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

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }
}

pub(crate) fn json(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
