//! State changes and logs as they happen: server-sent events.

use super::Api;
use super::auth::{Caller, Read};
use super::cloudevent::{About, Format};
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
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use utoipa::IntoParams;

type Message = axum::response::sse::Event;

/// Notices read at once.
const BATCH_MAX: usize = 256;

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Watch {
    /// Only this event, its runs and their logs.
    #[param(value_type = Option<String>)]
    event: Option<EventId>,
    /// Only this run and its log.
    #[param(value_type = Option<String>)]
    run: Option<RunId>,
    /// `record` (the default) or `cloudevents`: each message is a CloudEvent 1.0 then, with the record as its `data`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Format,
}

/// Watch state changes and logs live
///
/// Server-sent events: `event` and `run` carry the record as it is by now, `log` carries `{run, attempt, lines}`, `reset`
/// says that changes were missed and everything should be looked at anew. `Last-Event-ID` goes on where a broken
/// connection ended. Nothing is sent before it is on the disk.
///
/// With `format=cloudevents` each message is a CloudEvent 1.0: `type` says what happened (`fusebox.event.queued`,
/// `fusebox.run.success`, `fusebox.log`, `fusebox.reset`), `source` is the path of the event, `subject` the event's object or the
/// run's id, `id` the same as that of the message, and `data` what the message would carry otherwise: the record as it is by
/// now. `POST /event` takes it.
#[utoipa::path(get, path = "/stream", tag = "history", params(Watch, ("last-event-id" = Option<String>, Header)), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn watch(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(watch): Query<Watch>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let slot = slot(&api)?;
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

fn slot(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    api.0.stream_slots.clone().try_acquire_owned().map_err(|error| match error {
        TryAcquireError::NoPermits => Problem::busy("too many streams are open; close one or try again later"),
        TryAcquireError::Closed => Problem::unavailable("the server is shutting down"),
    })
}

/// Says that something changed of what `watch` would tell, without telling what: at most every `pause`, however much does.
pub(crate) fn ticks(
    caller: &Caller<Read>,
    api: Api,
    watch: Watch,
    pause: Duration,
) -> Result<impl Stream<Item = ()> + use<>, Problem> {
    let slot = slot(&api)?;
    let from = api.store().changes().next();
    let watcher = Watcher { api, scope: caller.scope().cloned(), watch, from, _slot: slot };
    Ok(stream::unfold((watcher, Duration::ZERO), move |(mut watcher, waits)| async move {
        tokio::time::sleep(waits).await;
        while !watcher.changed().await? {}
        Some(((), (watcher, pause)))
    }))
}

struct Watcher {
    api: Api,
    scope: Option<TenantId>,
    watch: Watch,
    from: u64,
    _slot: OwnedSemaphorePermit,
}

impl Watcher {
    /// Waits for notices, and says whether one of them is of interest; `None` ends the stream.
    async fn changed(&mut self) -> Option<bool> {
        match self.api.store().changes().since(self.from, usize::MAX).await {
            Watched::Ended => None,
            Watched::Missed { next } => {
                self.from = next;
                Some(true)
            }
            Watched::Notices { notices, next } => {
                self.from = next;
                let (scope, watch) = (self.scope.clone(), self.watch.clone());
                let interests = move |store: &Store| {
                    for notice in notices.iter().filter(|notice| scope.as_ref().is_none_or(|s| *s == notice.tenant)) {
                        if watch.is_about(store, notice)? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                };
                self.api.reading(interests).await.ok()
            }
        }
    }

    /// The messages of the next notices; `None` ends the stream.
    async fn next(&mut self) -> Option<Vec<Message>> {
        let first = self.from;
        match self.api.store().changes().since(first, BATCH_MAX).await {
            Watched::Ended => None,
            Watched::Missed { next } => {
                self.from = next;
                let nothing = serde_json::Map::new();
                let number = next.saturating_sub(1);
                Some(told(self.watch.format, ("reset", number), &About::reset(), &nothing).into_iter().collect())
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
    let (tenant, format) = (&notice.tenant, watch.format);
    match notice.subject {
        Subject::Event(id, state) => {
            if watch.run.is_some() || watch.event.is_some_and(|event| event != id) {
                return Ok(None);
            }
            let Some(event) = store.event(Some(tenant), id)? else { return Ok(None) };
            Ok(told(format, ("event", number), &About::event(&event, state), &EventOut::of(&event, None)))
        }
        Subject::Run(id, state) => {
            let Some(mut run) = store.run(Some(tenant), id)?.filter(|run| watch.wants(run.id, run.event_id)) else {
                return Ok(None);
            };
            explain_wait(&store.catalogue(), &mut run);
            Ok(told(format, ("run", number), &About::run(&run, state), &RunOut::of(&run)))
        }
        Subject::Log(id, attempt, first) => {
            if watch.run.is_some_and(|run| run != id) {
                return Ok(None);
            }
            let Some(run) = store.run(Some(tenant), id)?.filter(|run| watch.wants(run.id, run.event_id)) else {
                return Ok(None);
            };
            let lines = store.log_chunk(tenant, id, attempt, first)?;
            let about = About::log(&run, lines.first().map(|line| line.at));
            let lines: Vec<LogLineOut> = LogLineOut::chunk(attempt, first, lines).collect();
            let log = serde_json::json!({ "run": id, "attempt": attempt, "lines": lines });
            Ok(told(format, ("log", number), &about, &log))
        }
    }
}

/// A message of a kind, with its number.
fn told(format: Format, (kind, number): (&str, u64), about: &About, data: &impl Serialize) -> Option<Message> {
    let id = number.to_string();
    let data = format.data(&id, about, data)?;
    Some(Message::default().event(kind).id(id).data(data))
}

impl Watch {
    /// Whether anything would be told of a notice.
    fn is_about(&self, store: &Store, notice: &Notice) -> Result<bool, ReadError> {
        let run = match notice.subject {
            Subject::Event(id, _) => return Ok(self.run.is_none() && self.event.is_none_or(|event| event == id)),
            Subject::Run(id, _) | Subject::Log(id, ..) => id,
        };
        match (self.run, self.event) {
            (Some(wanted), _) if wanted != run => Ok(false),
            (None, None) => Ok(true),
            _ => Ok(store.run(Some(&notice.tenant), run)?.is_some_and(|found| self.wants(found.id, found.event_id))),
        }
    }

    fn wants(&self, run: RunId, event: EventId) -> bool {
        self.run.is_none_or(|wanted| wanted == run) && self.event.is_none_or(|wanted| wanted == event)
    }
}
