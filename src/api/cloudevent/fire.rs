//! Firing what CloudEvents say.

use super::{CloudEvent, Wishes, batch, structured};
use crate::api::Api;
use crate::api::error::{Problem, ProblemOut};
use crate::api::event::EventOut;
use crate::api::fire::{answer, sameness};
use crate::api::firing::Firing;
use crate::api::page::Several;
use crate::dispatch::{Fire, Fired};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Fires one, and answers as for any other event.
pub(in crate::api) async fn fire_one(
    api: &Api,
    firing: &Firing,
    (headers, dry_run): (&HeaderMap, bool),
    event: CloudEvent,
) -> Result<Response, Problem> {
    check_no_key(headers)?;
    answer(api, firing, (headers, dry_run), event.fire(firing)?).await
}

/// Fires each event for itself: one that is refused does not keep the others out.
pub(in crate::api) async fn fire_batch(
    api: &Api,
    firing: &Firing,
    (headers, dry_run): (&HeaderMap, bool),
    body: &[u8],
) -> Result<Response, Problem> {
    check_no_key(headers)?;
    if dry_run {
        return Err(Problem::bad_request("dry_run: ask for one event of a batch at a time"));
    }
    let read = |(place, text): (usize, crate::domain::Json)| -> Result<Fire, Problem> {
        structured(text.as_str().as_bytes(), &format!("/{place}"), api.now())?.fire(firing)
    };
    let mut fires = Vec::new();
    let mut places: Vec<Result<(), Problem>> = Vec::new();
    for fire in batch(body)?.into_iter().enumerate().map(read) {
        places.push(fire.map(|fire| fires.push(fire)));
    }
    let mut fired = api.dispatch().fire_all(fires).await.into_iter();
    let mut items = Vec::with_capacity(places.len());
    for place in places {
        let answer = match place {
            Err(problem) => Err(problem),
            Ok(()) => match fired.next() {
                Some(Ok(fired)) => Ok(fired),
                Some(Err(error)) => Err(firing.refused(api, error).await),
                // There is one for each; a bug is told as what it is.
                None => Err(Problem::internal(&std::io::Error::other("an event of a batch was forgotten"))),
            },
        };
        items.push(BatchedOut::of(answer));
    }
    let all_accepted = items.iter().all(|item| item.status == StatusCode::ACCEPTED.as_u16());
    let status = if all_accepted { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok(Several { status, items }.into_response())
}

/// Its source and id say which event a CloudEvent is; a second word for that could only contradict.
fn check_no_key(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key("idempotency-key") {
        let detail = "Idempotency-Key: a CloudEvent is accepted once by its source and id; leave the key out";
        return Err(Problem::bad_request(detail));
    }
    Ok(())
}

impl CloudEvent {
    fn fire(self, firing: &Firing) -> Result<Fire, Problem> {
        let CloudEvent { event_type, payload, wishes, once, attributes } = self;
        let Wishes { object, flow, dedup_key, run_at, owner_id } = wishes;
        let fire = firing.fire(event_type, payload, owner_id)?;
        let (sameness, once, cloudevent) = (Some(sameness(dedup_key)), Some(once), Some(attributes));
        Ok(Fire { object, flow, sameness, once, run_at, cloudevent, ..fire })
    }
}

/// What became of one event of a batch.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct BatchedOut {
    /// 202 when it was accepted, else that of the problem.
    status: u16,
    /// Whether it was accepted before, by its source and id.
    replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemOut>,
}

impl BatchedOut {
    fn of(answer: Result<Fired, Problem>) -> BatchedOut {
        match answer {
            Ok(Fired { event, replayed, .. }) => {
                BatchedOut { status: 202, replayed, event: Some(EventOut::of(&event, None)), problem: None }
            }
            Err(problem) => {
                let problem = problem.into_document();
                BatchedOut { status: problem.status, replayed: false, event: None, problem: Some(problem) }
            }
        }
    }
}
