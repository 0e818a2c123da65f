//! Firing triggers.

use super::Api;
use super::cloudevent::{self, BatchedOut, CloudEventSchema, Mode};
use super::delay::{self, DelayIn};
use super::error::Problem;
use super::event::{EventOut, FlowSchema, ObjectOut, explain_waits};
use super::extract::{self, Path, Query, preferred_wait_s};
use super::firing::Firing;
use super::page::{self, Data};
use super::trial::DryRun;
use crate::dispatch::{Fire, Fired};
use crate::domain::{
    CallerKey, EventTypeName, Flow, Json, ObjectRef, Once, OnceKey, RequestDigest, Sameness, TenantId, Timestamp,
};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A trigger to fire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventIn {
    /// The display name of the event type.
    #[schema(value_type = String)]
    event_type: EventTypeName,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    /// Narrows how far the event type lets it reach among the objects.
    #[serde(default)]
    #[schema(value_type = Option<FlowSchema>)]
    flow: Flow,
    /// The tenant whose event it is; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Any JSON. Default `{}`.
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Json,
    /// What the caller compares firings by, 1 to 255 bytes; without one, event type, object and payload are compared. While a
    /// run of the same is in flight, another is SKIPPED as its `duplicate`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    dedup_key: Option<CallerKey>,
    /// No run starts before this time, at most 366 days ahead. A past time is now.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// The same from now: whole seconds, or a length of time such as `"2h30m"`. Not with `run_at`.
    #[schema(value_type = Option<String>)]
    delay: Option<DelayIn>,
}

/// Fire a trigger
///
/// 202 when the event is durably accepted. With `Prefer: wait=N`, 200 with its runs as soon as it has ended, or 202 after
/// N seconds. With an `Idempotency-Key` it is accepted once: the same request with the same key is answered with the event
/// that it made the first time and `Idempotency-Replayed: true`, for as long as the event type's dedup window; another
/// request with that key is 422 `idempotency_key_reused`. With `dry_run=true` nothing is kept and nothing runs: 200 with the
/// event as it would be planned now, the runs in their order, and of those that would not run or not yet the reason.
///
/// CloudEvents 1.0 are taken in binary mode (`ce-` headers, the data as the body), structured and in batches of up to 100.
/// The `type` is the event type, a `subject` written `object_type/object_id` the object, the data the payload. `source` and
/// `id` accept it once as an `Idempotency-Key` would, which it therefore does not take. Attributes, extensions included,
/// are kept with the event; actions see the data. Each event of a batch is accepted or refused for itself, in order: 202
/// when all were accepted, else 207 with a status for each; a batch is not waited for, nor tried with `dry_run`.
#[utoipa::path(post, path = "/event", tag = "events",
    request_body(content((EventIn = "application/json"), (CloudEventSchema = "application/cloudevents+json"),
        (Vec<CloudEventSchema> = "application/cloudevents-batch+json"))),
    params(DryRun, ("prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for the end"),
        ("idempotency-key" = Option<String>, Header, description = "1 to 255 printable characters, quoted or not: accepts the request once")),
    responses((status = 202, body = page::Envelope<EventOut>), (status = 200, description = "It has ended", body = page::Envelope<EventOut>),
        (status = 207, description = "Of a batch: some were refused", body = page::Envelope<Vec<BatchedOut>>)))]
pub(crate) async fn fire(
    firing: Firing,
    State(api): State<Api>,
    Query(DryRun { dry_run }): Query<DryRun>,
    request: Request,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let mode = Mode::of(&headers)?;
    let bytes = extract::read(body, "the body", api.bounds().body_bytes).await?;
    let asked = (&headers, dry_run);
    let event = match mode {
        Mode::Plain => return fire_plain(&api, &firing, asked, &bytes).await,
        // Boxed, as they would make the task of every other request larger.
        Mode::Batch => return Box::pin(cloudevent::fire_batch(&api, &firing, asked, &bytes)).await,
        Mode::Binary => cloudevent::binary(&headers, &bytes, api.now())?,
        Mode::Structured => cloudevent::structured(&bytes, "", api.now())?,
    };
    Box::pin(cloudevent::fire_one(&api, &firing, asked, event)).await
}

async fn fire_plain(
    api: &Api,
    firing: &Firing,
    (headers, dry_run): (&HeaderMap, bool),
    bytes: &[u8],
) -> Result<Response, Problem> {
    let body: EventIn = extract::parse(bytes)?;
    let once = once(headers, || RequestDigest::of(text(bytes), &["event"]))?;
    let fire = Fire { once, ..body.fire(api, firing)? };
    answer(api, firing, (headers, dry_run), fire).await
}

/// Fires without waiting for the end, for who has read the body.
pub(crate) async fn fire_event(api: &Api, firing: &Firing, body: EventIn) -> Result<EventOut, Problem> {
    match api.dispatch().fire(body.fire(api, firing)?).await {
        Ok(fired) => Ok(EventOut::of(&fired.event, None)),
        Err(error) => Err(firing.refused(api, error).await),
    }
}

/// What firing it would do, with the runs in their order.
pub(crate) async fn foresee_event(api: &Api, firing: &Firing, body: EventIn) -> Result<EventOut, Problem> {
    let foreseen = foresee(api, firing, body.fire(api, firing)?).await?;
    Ok(foreseen.into_parts().0)
}

impl EventIn {
    /// The wish to fire it in somebody's name.
    fn fire(self, api: &Api, firing: &Firing) -> Result<Fire, Problem> {
        let run_at =
            delay::run_at(api.now(), self.run_at, self.delay).map_err(|fault| Problem::invalid(vec![fault]))?;
        Ok(Fire {
            object: self.object,
            flow: self.flow,
            sameness: Some(sameness(self.dedup_key)),
            run_at,
            ..firing.fire(self.event_type, self.payload, self.owner_id)?
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TriggerQuery {
    object_type: Option<String>,
    object_id: Option<String>,
    /// Narrows how far the event type lets it reach among the objects: `both`, `up`, `down` or `none`.
    #[param(value_type = Option<FlowSchema>)]
    flow: Option<Flow>,
    /// What the caller compares firings by, 1 to 255 bytes; without one, event type, object and payload are compared.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    dedup_key: Option<CallerKey>,
    /// No run starts before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// The same from now: whole seconds, or a length of time such as `2h30m`. Not with `run_at`.
    #[param(value_type = Option<String>)]
    delay: Option<DelayIn>,
    /// The tenant whose event it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Keep and run nothing, and say what would.
    #[serde(default)]
    dry_run: bool,
}

pub(crate) fn sameness(key: Option<CallerKey>) -> Sameness {
    key.map_or(Sameness::Content, Sameness::Key)
}

/// Fire a trigger, the short way
///
/// The body is the payload; an empty one is `{}`. Waits and is accepted once as `POST /event` does.
#[utoipa::path(post, path = "/trigger/{event_type}", tag = "events", request_body = serde_json::Value,
    params(("event_type" = String, Path), TriggerQuery, ("prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for the end"),
        ("idempotency-key" = Option<String>, Header, description = "1 to 255 printable characters, quoted or not: accepts the request once")),
    responses((status = 202, body = page::Envelope<EventOut>), (status = 200, description = "It has ended", body = page::Envelope<EventOut>)))]
pub(crate) async fn trigger(
    firing: Firing,
    State(api): State<Api>,
    Path(event_type): Path<String>,
    Query(query): Query<TriggerQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let event_type = event_type.parse().map_err(|_| Problem::not_found("event type", &event_type))?;
    let object = match (query.object_type, query.object_id) {
        (None, None) => None,
        (Some(kind), Some(id)) => {
            Some(ObjectRef::new(kind, id).map_err(|error| Problem::bad_request(error.to_string()))?)
        }
        _ => return Err(Problem::bad_request("object_type and object_id go together")),
    };
    let run_at = delay::run_at(api.now(), query.run_at, query.delay);
    let run_at = run_at.map_err(|fault| Problem::bad_request(format!("the query of the URL: {}", fault.message)))?;
    let (Parts { headers, uri, .. }, body) = request.into_parts();
    let body = extract::read(body, "the payload", api.bounds().body_bytes).await?;
    let payload = if body.is_empty() { Json::empty_object() } else { extract::parse(&body)? };
    let event_type: EventTypeName = event_type;
    let once = once(&headers, || {
        RequestDigest::of(payload.as_str(), &["trigger", &event_type.folded(), uri.query().unwrap_or_default()])
    })?;
    let fire = Fire {
        object,
        flow: query.flow.unwrap_or_default(),
        sameness: Some(sameness(query.dedup_key)),
        once,
        run_at,
        ..firing.fire(event_type, payload, query.owner_id)?
    };
    answer(&api, &firing, (&headers, query.dry_run), fire).await
}

/// Fires, or says what firing would do.
pub(crate) async fn answer(
    api: &Api,
    firing: &Firing,
    (headers, dry_run): (&HeaderMap, bool),
    fire: Fire,
) -> Result<Response, Problem> {
    if dry_run {
        return foresee(api, firing, fire).await.map(IntoResponse::into_response);
    }
    fire_and_answer(api, firing, headers, fire).await
}

async fn foresee(api: &Api, firing: &Firing, fire: Fire) -> Result<Data<EventOut>, Problem> {
    match api.dispatch().foresee(fire) {
        Ok(Fired { event, runs, .. }) => Ok(Data::ok(EventOut::foreseen(&event, &runs))),
        Err(error) => Err(firing.refused(api, error).await),
    }
}

async fn fire_and_answer(api: &Api, firing: &Firing, headers: &HeaderMap, fire: Fire) -> Result<Response, Problem> {
    let wait_s = preferred_wait_s(headers)?.filter(|seconds| *seconds > 0);
    let wait_s = wait_s.map(|seconds| seconds.min(api.bounds().wait_s));
    let fired = match wait_s {
        None => api.dispatch().fire(fire).await,
        Some(wait_s) => api.dispatch().fire_and_wait(fire, Duration::from_secs(wait_s)).await,
    };
    let Fired { event, mut runs, replayed } = match fired {
        Ok(fired) => fired,
        Err(error) => return Err(firing.refused(api, error).await),
    };
    let answer = if wait_s.is_none() {
        Data::accepted(EventOut::of(&event, None))
    } else {
        explain_waits(api, &mut runs);
        let out = EventOut::of(&event, Some(&runs));
        if event.state.is_terminal() { Data::ok(out) } else { Data::accepted(out) }
    };
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    if let Some(applied) = wait_s.and_then(|wait_s| HeaderValue::from_str(&format!("wait={wait_s}")).ok()) {
        headers.insert("preference-applied", applied);
    }
    Ok(if replayed { marked_as_replayed(response) } else { response })
}

/// Says that an earlier request made the event.
pub(crate) fn marked_as_replayed(mut response: Response) -> Response {
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// What a request with an `Idempotency-Key` is known by.
fn once(headers: &HeaderMap, request: impl FnOnce() -> RequestDigest) -> Result<Option<Once>, Problem> {
    let key = extract::idempotency_key(headers)?;
    Ok(key.map(|key| Once { key: OnceKey::of("idempotency-key", &[&key]), request: request() }))
}

/// Of a body that was parsed as JSON.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
