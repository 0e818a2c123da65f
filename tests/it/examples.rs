//! The examples do what they say, also when they were just rebuilt (`FUSEBOX_COMPONENTS_DIR`).

use crate::support::TestServer;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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

/// Its samples with what each is expected to become.
pub(crate) fn samples(folder: &Path, description: &Value) -> Vec<(String, Value, Value)> {
    let first = json!({ "sample": description["sample"], "expect": description["expect"] });
    let more = description["samples"].as_array().cloned().unwrap_or_default();
    let all = std::iter::once(first).chain(more);
    all.map(|sample| {
        let file = sample["sample"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(folder.join(&file)).unwrap();
        (file, serde_json::from_str(&text).unwrap(), sample["expect"].clone())
    })
    .collect()
}

#[test]
fn every_example_ends_as_its_description_expects() {
    let server = TestServer::start();
    let all = examples();
    assert!(all.len() >= 4, "{all:?}");
    for (folder, description) in &all {
        let text = |name: &str| description[name].as_str().unwrap();
        let params = description["params"].as_object().unwrap();
        let parameters: Vec<Value> =
            params.iter().map(|(name, value)| json!({ "name": name, "type": "STATIC", "value": value })).collect();
        let digest = server.upload(text("module").trim_end_matches(".wasm"));
        let settings = json!({ "parameters": parameters, "retry": { "attempts": 2, "base_ms": 0 }, "limits": { "timeout_ms": 4_000 } });
        let action = server.action(text("name"), &digest, settings);
        server.event_type(text("trigger"), &action, json!({}));
        for (file, payload, expect) in samples(folder, description) {
            let body = json!({ "event_type": text("trigger"), "payload": payload, "object": description["object"] });
            let answer = server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send();
            let run = &answer.expect(200)["runs"][0];
            let what = format!("{} {file}", text("name"));
            assert_eq!((&run["state"], &run["reason"]), (&expect["state"], &expect["reason"]), "{what}: {run:#}");
            assert!(expect["code"].is_null() || run["code"] == expect["code"], "{what}: {run:#}");
            assert_eq!(run["attempts"].as_array().unwrap().len() == 2, expect["retried"] == true, "{what}");
            assert!(run["state"] != "SUCCESS" || !run["output"].is_null(), "{what} has no output");
        }
    }
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
