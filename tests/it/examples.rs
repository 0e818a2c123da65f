//! The examples do what they say, also when they were just rebuilt (`FUSEBOX_COMPONENTS_DIR`).

use crate::support::{Peer, TestServer, component, fusebox_with};
use fusebox::domain::{Clock as _, Timestamp};
use fusebox::server::SystemClock;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Every folder with an `action.json`, and what that says.
pub(crate) fn examples() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<(PathBuf, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| std::fs::read_to_string(path.join("action.json")).ok().map(|text| (path, text)))
        .map(|(path, text)| (path, serde_json::from_str(&text).unwrap()))
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Five minutes: what `soon` in a description is from now.
const SOON_MS: u64 = 5 * 60 * 1_000;

/// Its samples with what each is expected to become.
pub(crate) fn samples(folder: &Path, description: &Value) -> Vec<(String, Value, Value)> {
    let first = json!({ "sample": description["sample"], "expect": description["expect"] });
    let more = description["samples"].as_array().cloned().unwrap_or_default();
    let all = std::iter::once(first).chain(more);
    all.map(|sample| {
        let file = sample["sample"].as_str().unwrap().to_owned();
        let mut payload: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(&file)).unwrap()).unwrap();
        if let Some(pointer) = description["soon"].as_str() {
            let soon: Timestamp = SystemClock.now().plus_ms(SOON_MS);
            *payload.pointer_mut(pointer).unwrap() = soon.to_string().into();
        }
        (file, payload, sample["expect"].clone())
    })
    .collect()
}

/// What carries a whole language takes long to compile: one test at a time does it.
static COMPILING: Mutex<()> = Mutex::new(());

/// How each of them is set up and what it does: `examples/README.md` has the fields of a description.
#[test]
fn every_example_ends_as_its_description_expects() {
    let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let here = "private http://127.0.0.1:*".parse().unwrap();
    let server = TestServer::with(|config| config.hosts_of_wasm = vec![here]);
    let stub = Peer::saying("ok");
    let all = examples();
    assert!(all.len() >= 10, "{all:?}");
    for (folder, description) in &all {
        if !install(&server, &stub, (folder, description)) {
            continue;
        }
        for (file, payload, expect) in samples(folder, description) {
            let body =
                json!({ "event_type": description["trigger"], "payload": payload, "object": description["object"] });
            let answer = server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send();
            let run = &answer.expect(200)["runs"][0];
            let what = format!("{} {file}", description["name"]);
            assert_eq!((&run["state"], &run["reason"]), (&expect["state"], &expect["reason"]), "{what}: {run:#}");
            assert!(expect["code"].is_null() || run["code"] == expect["code"], "{what}: {run:#}");
            assert_eq!(run["attempts"].as_array().unwrap().len() == 2, expect["retried"] == true, "{what}");
            assert!(run["state"] != "SUCCESS" || !run["output"].is_null(), "{what} has no output");
        }
    }
    assert_eq!(stub.requests().len(), 1, "the channel was told");
}

/// The action of an example with the event types that it knows; not of one that has no component here.
fn install(server: &TestServer, stub: &Peer, (folder, description): (&Path, &Value)) -> bool {
    let text = |name: &str| description[name].as_str();
    let (name, trigger) = (text("name").unwrap(), text("trigger").unwrap());
    let mut params = description["params"].as_object().unwrap().clone();
    if let Some(param) = text("stub") {
        params.insert(param.to_owned(), stub.url("/").into());
    }
    let parameters: Vec<Value> =
        params.iter().map(|(name, value)| json!({ "name": name, "type": "STATIC", "value": value })).collect();
    let mut action = json!({
        "name": name, "parameters": parameters, "retry": { "attempts": 2, "base_ms": 0 }, "limits": { "timeout_ms": 4_000 },
        "allowed_hosts": ["http://127.0.0.1:*"],
    });
    if let Some(code) = text("code") {
        let language = if code.ends_with(".ts") { "typescript" } else { "javascript" };
        action["code"] = std::fs::read_to_string(folder.join(code)).unwrap().into();
        action["language"] = language.into();
    } else {
        let Some(bytes) = find_component(text("module").unwrap().trim_end_matches(".wasm")) else { return false };
        action["module"] = server.upload_bytes(bytes).into();
    }
    for emitted in description["emits"].as_array().into_iter().flatten() {
        server.admin.post("/event-type", &json!({ "display_name": emitted })).expect(201);
    }
    let input = match text("input") {
        Some(file) => serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap(),
        None => description["input"].clone(),
    };
    let is_attached = input.as_object().is_some_and(|input| !input.is_empty());
    if is_attached {
        server.admin.post("/event-type", &json!({ "display_name": trigger })).expect(201);
        action["trigger"] = trigger.into();
    }
    let id = server.admin.patient().post("/action", &action).expect(201)["id"].as_str().unwrap().to_owned();
    if is_attached {
        let mut attachment = description["object"].clone();
        attachment["input"] = input;
        server.admin.post(&format!("/action/{id}/object"), &attachment).expect(201);
    } else {
        server.event_type(trigger, &id, json!({}));
    }
    true
}

/// One that is checked in, or that its toolchain built here into `target/examples`.
fn find_component(name: &str) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if root.join("examples/components").join(format!("{name}.wasm")).exists() {
        return Some(component(name));
    }
    let built = std::fs::read(root.join("target/examples").join(format!("{name}.wasm"))).ok();
    if built.is_none() {
        let must = std::env::var_os("FUSEBOX_CONFORMANCE").is_some_and(|value| value == "all");
        assert!(!must, "the example `{name}` was not built");
        eprintln!("SKIPPED: the example `{name}` was not built; `cargo xtask newcomers` builds it");
    }
    built
}

/// What `examples/README.md` says of it, with what its toolchains built: too large to be in the program.
#[test]
fn the_rest_of_the_demo_is_applied_by_hand() {
    let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let components = ["booking_price", "order_score", "booking_notice"].map(find_component);
    let [Some(price), Some(score), Some(notice)] = components else { return };
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for file in
        ["demo-more/orders.yaml", "demo-more/prices.yaml", "booking-price/sample.json", "order-score/sample.json"]
    {
        std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        std::fs::copy(examples.join(file), folder.path().join(file)).unwrap();
    }
    std::fs::create_dir(folder.path().join("components")).unwrap();
    std::fs::write(folder.path().join("booking-price/booking-price.wasm"), price).unwrap();
    std::fs::write(folder.path().join("order-score/order-score.wasm"), score).unwrap();
    std::fs::write(folder.path().join("components/booking_notice.wasm"), notice).unwrap();
    let server = TestServer::start();
    let does = |line: &str| {
        let ran = fusebox_with(
            folder.path(),
            &[("FUSEBOX_URL", &server.url()), ("FUSEBOX_TOKEN", &server.token)],
            &line.split(' ').collect::<Vec<_>>(),
        );
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        ran.out
    };
    does("apply -f demo-more");
    let priced = does("fire booking_priced --object public.bookable/42 --payload booking-price/sample.json --wait 60");
    assert!(priced.contains("\"cents\": 9000"), "{priced}");
    let scored = does("fire order_placed --object shop/1 --payload order-score/sample.json --wait 60");
    assert!(scored.contains("\"decision\": \"review\"") && scored.contains("\"score\": 90"), "{scored}");
}

#[test]
fn the_limits_that_authors_read_are_the_limits_that_hold() {
    let readme = include_str!("../../guest-sdk/README.md");
    let row = |name: &str, value: String| {
        let found = readme.lines().any(|line| line.starts_with(&format!("| {name}")) && line.contains(&value));
        assert!(found, "guest-sdk/README.md does not say `{name}`: {value}");
    };
    let limits = fusebox::domain::LIMITS_WASM;
    assert_eq!(limits.fuel, 1_000_000_000);
    row("instructions", "1,000,000,000".to_owned());
    row("memory", format!("{} MiB", limits.memory_bytes >> 20));
    row("time", format!("{} s", limits.timeout_ms / 1_000));
    row("output", format!("{} MiB", limits.output_bytes >> 20));
    row("log", format!("{} KiB", limits.log_bytes >> 10));
    row("HTTP", format!("{} calls, {} MiB", limits.http_calls, limits.http_bytes >> 20));
}
