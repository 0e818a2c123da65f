//! Running again what has ended: one event, one run, or everything that a filter finds.

use super::Api;
use super::auth::{Caller, Execute};
use super::error::{Fault, Problem};
use super::event::EventOut;
use super::event_filter::{EventFilter, Misfit, Wanted, state_named};
use super::extract::{self, Body, Path};
use super::page::{self, Data, decode_cursor, encode_cursor};
use super::run;
use crate::dispatch::{Fired, Replay, Replaying};
use crate::domain::{Deed, Event, EventId, Json, Noted, State as EventState, TenantId};
use crate::store::Query;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use utoipa::ToSchema;

/// Events replayed by one request at most; the next goes on.
const REPLAYED_MAX: usize = 1_000;
/// Events in memory at once: each may have a payload of the largest size.
const PAGE: usize = 50;
/// Events that a preview counts at most.
const COUNTED_MAX: usize = 100_000;
/// Pages of the history that a preview looks through at most.
const LOOKS_MAX: usize = 50;
/// Events that a preview shows.
const SAMPLE: usize = 5;

/// How to replay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayIn {
    /// Instead of the payload that the event had.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Json>,
}

/// Which events to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayManyIn {
    /// Those of `GET /event`, but for `sort`, `limit` and `cursor`. Only what has ended is replayed.
    filter: EventFilter,
    /// Only say which it would be.
    #[serde(default)]
    preview: bool,
    /// At most this many, 1 to 1000. Default 1000.
    limit: Option<usize>,
    /// `next` of the answer before: goes on behind what that replayed.
    cursor: Option<String>,
}

/// What was replayed, or would be.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ReplayManyOut {
    /// Events that were replayed; of a preview, that would be.
    pub(crate) count: usize,
    /// Of a preview: there are more than it counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<bool>,
    /// Of a preview: the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Vec<EventOut>>,
    /// The new events, in the order of the old ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<Vec<ReplayedOut>>,
    /// Those that could not be replayed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Vec<RefusedOut>>,
    /// The `cursor` to go on with; absent when all were replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: EventId,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) replay_of: EventId,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) replay_of: EventId,
    /// As of a single replay.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// Replay an event
///
/// Fires a new event like it, planned by today's catalogue. Nothing is compared with what is in flight, and no source
/// type is asked. 409 while it has not ended, and when its event type is gone. The body may be left out.
#[utoipa::path(post, path = "/event/{id}/replay", tag = "events", params(("id" = String, Path)), request_body = ReplayIn, responses((status = 202, body = page::Envelope<EventOut>)))]
pub(crate) async fn replay_event(
    caller: Caller<Execute>,
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Data<EventOut>, Problem> {
    let how = how(&api, request).await?;
    again(&api, &caller, id, how).await
}

/// Fires an event like the one with this id.
pub(crate) async fn again(
    api: &Api,
    caller: &Caller<Execute>,
    id: String,
    how: ReplayIn,
) -> Result<Data<EventOut>, Problem> {
    let missing = || Problem::not_found("event", &id);
    let (event_id, scope): (EventId, _) = (id.parse().map_err(|_| missing())?, caller.scope().cloned());
    let event = api.reading(move |store| store.event(scope.as_ref(), event_id)).await?.ok_or_else(missing)?;
    let subject = ("event", id, event.event_type.clone());
    let replay = Replay { event, run: None, payload: how.payload, created_by: caller.name().to_owned() };
    replay_one(api, caller, replay, subject).await
}

/// Replay a run
///
/// Fires a new event like that of the run, in which only the same action runs through the same attachment, by today's
/// catalogue. 409 while the run has not ended, and when that action is not bound to such events any more.
#[utoipa::path(post, path = "/run/{id}/replay", tag = "history", params(("id" = String, Path)), request_body = ReplayIn, responses((status = 202, body = page::Envelope<EventOut>)))]
pub(crate) async fn replay_run(
    caller: Caller<Execute>,
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Data<EventOut>, Problem> {
    let how = how(&api, request).await?;
    run_again(&api, &caller, id, how).await
}

/// Fires an event in which only the run with this id runs again.
pub(crate) async fn run_again(
    api: &Api,
    caller: &Caller<Execute>,
    id: String,
    how: ReplayIn,
) -> Result<Data<EventOut>, Problem> {
    let run = run::find(api, caller.scope(), &id).await?;
    let (owner, event_id) = (run.owner_id.clone(), run.event_id);
    let event = api.reading(move |store| store.event(Some(&owner), event_id)).await?;
    let event = event.ok_or_else(|| Problem::not_found("run", &id))?;
    let subject = ("run", id, run.action.clone());
    let replay = Replay { event, run: Some(run), payload: how.payload, created_by: caller.name().to_owned() };
    replay_one(api, caller, replay, subject).await
}

async fn how(api: &Api, request: Request) -> Result<ReplayIn, Problem> {
    let body = extract::read(request.into_body(), "the body", api.bounds().body_bytes).await?;
    if body.is_empty() { Ok(ReplayIn::default()) } else { extract::parse(&body) }
}

async fn replay_one(
    api: &Api,
    caller: &Caller<Execute>,
    replay: Replay,
    (kind, id, subject): (&'static str, String, String),
) -> Result<Data<EventOut>, Problem> {
    let owner_id = replay.event.owner_id.clone();
    let Fired { event, .. } = api.dispatch().replay(replay)?.done().await?;
    let note = format!("as the event {}", event.id);
    api.note(caller, Noted { owner_id, subject, note, ..Noted::of(Deed::Replayed, kind, &id) }).await?;
    Ok(Data::accepted(EventOut::of(&event, None)))
}

/// Replay events by filter
///
/// The oldest first, each as one would be replayed alone. With `preview` nothing runs: it counts them and shows the first.
/// What this very request fires, and what is fired meanwhile, is not found by the filter.
#[utoipa::path(post, path = "/event/replay", tag = "events", request_body = ReplayManyIn, responses((status = 200, body = page::Envelope<ReplayManyOut>)))]
pub(crate) async fn replay_many(
    caller: Caller<Execute>,
    State(api): State<Api>,
    Body(body): Body<ReplayManyIn>,
) -> Result<Data<ReplayManyOut>, Problem> {
    let limit = body.limit.unwrap_or(REPLAYED_MAX);
    if !(1..=REPLAYED_MAX).contains(&limit) {
        return Err(Problem::invalid(vec![Fault::new("/limit", format!("a limit is 1 to {REPLAYED_MAX}"))]));
    }
    let (state, wanted) = body.wanted(&api, &caller)?;
    // What comes later than the first request is not part of it, however many requests follow.
    let (after, before) = match body.cursor.as_deref() {
        None => (None, EventId::new(api.ids(), api.now())),
        Some(cursor) => decode_cursor::<(EventId, EventId)>(cursor).map(|(after, before)| (Some(after), before))?,
    };
    let many = Many { tenant: caller.scope().cloned(), state, wanted: wanted.before(before) };
    if body.preview {
        return preview(&api, many, after).await.map(Data::ok);
    }
    let (mut out, last) = replay_page(&api, &many, after, (limit, caller.name())).await?;
    out.next = last.map(|last| encode_cursor(&(last, before)));
    if out.count > 0 {
        let owner_id = caller.tenant().clone();
        let note = format!("{} events by filter", out.count);
        api.note(&caller, Noted { owner_id, note, ..Noted::of(Deed::Replayed, "event", "") }).await?;
    }
    Ok(Data::ok(out))
}

impl ReplayManyIn {
    fn wanted(&self, api: &Api, caller: &Caller<Execute>) -> Result<(Option<EventState>, Wanted), Problem> {
        let paging = [
            ("sort", self.filter.sort.is_some()),
            ("limit", self.filter.limit.is_some()),
            ("cursor", self.filter.cursor.is_some()),
        ];
        let faults = paging.iter().filter(|(_, given)| *given);
        let faults: Vec<Fault> =
            faults.map(|(name, _)| Fault::new(format!("/filter/{name}"), "not for a replay")).collect();
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let misfit = |Misfit { field, message, .. }: Misfit| {
            Problem::invalid(vec![Fault::new(format!("/filter/{field}"), message)])
        };
        let state = self.filter.state.as_deref().map(state_named).transpose().map_err(misfit)?;
        if let Some(state) = state.filter(|state| !state.is_terminal()) {
            let message = format!("{state} is no end: only what has ended is replayed");
            return Err(Problem::invalid(vec![Fault::new("/filter/state", message)]));
        }
        let wanted = self.filter.clone().wanted(api, caller).map_err(misfit)?;
        if let Some(name) = wanted.former_name() {
            let message = format!("there is no event type `{name}`: nothing of it can be replayed");
            return Err(Problem::invalid(vec![Fault::new("/filter/event_type", message)]));
        }
        Ok((state, wanted))
    }
}

/// The events to replay.
#[derive(Clone)]
struct Many {
    tenant: Option<TenantId>,
    state: Option<EventState>,
    wanted: Wanted,
}

impl Many {
    fn query(&self, after: Option<EventId>, limit: usize) -> Query {
        let (tenant, after) = (self.tenant.clone(), after.map(|id| *id.as_bytes()));
        Query { tenant, state: self.state, after, oldest_first: true, between: (None, None), limit }
    }
}

async fn preview(api: &Api, many: Many, after: Option<EventId>) -> Result<ReplayManyOut, Problem> {
    api.reading(move |store| {
        let (mut sample, mut after) = (Vec::new(), after);
        let (count, mut looks) = (Cell::new(0), 0);
        let more = loop {
            // Beyond the sample nothing is kept: payloads may be large.
            let room = SAMPLE.saturating_sub(sample.len());
            let kept = Cell::new(0);
            let counted = |event: &Event| {
                if !event.state.is_terminal() {
                    return false;
                }
                count.set(count.get() + 1);
                kept.set(kept.get() + 1);
                kept.get() <= room
            };
            let page = many.wanted.page(store, many.query(after, SAMPLE + 1), counted)?;
            sample.extend(page.items.iter().map(|event| EventOut::of(event, None)));
            looks += 1;
            match page.next {
                None => break false,
                Some(next) if count.get() < COUNTED_MAX && looks < LOOKS_MAX => after = Some(EventId::from_bytes(next)),
                Some(_) => break true,
            }
        };
        Ok(ReplayManyOut { count: count.get(), more: Some(more), sample: Some(sample), ..ReplayManyOut::default() })
    })
    .await
}

/// Replays up to `limit` events, and says behind which to go on if there may be more.
async fn replay_page(
    api: &Api,
    many: &Many,
    mut after: Option<EventId>,
    (limit, by): (usize, &str),
) -> Result<(ReplayManyOut, Option<EventId>), Problem> {
    let (mut events, mut refused) = (Vec::new(), Vec::new());
    let next = 'pages: loop {
        let left = limit - events.len() - refused.len();
        if left == 0 {
            break after;
        }
        let (asked, query) = (many.clone(), many.query(after, left.min(PAGE)));
        let page = api.reading(move |store| asked.wanted.page(store, query, |event| event.state.is_terminal())).await?;
        let mut replaying = Vec::with_capacity(page.items.len());
        let mut stopped = None;
        for event in page.items {
            let of = event.id;
            match api.dispatch().replay(Replay { event, run: None, payload: None, created_by: by.to_owned() }) {
                Ok(accepted) => replaying.push((of, accepted)),
                // What is true of this moment is no reason to pass an event over.
                Err(error) if error.is_of_the_moment() => {
                    stopped = Some(error);
                    break;
                }
                Err(error) => {
                    let (code, detail) = Problem::from(error).told();
                    refused.push(RefusedOut { replay_of: of, code, detail });
                }
            }
            after = Some(of);
        }
        commit(replaying, &mut events).await?;
        match stopped {
            Some(error) if events.is_empty() && refused.is_empty() => return Err(error.into()),
            Some(_) => break 'pages after,
            None => match page.next {
                None => break None,
                Some(next) => after = Some(EventId::from_bytes(next)),
            },
        }
    };
    let out = ReplayManyOut { count: events.len(), ..ReplayManyOut::default() };
    Ok((ReplayManyOut { events: Some(events), refused: Some(refused), ..out }, next))
}

/// They were accepted one after the other; most share a commit.
async fn commit(replaying: Vec<(EventId, Replaying)>, events: &mut Vec<ReplayedOut>) -> Result<(), Problem> {
    for (replay_of, accepted) in replaying {
        let Fired { event, .. } = accepted.done().await?;
        events.push(ReplayedOut { id: event.id, replay_of });
    }
    Ok(())
}
