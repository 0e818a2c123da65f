//! The audit log: who changed what, when, from what to what.

use super::Api;
use super::auth::{Admin, Caller};
use super::error::Problem;
use super::extract::{Path, Query};
use super::page::{self, Data, List, decode_cursor, encode_cursor};
use crate::domain::{AuditEntry, AuditId, Deed, Json, RequestId, SourceId, TenantId, Timestamp, TokenId};
use crate::store::AuditQuery;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: AuditId,
    /// The tenant whose thing it was done to.
    pub(crate) owner_id: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    pub(crate) by: AuthorOut,
    /// The `request_id` of the answer that the caller got; null when no request did it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) request_id: Option<RequestId>,
    /// `created`, `changed` or `deleted`; or what else was done, such as `cancelled` or `refused`.
    #[schema(value_type = String)]
    pub(crate) what: Deed,
    /// What it was done to, as routes call it, such as `event-type`.
    pub(crate) kind: String,
    pub(crate) subject_id: String,
    /// Its name at the time.
    pub(crate) subject: String,
    /// As it was; null when it was not there. Secret values and hashes are never in it.
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) before: Option<Json>,
    /// As it is since; null when it is gone.
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) after: Option<Json>,
    /// Members of `before` and `after` that were too large to keep and are null there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cut: Vec<String>,
    pub(crate) note: String,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorOut {
    /// Null when it was a source, the server itself, or another tenant.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) token_id: Option<TokenId>,
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) source_id: Option<SourceId>,
    /// The name of the token at the time.
    pub(crate) name: String,
    /// The tenant of the token.
    pub(crate) owner_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditFilter {
    /// Such as `action` or `event-type`.
    kind: Option<String>,
    /// Id of the thing; of an object `type/id`, of a module its digest.
    subject_id: Option<String>,
    /// Id or name of the token that did it.
    token: Option<String>,
    /// `created`, `changed`, `deleted`, `cancelled`, …
    #[param(value_type = Option<String>)]
    what: Option<Deed>,
    /// At this time (RFC 3339) or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Text that the name of the thing, its id or the note has, whatever the case.
    q: Option<String>,
    /// Of this tenant; only the platform sees others than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    cursor: Option<String>,
}

/// List the audit log
///
/// Every change of the catalogue by a token, and what else a person should answer for, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditFilter), responses((status = 200, body = page::Envelope<Vec<AuditOut>>)))]
pub(crate) async fn list(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Query(filter): Query<AuditFilter>,
) -> Result<List<AuditOut>, Problem> {
    let tenant = match filter.owner_id.clone() {
        Some(owner) => Some(caller.owner(Some(owner))?),
        None => caller.scope().cloned(),
    };
    let query = AuditQuery {
        tenant,
        from: filter.from,
        to: filter.to,
        after: filter.cursor.as_deref().map(decode_cursor::<[u8; 16]>).transpose()?,
        limit: page::limit(filter.limit)?,
    };
    let wanted = filter.into_predicate();
    let page = api.reading(move |store| store.list_audit(&query, wanted)).await?;
    let next = page.next.map(|place| encode_cursor(&place));
    Ok(List { items: page.items.into_iter().map(|entry| AuditOut::to(caller.tenant(), entry)).collect(), next })
}

/// Read one line of the audit log
#[utoipa::path(get, path = "/audit/{id}", tag = "audit", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<AuditOut>)))]
pub(crate) async fn read(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<AuditOut>, Problem> {
    let missing = || Problem::not_found("entry of the audit log", &id);
    let wanted: AuditId = id.parse().map_err(|_| missing())?;
    let scope = caller.scope().cloned();
    let found = api.reading(move |store| store.audit_entry(scope.as_ref(), wanted)).await?;
    Ok(Data::ok(AuditOut::to(caller.tenant(), found.ok_or_else(missing)?)))
}

impl AuditFilter {
    fn into_predicate(self) -> impl Fn(&AuditEntry) -> bool + Send + 'static {
        let q = self.q.unwrap_or_default().to_lowercase();
        let is = |wanted: &Option<String>, actual: &str| wanted.as_ref().is_none_or(|wanted| wanted == actual);
        move |entry: &AuditEntry| {
            let has = |text: &str| text.to_lowercase().contains(&q);
            let by = |token: &String| entry.by == *token || entry.token.is_some_and(|id| id.to_string() == *token);
            is(&self.kind, &entry.kind)
                && is(&self.subject_id, &entry.subject_id)
                && self.token.as_ref().is_none_or(by)
                && self.what.is_none_or(|what| entry.deed == what)
                && (q.is_empty() || has(&entry.subject) || has(&entry.subject_id) || has(&entry.note))
        }
    }
}

impl AuditOut {
    /// What `tenant` may see: of another tenant that did it, such as the publisher of an action, only that it was one.
    fn to(tenant: &TenantId, entry: AuditEntry) -> AuditOut {
        let by = if tenant.sees(&entry.by_tenant) {
            let owner_id = Some(entry.by_tenant.to_string());
            AuthorOut { token_id: entry.token, source_id: entry.source, name: entry.by, owner_id }
        } else {
            AuthorOut { token_id: None, source_id: None, name: "another tenant".to_owned(), owner_id: None }
        };
        AuditOut {
            id: entry.id,
            owner_id: entry.owner_id.to_string(),
            at: entry.at,
            by,
            request_id: entry.request,
            what: entry.deed,
            kind: entry.kind,
            subject_id: entry.subject_id,
            subject: entry.subject,
            before: entry.before,
            after: entry.after,
            cut: entry.cut,
            note: entry.note,
        }
    }
}
