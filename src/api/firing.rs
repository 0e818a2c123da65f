//! Who fires events: callers with the right to, and sources.

use super::auth::{Caller, Credential, Execute, owner_for};
use super::error::Problem;
use super::{Api, request_id};
use crate::dispatch::{Fire, FireError, Producer};
use crate::domain::{AuditId, Author, Deed, EventTypeName, Flow, Json, Noted, Origin, Source, TenantId};
use crate::store::{Change, Transition};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;

/// Who fires: a token with the right to execute, or a source.
pub(crate) enum Firing {
    Token(Caller<Execute>),
    Source(Arc<Source>),
}

impl Firing {
    /// The wish to fire an event type in its name, for its own tenant unless the platform names another.
    pub(crate) fn fire(
        &self,
        event_type: EventTypeName,
        payload: Json,
        owner: Option<TenantId>,
    ) -> Result<Fire, Problem> {
        let (tenant, created_by, origin) = match self {
            Firing::Token(caller) => (caller.owner(owner)?, caller.name(), Origin::Api),
            Firing::Source(source) => {
                (owner_for(&source.header.owner_id, owner)?, source.header.name.as_str(), Origin::Source)
            }
        };
        Ok(Fire {
            event_type,
            object: None,
            flow: Flow::default(),
            payload,
            sameness: None,
            once: None,
            cloudevent: None,
            run_at: None,
            tenant,
            origin,
            cause: None,
            by: self.producer(),
            created_by: created_by.to_owned(),
        })
    }

    /// What becomes of a firing that was refused. Whoever fires what the source type does not allow may be a credential in
    /// the wrong hands, so that goes into the audit log, though not every time.
    pub(crate) async fn refused(&self, api: &Api, error: FireError) -> Problem {
        let FireError::SourceType { event_type, message } = &error else { return error.into() };
        let author = self.author(api);
        let Some(left_out) = api.refusals().count(&author) else { return error.into() };
        tracing::warn!(request.id = %request_id(), left_out, detail = message, "a source type did not allow an event");
        let more = if left_out == 0 { String::new() } else { format!("; {left_out} refusals before were left out") };
        let (owner_id, subject, note) = (author.tenant.clone(), event_type.to_string(), format!("{message}{more}"));
        let noted = Noted { owner_id, subject, note, ..Noted::of(Deed::Refused, "event-type", "") };
        let transition = Transition::of([Change::Audit(Arc::new(noted))]);
        match api.store().commit(Transition { author: Some(author), ..transition }).await {
            Ok(()) => error.into(),
            Err(broken) => broken.into(),
        }
    }

    fn author(&self, api: &Api) -> Author {
        let (request, now) = (request_id(), api.now());
        let entry = AuditId::new(api.ids(), now);
        match self {
            Firing::Token(caller) => caller.author(request, entry, now),
            Firing::Source(source) => {
                let (name, tenant) = (source.header.name.to_string(), source.header.owner_id.clone());
                let source = Some(source.header.id);
                Author { token: None, source, name, tenant, request: Some(request), at: now, entry }
            }
        }
    }

    /// An admin could make itself a source; it may as well try out what sources fire.
    fn producer(&self) -> Producer {
        match self {
            Firing::Token(caller) if caller.is_admin() => Producer::Exempt,
            Firing::Token(_) => Producer::Token,
            Firing::Source(source) => Producer::Source(Arc::clone(source)),
        }
    }
}

impl FromRequestParts<Api> for Firing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Firing, Problem> {
        match Credential::of(parts, api)? {
            Credential::Token(token) => Caller::with(token).map(Firing::Token),
            Credential::Source(source) if source.enabled => Ok(Firing::Source(source)),
            Credential::Source(source) => Err(Problem::source_disabled(&source.header.name)),
        }
    }
}
