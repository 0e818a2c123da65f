//! Webhooks: signed requests of other systems, which fire events.

use super::Api;
use super::auth::note_source;
use super::error::{Fault, Problem};
use super::extract::{self, Path};
use super::fire::marked_as_replayed;
use super::firing::Firing;
use super::page::{self, Data};
use crate::dispatch::{Fire, Fired};
use crate::domain::{
    EventId, EventTypeName, Json, NameError, ObjectPointer, ObjectRef, Once, OnceKey, Origin, Preset, RequestDigest,
    Sameness, SecretText, Signed, Source, SourceId, Webhook,
};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryOut {
    /// The event that it fired; null for a ping.
    #[schema(value_type = Option<uuid::Uuid>)]
    event_id: Option<EventId>,
    /// The name of what it fired.
    event_type: Option<String>,
}

/// Deliver a webhook
///
/// 202 when the event is durably accepted. The signature stands for the credential: it must be that of a source that is a
/// webhook, after its preset, over the bytes of the body; 401 says what is wrong with it. To whoever does not sign, a
/// disabled source is not there: 404. A delivery that is tried again (by its `webhook-id`, `x-github-delivery` or Stripe's
/// event id) is answered with the event that it fired and `Idempotency-Replayed: true`, within the dedup window. GitHub signs neither a time nor its headers, so that whoever has seen one of its
/// deliveries can send it again under another id. A GitHub `ping` that nothing is there for is answered with 200.
#[utoipa::path(post, path = "/hook/{source_id}", tag = "webhooks", security(()), request_body = serde_json::Value,
    params(("source_id" = String, Path),
        ("webhook-id" = Option<String>, Header, description = "Standard Webhooks, with `webhook-timestamp` and `webhook-signature`"),
        ("x-hub-signature-256" = Option<String>, Header, description = "GitHub, with `x-github-delivery` and `x-github-event`"),
        ("stripe-signature" = Option<String>, Header, description = "Stripe")),
    responses((status = 202, body = page::Envelope<DeliveryOut>), (status = 200, description = "A ping", body = page::Envelope<DeliveryOut>)))]
pub(super) async fn receive(
    State(api): State<Api>,
    Path(source_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = extract::read(request.into_body(), "the body", api.bounds().body_bytes).await?;
    let Some(Delivery { source, fire }) = Delivery::read(&api, &source_id, &headers, &body)? else {
        return Ok(Data::ok(DeliveryOut { event_id: None, event_type: None }).into_response());
    };
    match api.dispatch().fire(fire).await {
        Ok(Fired { event, replayed, .. }) => {
            let (event_id, event_type) = (Some(event.id), Some(event.event_type.clone()));
            let response = Data::accepted(DeliveryOut { event_id, event_type }).into_response();
            Ok(if replayed { marked_as_replayed(response) } else { response })
        }
        Err(error) => Err(source.refused(&api, error).await),
    }
}

/// A delivery that is what it says.
struct Delivery {
    source: Firing,
    fire: Fire,
}

impl Delivery {
    /// Verifies a request and then reads it; `None` is a ping that nobody waits for.
    fn read(api: &Api, source_id: &str, headers: &HeaderMap, body: &[u8]) -> Result<Option<Delivery>, Problem> {
        let header = |name: &str| only(headers, name);
        let signed = Signed { header: &header, body };
        let (source, webhook) = verified(api, source_id, signed)?;
        check_is_no_form(headers)?;
        let payload: Json = extract::parse(body)?;
        let Some(event_type) = event_type(api, &source, &webhook, signed)? else { return Ok(None) };
        let object = webhook.object.as_ref().and_then(|pointer| object(pointer, body));
        let source_id = source.header.id;
        let source = Firing::Source(source);
        let fire = Fire {
            object,
            sameness: Some(Sameness::Content),
            once: webhook.preset.delivery(signed).map(|id| once(source_id, &id)),
            origin: Origin::Webhook,
            ..source.fire(event_type, payload, None)?
        };
        Ok(Some(Delivery { source, fire }))
    }
}

/// What a delivery is known by, each time that it is tried. Its body is not looked at: Stripe writes into it how many are
/// still to be delivered.
fn once(source: SourceId, delivery: &str) -> Once {
    let key = OnceKey::of("webhook", &[&source.to_string(), delivery]);
    Once { key, request: RequestDigest::of("null", &["webhook"]) }
}

/// A header that came once, as text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// GitHub sends forms unless it is told otherwise.
fn check_is_no_form(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = only(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    let detail = "a delivery is JSON: set the webhook's content type to application/json where it is sent from";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// The source that signed the request. To whoever does not sign for it, one that is disabled looks like one that there
/// is not.
fn verified(api: &Api, source_id: &str, signed: Signed<'_>) -> Result<(Arc<Source>, Webhook), Problem> {
    let catalogue = api.catalogue();
    let source = source_id.parse().ok().and_then(|id: SourceId| catalogue.sources().get(id));
    let found = source.and_then(|source| Some((Arc::clone(source), source.webhook.clone()?)));
    let missing = || Problem::not_found("webhook", source_id);
    let Some((source, webhook)) = found else {
        waste(api, signed);
        return Err(missing());
    };
    let secrets = secrets(api, &source, &webhook);
    let secrets: Vec<&str> = secrets.iter().map(SecretText::expose).collect();
    let verified = webhook.preset.verify(signed, &secrets, (api.now(), webhook.tolerance_s));
    match verified {
        Ok(()) if source.enabled => {
            note_source(api, &source);
            Ok((source, webhook))
        }
        Ok(()) => Err(Problem::source_disabled(&source.header.name)),
        Err(forged) if source.enabled => Err(Problem::unauthorized(&forged.to_string())),
        Err(_) => {
            if guess(signed) != webhook.preset {
                waste(api, signed);
            }
            Err(missing())
        }
    }
}

/// Does what verifying a request takes, so that the time of an answer does not tell what it does not say.
fn waste(api: &Api, signed: Signed<'_>) {
    let secret = "whsec_bm9ib2R5J3Mga2V5"; // Nobody's.
    let _ = std::hint::black_box(guess(signed).verify(signed, &[secret], (api.now(), Webhook::TOLERANCE_S)));
}

/// The preset that a request seems to be of.
fn guess(signed: Signed<'_>) -> Preset {
    let has = |name: &str| (signed.header)(name).is_some();
    if has("stripe-signature") {
        Preset::Stripe
    } else if has("x-hub-signature-256") {
        Preset::Github
    } else {
        Preset::Standard
    }
}

/// What deliveries may be signed with. That a secret is missing is the operator's to know, not the sender's.
fn secrets(api: &Api, source: &Source, webhook: &Webhook) -> Vec<SecretText> {
    let keys = std::iter::once(&webhook.secret).chain(&webhook.old_secret);
    let catalogue = api.catalogue();
    let open = |key| match api.dispatch().secrets().open(&catalogue, &source.header.owner_id, key) {
        Ok(secret) => Some(secret),
        Err(error) => {
            tracing::warn!(source.id = %source.header.id, %error, "a webhook's secret cannot be had");
            None
        }
    };
    keys.filter_map(open).collect()
}

/// What a delivery fires; `None` for a ping that no event type is there for.
fn event_type(
    api: &Api,
    source: &Source,
    webhook: &Webhook,
    signed: Signed<'_>,
) -> Result<Option<EventTypeName>, Problem> {
    let preset = webhook.preset;
    let said = preset.event_name(signed);
    let is_ping = preset.is_ping(said.as_deref());
    if is_ping && !webhook.event_types.contains_key("ping") {
        let named = preset.event_type("ping").parse().ok().filter(|_| webhook.is_unmapped());
        let catalogue = api.catalogue();
        return Ok(named.filter(|name| catalogue.event_type_named(&source.header.owner_id, name).is_some()));
    }
    if let Some(event_type) = webhook.event_type_for(said.as_deref()) {
        return Ok(Some(event_type.clone()));
    }
    let place = if preset == Preset::Github { "" } else { "/type" };
    let fault = |message: String| Problem::invalid(vec![Fault::new(place, message)]);
    let said = said.ok_or_else(|| fault("the delivery does not say of what type it is".to_owned()))?;
    if !webhook.is_unmapped() {
        return Err(fault("the webhook has no event type for this type of delivery".to_owned()));
    }
    preset.event_type(&said).parse().map(Some).map_err(|error: NameError| fault(error.to_string()))
}

/// What the event is about, where the payload has it: what one webhook delivers is not all of one shape.
fn object(ObjectPointer { object_type, pointer }: &ObjectPointer, body: &[u8]) -> Option<ObjectRef> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let id = match body.pointer(pointer)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    ObjectRef::new(object_type.clone(), id).ok()
}
