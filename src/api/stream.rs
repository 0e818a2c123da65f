//! State changes and logs as they happen: server-sent events.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::event::EventOut;
use super::extract::Query;
use super::run::{LogLineOut, RunOut};
use crate::dispatch::explain_wait;
use crate::domain::{EventId, RunId, TenantId};
use crate::store::{Notice, ReadError, Store, Subject, Watched};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use utoipa::IntoParams;

type Message = axum::response::sse::Event;

/// Notices read at once.
const BATCH_MAX: usize = 256;

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Watch {
    /// Only this event, its runs and their logs.
    #[param(value_type = Option<String>)]
    event: Option<EventId>,
    /// Only this run and its log.
    #[param(value_type = Option<String>)]
    run: Option<RunId>,
}

/// Watch state changes and logs live
///
/// Server-sent events: `event` and `run` carry the record as it is by now, `log` carries `{run, attempt, lines}`, `reset`
/// says that changes were missed and everything should be looked at anew. `Last-Event-ID` goes on where a broken
/// connection ended. Nothing is sent before it is on the disk.
#[utoipa::path(get, path = "/stream", tag = "history", params(Watch, ("last-event-id" = Option<String>, Header)), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn watch(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(watch): Query<Watch>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let slot = api.0.stream_slots.clone().try_acquire_owned().map_err(|error| match error {
        TryAcquireError::NoPermits => Problem::busy("too many streams are open; close one or try again later"),
        TryAcquireError::Closed => Problem::unavailable("the server is shutting down"),
    })?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::parse::<u64>);
    let from = match last {
        None => api.store().changes().next(),
        // What is no number of ours is answered with a reset.
        Some(last) => last.map_or(0, |last| last.saturating_add(1)),
    };
    let watcher = Watcher { api, scope: caller.scope().cloned(), watch, from, _slot: slot };
    let messages = stream::unfold(watcher, |mut watcher| async move {
        let messages = watcher.next().await?;
        Some((stream::iter(messages.into_iter().map(Ok)), watcher))
    });
    Ok(Sse::new(messages.flatten()).keep_alive(KeepAlive::default()))
}

struct Watcher {
    api: Api,
    scope: Option<TenantId>,
    watch: Watch,
    from: u64,
    _slot: OwnedSemaphorePermit,
}

impl Watcher {
    /// The messages of the next notices; `None` ends the stream.
    async fn next(&mut self) -> Option<Vec<Message>> {
        let first = self.from;
        match self.api.store().changes().since(first, BATCH_MAX).await {
            Watched::Ended => None,
            Watched::Missed { next } => {
                self.from = next;
                Some(vec![Message::default().event("reset").id(next.saturating_sub(1).to_string()).data("{}")])
            }
            Watched::Notices { notices, next } => {
                self.from = next;
                let (scope, watch) = (self.scope.clone(), self.watch.clone());
                let read = move |store: &Store| {
                    let numbered = (first..).zip(notices);
                    let seen =
                        numbered.filter(|(_, notice)| scope.as_ref().is_none_or(|scope| *scope == notice.tenant));
                    seen.filter_map(|(number, notice)| message(store, &watch, number, &notice).transpose()).collect()
                };
                // A record that cannot be read ends the stream; the reason is in the log.
                self.api.reading(read).await.ok()
            }
        }
    }
}

fn message(store: &Store, watch: &Watch, number: u64, notice: &Notice) -> Result<Option<Message>, ReadError> {
    let tenant = &notice.tenant;
    let (kind, data) = match notice.subject {
        Subject::Event(id, _) => {
            if watch.run.is_some() || watch.event.is_some_and(|event| event != id) {
                return Ok(None);
            }
            ("event", store.event(Some(tenant), id)?.and_then(|event| json(&EventOut::of(&event, None))))
        }
        Subject::Run(id, _) => {
            let mut run = store.run(Some(tenant), id)?.filter(|run| watch.wants(run.id, run.event_id));
            run.iter_mut().for_each(|run| explain_wait(&store.catalogue(), run));
            ("run", run.and_then(|run| json(&RunOut::of(&run))))
        }
        Subject::Log(id, attempt, first) => {
            if watch.run.is_some_and(|run| run != id) {
                return Ok(None);
            }
            let run = store.run(Some(tenant), id)?;
            if watch.event.is_some() && !run.is_some_and(|run| watch.wants(run.id, run.event_id)) {
                return Ok(None);
            }
            let lines = store.log_chunk(tenant, id, attempt, first)?;
            let lines: Vec<LogLineOut> = LogLineOut::chunk(attempt, first, lines).collect();
            ("log", json(&serde_json::json!({ "run": id, "attempt": attempt, "lines": lines })))
        }
    };
    Ok(data.map(|data| Message::default().event(kind).id(number.to_string()).data(data)))
}

fn json(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

impl Watch {
    fn wants(&self, run: RunId, event: EventId) -> bool {
        self.run.is_none_or(|wanted| wanted == run) && self.event.is_none_or(|wanted| wanted == event)
    }
}
