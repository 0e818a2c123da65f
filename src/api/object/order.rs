//! Putting an attachment elsewhere in the order in which an event would run them.

use super::{EffectiveOut, Firing, FlowSchema, parse};
use crate::api::Api;
use crate::api::auth::{Caller, Write};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body, Path};
use crate::api::page::{self, List};
use crate::dispatch::{Rank, moved};
use crate::domain::{Attachment, AttachmentId, Flow, TenantId};
use crate::store::{Change, Expectation, Transition};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Where an attachment is to stand among those that an event would run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderIn {
    /// The event type that would fire: its display name or id.
    event_type: String,
    /// What the fire would say: `both`, `up`, `down` or `none`.
    #[schema(value_type = Option<FlowSchema>)]
    flow: Option<Flow>,
    /// The tenant whose event it would be; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// The attachment that moves.
    #[schema(value_type = uuid::Uuid)]
    attachment_id: AttachmentId,
    /// The attachment right before which it is to run; without one it runs last.
    #[schema(value_type = Option<uuid::Uuid>)]
    before: Option<AttachmentId>,
}

/// Put an attachment elsewhere in the order
///
/// Changes its priority so that an event of this type on this object runs it right before another. Where there is no room
/// between two priorities, those of others are changed too: as few as can be, and only ones that the caller may change. An
/// attachment of an object above or below has its new priority there as well. Answers what would run then, in order.
#[utoipa::path(post, path = "/object/{object_type}/{object_id}/order", tag = "objects", params(("object_type" = String, Path), ("object_id" = String, Path)),
    request_body = OrderIn, responses((status = 200, body = page::Envelope<Vec<EffectiveOut>>)))]
pub(crate) async fn put_before(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Body(body): Body<OrderIn>,
) -> Result<List<EffectiveOut>, Problem> {
    let (object, owner) = (parse(path)?, caller.owner(body.owner_id)?);
    let firing = || Firing::of(&api, object.clone(), &owner, (&body.event_type, body.flow));
    let before = firing()?;
    let ranked: Vec<(Arc<Attachment>, u32)> = {
        let attached = before.bindings()?.into_iter();
        attached.filter_map(|binding| Some((binding.attachment?, binding.distance))).collect()
    };
    let place = |id: AttachmentId, pointer: &str| {
        let found = ranked.iter().position(|(attachment, _)| attachment.id == id);
        let missing = || Fault::new(pointer, "an event of this type on this object does not run this attachment");
        found.ok_or_else(|| Problem::invalid(vec![missing()]))
    };
    let from = place(body.attachment_id, "/attachment_id")?;
    let to = body.before.map_or(Ok(ranked.len()), |before| place(before, "/before"))?;
    caller.check_may_change(&ranked[from].0.owner_id, "attachment", body.attachment_id)?;
    let may_change = |attachment: &Attachment| caller.tenant().may_change(&attachment.owner_id);
    let ranks: Vec<(Rank, bool)> =
        ranked.iter().map(|(attachment, distance)| (Rank::of(attachment, *distance), may_change(attachment))).collect();
    let changes = moved(&ranks, from, to).ok_or_else(|| {
        let detail = "there is no room: attachments next to it are the platform's, which alone changes their priority";
        Problem::new(StatusCode::CONFLICT, "no_room", detail)
    })?;
    let mut put = Transition::default();
    let now = api.now();
    for (place, priority) in changes {
        let old = &ranked[place].0;
        let version = old.version + 1;
        let changed = Attachment { priority, version, updated_at: now, ..old.as_ref().clone() };
        put.changes.push(Change::PutAttachment(Arc::new(changed)));
    }
    if !put.changes.is_empty() {
        // The order holds for what was looked at only.
        put.expect.extend(ranked.iter().map(|(found, _)| Expectation::AttachmentVersion(found.id, found.version)));
        api.commit(&caller, put).await?;
    }
    let after = firing()?;
    Ok(List { items: after.planned(&after.above())?, next: None })
}
