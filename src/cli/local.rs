//! A guest's host on this machine: what it logs is shown or kept, its values are in memory, its events are noted.

use super::output;
use super::source::Executable;
use crate::domain::{
    Clock, Context as ActionContext, Effects, Emitted, HttpCall, KvEntry, KvKept, KvScope, KvSize, KvWrite, LogLine,
    Reach, Timestamp,
};
use crate::sandbox::{self, Answer, Answering, Attempted, EmitRefusal, HostServices, Invocation, Peers, Sandbox};
use crate::server::SystemClock;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What becomes of the lines that a guest logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// They are printed as they come.
    Shown,
    Kept,
}

pub(super) struct Host {
    lines: Lines,
    kept: Mutex<Vec<LogLine>>,
    values: BTreeMap<(KvScope, String), KvEntry>,
    versions: AtomicU64,
    /// Where time stands; without it that of this machine.
    now: Option<Timestamp>,
    /// Where its requests may go: nowhere, unless somebody says otherwise.
    pub(super) reach: Reach,
    /// Who answers them.
    pub(super) answering: Answering,
    calls: Mutex<Vec<HttpCall>>,
}

impl Host {
    /// `values` are texts by their keys, those of the action.
    pub(super) fn new(lines: Lines, now: Option<Timestamp>, values: Value) -> Result<Host> {
        let Value::Object(values) = values else { bail!("--kv takes an object of keys with texts") };
        let versions = AtomicU64::new(1);
        let written_at = now.unwrap_or_else(|| SystemClock.now());
        let entry = |(key, value): (String, Value)| {
            let Value::String(text) = value else { bail!("--kv: the value of `{key}` is not a text") };
            let version = versions.fetch_add(1, Ordering::Relaxed);
            let entry = KvEntry { value: text.into_bytes(), version, written_at, expires_at: None };
            Ok(((KvScope::Action, key), entry))
        };
        let values = values.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Host {
            lines,
            kept: Mutex::default(),
            values,
            versions,
            now,
            reach: Reach::default(),
            answering: Answering::default(),
            calls: Mutex::default(),
        })
    }

    /// The attempt begins when everything is compiled: its time is not to be used up by then. A time that stands is its own.
    fn begin(&self, context: ActionContext) -> ActionContext {
        match self.now {
            Some(_) => context,
            None => {
                let now = self.now();
                ActionContext { now, event_time: now, ..context }
            }
        }
    }

    /// What was logged and not shown.
    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was sent by HTTP.
    pub(super) fn calls(&self) -> Vec<HttpCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The values as they are after `effects`.
    fn values_after(&self, effects: Option<&Effects>) -> BTreeMap<(KvScope, String), KvEntry> {
        let mut values = self.values.clone();
        for (place, KvWrite { entry, .. }) in effects.iter().flat_map(|effects| &effects.writes) {
            match entry {
                Some(entry) => drop(values.insert(place.clone(), entry.clone())),
                None => drop(values.remove(place)),
            }
        }
        values
    }
}

impl HostServices for Host {
    fn log(&self, line: LogLine) {
        if self.lines == Lines::Kept {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        } else if let Ok(line) = serde_json::to_value(&line) {
            let mut shown = line.clone();
            shown["fields"] = fields(&line);
            output::log_line(&shown);
        }
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(|| SystemClock.now())
    }

    fn reach(&self) -> Reach {
        self.reach.clone()
    }

    fn http_call(&self, call: HttpCall) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn find_value<'a>(&'a self, scope: KvScope, key: &'a str) -> Answer<'a, Option<KvEntry>> {
        Box::pin(ready(Ok(self.values.get(&(scope, key.to_owned())).cloned())))
    }

    fn list_keys<'a>(
        &'a self,
        scope: KvScope,
        (prefix, after): (&'a str, Option<&'a str>),
        limit: usize,
    ) -> Answer<'a, Vec<String>> {
        let keys = self.values.keys().filter(|(of, _)| *of == scope).map(|(_, key)| key);
        let meant = keys.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Box::pin(ready(Ok(meant.take(limit).cloned().collect())))
    }

    fn kept(&self) -> Answer<'_, KvKept> {
        let bytes = self.values.iter().map(|((_, key), entry)| (key.len() + entry.value.len()) as u64).sum();
        let action = KvSize { entries: self.values.len() as u64, bytes };
        Box::pin(ready(Ok(KvKept { action, ..KvKept::default() })))
    }

    fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::Relaxed)
    }

    /// There is no server that could have the event type or not.
    fn check_emitted(&self, _: &Emitted) -> Result<(), EmitRefusal> {
        Ok(())
    }
}

/// Pairs of name and value as an object.
pub(super) fn fields(line: &Value) -> Value {
    let pairs = line["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    Value::Object(pairs.iter().filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].clone()))).collect())
}

/// Compiles what is to run and runs it once.
pub(super) fn attempt(what: Executable, context: ActionContext, host: &Arc<Host>) -> Result<Attempted> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let attempted = runtime.block_on(attempt_here(what, context, Arc::clone(host)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    attempted
}

async fn attempt_here(what: Executable, context: ActionContext, host: Arc<Host>) -> Result<Attempted> {
    // Compiled artifacts are of no use after this; the folder goes with the handle.
    let folder = tempfile::tempdir().context("no folder for the compiled component")?;
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow!("the machine gives no random bytes: {error}"))?;
    let compiler = std::env::current_exe().context("the path of this program cannot be found")?;
    let config = sandbox::Config::new(folder.path().to_owned(), key, compiler);
    let peers = Peers { answering: host.answering.clone(), ..Peers::default() };
    let sandbox = Sandbox::start(sandbox::Config { concurrency: 1, peers, ..config })?;
    let progress = if host.lines == Lines::Kept { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    progress.set_message("validating and compiling");
    progress.enable_steady_tick(Duration::from_millis(100));
    let prepared = what.prepare(&sandbox).await;
    progress.finish_and_clear();
    let prepared = prepared?;
    let context = host.begin(context);
    Ok(sandbox.invoke(&prepared, Invocation { context, host }).await)
}

/// What it wants kept and fired, as JSON: the values as they are then, and the events in their order.
pub(super) fn wanted(host: &Host, effects: Option<&Effects>) -> (Value, Value) {
    let mut values = Map::new();
    for ((scope, key), entry) in host.values_after(effects) {
        let scope = if scope == KvScope::Attachment { "attachment" } else { "action" };
        let text = String::from_utf8(entry.value);
        let value =
            text.map_or_else(|bytes| json!({ "base64": data_encoding::BASE64.encode(bytes.as_bytes()) }), Value::from);
        let of_scope = values.entry(scope).or_insert_with(|| json!({}));
        of_scope[key] = value;
    }
    let events = effects.iter().flat_map(|effects| &effects.events);
    let events = events.map(|Emitted { event_type, payload, object }| {
        json!({ "event_type": event_type.as_str(), "payload": payload, "object": object })
    });
    (values.into(), events.collect())
}
