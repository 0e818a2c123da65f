use super::{Client, ManualClock, component};
use fusebox::dispatch::Load;
use fusebox::domain::{Clock, Timestamp};
use fusebox::server::{Config, Server, SystemClock};
use fusebox::store::Store;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything may take before a test gives it up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A whole server in this process with a data folder of its own, stopped and gone with this.
pub(crate) struct TestServer {
    /// Acts as the platform's admin.
    pub(crate) admin: Client,
    pub(crate) token: String,
    pub(crate) clock: Arc<ManualClock>,
    server: Option<Server>,
    runtime: Option<Runtime>,
    config: Config,
    time: Arc<dyn Clock>,
    folder: Option<TempDir>,
}

impl TestServer {
    /// With the clock of the machine.
    pub(crate) fn start() -> TestServer {
        TestServer::with(|_| {})
    }

    /// The same with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> TestServer {
        TestServer::launch(change, Arc::new(SystemClock), Arc::new(ManualClock::new()))
    }

    /// For as long as this process lives, with its data in a folder that is there afterwards.
    pub(crate) fn with_data(data: &Path) -> TestServer {
        let mut server = TestServer::with(|config| config.data = data.to_owned());
        server.folder = None;
        server
    }

    /// With a clock that stands still until [`TestServer::pass`].
    pub(crate) fn with_manual_clock() -> TestServer {
        TestServer::with_manual_clock_and(|_| {})
    }

    /// The same with other settings.
    pub(crate) fn with_manual_clock_and(change: impl FnOnce(&mut Config)) -> TestServer {
        let clock = Arc::new(ManualClock::new());
        TestServer::launch(change, Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>, clock)
    }

    fn launch(change: impl FnOnce(&mut Config), time: Arc<dyn Clock>, clock: Arc<ManualClock>) -> TestServer {
        let folder = tempfile::tempdir().unwrap();
        let compiler = env!("CARGO_BIN_EXE_fusebox").into();
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = Config {
            // Small pools: many servers run side by side here.
            concurrency: 8,
            concurrency_per_tenant: 8,
            cache_bytes: 8 << 20,
            // What still runs at the end of a test is of no use.
            grace: Duration::ZERO,
            ..Config::new(listen, folder.path().join("data"), compiler)
        };
        change(&mut config);
        let (runtime, server) = begin(&config, &time);
        let token = server.first_token().unwrap().to_owned();
        let admin = Client::new(format!("http://{}", server.address()), Some(token.clone()));
        let (server, runtime, folder) = (Some(server), Some(runtime), Some(folder));
        TestServer { admin, token, clock, server, runtime, config, time, folder }
    }

    /// Stops it and starts it again over the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let (runtime, server) = begin(&self.config, &self.time);
        assert_eq!(server.first_token(), None, "only the first start makes a token");
        self.admin = Client::new(format!("http://{}", server.address()), Some(self.token.clone()));
        (self.server, self.runtime) = (Some(server), Some(runtime));
    }

    pub(crate) fn stop(&mut self) {
        if let (Some(server), Some(runtime)) = (self.server.take(), self.runtime.take()) {
            runtime.block_on(server.stop());
            // With the runtime goes every handle to the store, so that it can be opened again.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().address())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.config.data
    }

    /// A folder for what a test makes beside the data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) fn store(&self) -> &Store {
        self.server.as_ref().unwrap().store()
    }

    /// How much there is to do.
    pub(crate) fn load(&self) -> Load {
        self.server.as_ref().unwrap().load()
    }

    /// The whole store as text.
    pub(crate) fn dump(&self) -> String {
        self.store().dump().unwrap()
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }

    /// Waits until everything that is old at this time is forgotten.
    #[track_caller]
    pub(crate) fn until_forgotten(&self, now: Timestamp) {
        let mut up_to = self.server.as_ref().unwrap().forgotten_up_to();
        let done = self.block_on(async {
            let is_done = up_to.wait_for(|up_to| *up_to == Some(now));
            tokio::time::timeout(super::PATIENCE, is_done).await.map(drop)
        });
        done.expect("it never came to this");
    }

    /// Lets time pass to one such as `2026-03-29T01:30:00Z`, and does what is due.
    pub(crate) fn pass_to(&self, time: &str) {
        self.pass_ms(self.clock.ms_until(time));
    }

    /// Lets time pass and does what is due.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.clock.advance_ms(ms);
        self.runtime.as_ref().unwrap().block_on(async { self.server.as_ref().unwrap().tick() });
    }

    /// A client with a new token: `rights` such as `["read", "execute"]`, for a tenant (empty: the platform).
    pub(crate) fn client_for(&self, tenant: &str, rights: &[&str]) -> Client {
        self.client_and_token_for(tenant, rights).0
    }

    /// The same, and the token.
    pub(crate) fn client_and_token_for(&self, tenant: &str, rights: &[&str]) -> (Client, String) {
        let rights: serde_json::Map<String, Value> =
            rights.iter().map(|right| ((*right).to_owned(), Value::Bool(true))).collect();
        let body = json!({ "name": format!("{tenant} token"), "owner_id": tenant, "rights": rights });
        let token = self.admin.post("/token", &body);
        let token = token.expect(201)["token"].as_str().unwrap().to_owned();
        (self.admin.with_token(&token), token)
    }

    /// Uploads a component that is checked in; its digest.
    pub(crate) fn upload(&self, name: &str) -> String {
        self.upload_bytes(component(name))
    }

    pub(crate) fn upload_bytes(&self, bytes: impl Into<Vec<u8>>) -> String {
        let answer = self.admin.patient().request("POST", "/module").bytes(bytes).send();
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        answer.body["data"]["digest"].as_str().unwrap().to_owned()
    }

    /// An action named like its module with `more` fields; its id.
    pub(crate) fn action(&self, name: &str, module: &str, more: Value) -> String {
        let mut body = json!({ "name": name, "module": module });
        merge(&mut body, more);
        self.admin.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// An event type linked to an action, with `more` fields; its id.
    pub(crate) fn event_type(&self, name: &str, action: &str, more: Value) -> String {
        let mut body = json!({ "display_name": name, "action": action });
        merge(&mut body, more);
        self.admin.post("/event-type", &body).expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Component, action and event type in one, the latter two of this name.
    pub(crate) fn install(&self, name: &str, module: &str, action: Value) -> String {
        let digest = self.upload(module);
        let id = self.action(name, &digest, action);
        self.event_type(name, &id, json!({}));
        id
    }

    /// Fires and gives the id of the event.
    #[track_caller]
    pub(crate) fn fire(&self, event_type: &str, payload: Value) -> String {
        let fired = self.admin.post("/event", &json!({ "event_type": event_type, "payload": payload }));
        fired.expect(202)["id"].as_str().unwrap().to_owned()
    }

    /// Fires, waits for the end, and gives the event with its runs.
    #[track_caller]
    pub(crate) fn fire_and_wait(&self, event_type: &str, payload: Value) -> Value {
        let request = self.admin.request("POST", "/event").header("prefer", "wait=60");
        request.json(&json!({ "event_type": event_type, "payload": payload })).send().expect(200).clone()
    }

    pub(crate) fn event(&self, id: &str) -> Value {
        self.admin.get(&format!("/event/{id}")).expect(200).clone()
    }

    /// Looks at an event after every change of the store until `done`.
    #[track_caller]
    pub(crate) fn until(&self, event: &str, done: impl Fn(&Value) -> bool) -> Value {
        self.until_at(&format!("/event/{event}"), done)
    }

    /// Looks at what is at a path after every change of the history until `done`.
    #[track_caller]
    pub(crate) fn until_at(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        self.watch(|| self.admin.get(path).expect(200).clone(), done)
    }

    /// The events of a chain with their runs, oldest first, as soon as there are so many and all have ended.
    #[track_caller]
    pub(crate) fn chain(&self, root: &Value, events: usize) -> Vec<Value> {
        let path = format!("/event?root_id={}&sort=created_at", root.as_str().unwrap());
        let look = || self.admin.pages(&path).into();
        let family = self.watch(look, |family: &Value| {
            let family = family.as_array().unwrap();
            family.len() >= events && family.iter().all(is_ended)
        });
        let family: Vec<Value> =
            family.as_array().unwrap().iter().map(|event| self.event(event["id"].as_str().unwrap())).collect();
        assert_eq!(family.len(), events, "{family:#?}");
        family
    }

    /// Looks after every change of the store until `done`.
    #[track_caller]
    fn watch(&self, look: impl Fn() -> Value, done: impl Fn(&Value) -> bool) -> Value {
        let changes = self.store().changes();
        let started = std::time::Instant::now();
        loop {
            let seen = changes.next();
            let now = look();
            if done(&now) {
                return now;
            }
            assert!(started.elapsed() < PATIENCE, "it never came to this: {now:#}");
            let runtime = self.runtime.as_ref().unwrap();
            let changed = runtime.block_on(async { tokio::time::timeout(PATIENCE, changes.since(seen, 1)).await });
            assert!(changed.is_ok(), "nothing changes any more: {now:#}");
        }
    }

    /// Looks at a list after every change of the store until it has `count` items.
    #[track_caller]
    pub(crate) fn until_listed(&self, path: &str, count: usize) -> Value {
        let changes = self.store().changes();
        loop {
            let seen = changes.next();
            let list = self.admin.get(path);
            if list.body["count"] == count {
                return list.expect(200).clone();
            }
            let runtime = self.runtime.as_ref().unwrap();
            let changed = runtime.block_on(async { tokio::time::timeout(PATIENCE, changes.since(seen, 1)).await });
            assert!(changed.is_ok(), "nothing changes any more: {}", list.text);
        }
    }

    /// A figure of the server's.
    pub(crate) fn gauge(&self, name: &str) -> u64 {
        let text = self.admin.get("/metrics").text;
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until no attempt runs. What has ended gives its permit back a moment after it can be seen to have ended.
    #[track_caller]
    pub(crate) fn until_idle(&self) {
        self.until_gauge("fusebox_attempts_running", 0);
    }

    /// Waits until a figure, which is no part of the store, is this.
    #[track_caller]
    pub(crate) fn until_gauge(&self, name: &str, value: u64) {
        let started = std::time::Instant::now();
        while self.gauge(name) != value {
            assert!(started.elapsed() < PATIENCE, "{name} is {} and never {value}", self.gauge(name));
            std::thread::yield_now();
        }
    }

    /// Looks at an event until its only run is in `state`.
    #[track_caller]
    pub(crate) fn until_run_is(&self, event: &str, state: &str) -> Value {
        self.until(event, |event| event["runs"][0]["state"] == state)["runs"][0].clone()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a failing test left half done is not waited for.
            self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
        } else {
            self.stop();
        }
    }
}

fn begin(config: &Config, time: &Arc<dyn Clock>) -> (Runtime, Server) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(config.clone(), Arc::clone(time))).unwrap();
    (runtime, server)
}

fn merge(body: &mut Value, more: Value) {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}

/// Whether an event or run is in a terminal state.
pub(crate) fn is_ended(thing: &Value) -> bool {
    !matches!(thing["state"].as_str(), Some("QUEUED" | "WAITING" | "RUNNING"))
}
