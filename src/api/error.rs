//! The only mapping from errors to status and code. Every error answer is an RFC 9457 document.

use super::extract::escaped;
use super::request_id;
use crate::dispatch::{CancelError, FireError, ReplayError, RotateError, SourceError, TrialError, Violation};
use crate::domain::{QuotaExceeded, Rights, SourceFault, State, TenantId};
use crate::sandbox::{CheckError, UploadError};
use crate::store::{CommitError, Conflict, ReadError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What went wrong with a request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Fault>,
    /// When to try again; 0 says nothing.
    retry_after_s: u32,
    quota: Option<QuotaExceeded>,
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemOut {
    /// A URN that ends in `code`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The status in words.
    pub(crate) title: &'static str,
    pub(crate) status: u16,
    /// What happened to this request and what to do.
    pub(crate) detail: String,
    /// What happened, for machines, such as `event_type_disabled`.
    pub(crate) code: &'static str,
    /// Names this request in the server's log.
    pub(crate) request_id: String,
    /// The quota that is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<QuotaOut>,
    /// What is wrong where in the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Fault>,
}

/// A quota of the tenant that is used up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaExceeded)]
pub(crate) struct QuotaOut {
    /// As its field is called.
    pub(crate) name: &'static str,
    pub(crate) limit: u64,
    pub(crate) used: u64,
}

/// One fault in a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// JSON Pointer (RFC 6901) into the body; empty for the whole.
    pub(crate) pointer: String,
    pub(crate) message: String,
    /// In source code, where it is known: 1 for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    /// In characters, 1 for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
}

impl Fault {
    pub(crate) fn new(pointer: impl Into<String>, message: impl ToString) -> Fault {
        Fault { pointer: pointer.into(), message: message.to_string(), line: None, column: None }
    }

    /// One in the source code of an action.
    fn in_code(fault: &SourceFault) -> Fault {
        let known = |number: u32| Some(number).filter(|number| *number > 0);
        Fault { line: known(fault.line), column: known(fault.column), ..Fault::new("/code", fault) }
    }

    /// The same fault in something that is itself at `pointer`.
    pub(crate) fn under(mut self, pointer: &str) -> Fault {
        self.pointer.insert_str(0, pointer);
        self
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, code, detail: detail.into(), errors: Vec::new(), retry_after_s: 0, quota: None }
    }

    pub(crate) fn with(mut self, errors: Vec<Fault>) -> Problem {
        self.errors = errors;
        self
    }

    /// Its code and what happened, for an answer that tells of several.
    pub(crate) fn told(self) -> (&'static str, String) {
        (self.code, self.detail)
    }

    fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after_s = seconds;
        self
    }

    /// The same for a part of the body that begins at `pointer`.
    pub(crate) fn under(mut self, pointer: &str) -> Problem {
        self.errors.iter_mut().for_each(|fault| fault.pointer.insert_str(0, pointer));
        self
    }

    pub(crate) fn into_document(self) -> ProblemOut {
        let Problem { status, code, detail, errors, quota, .. } = self;
        let quota = quota.map(|QuotaExceeded { quota: name, limit, used }| QuotaOut { name, limit, used });
        ProblemOut {
            kind: format!("urn:fusebox:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code,
            request_id: request_id().to_string(),
            quota,
            errors,
        }
    }

    /// Something of that name does not exist, or not for this caller: the two look alike on purpose.
    pub(crate) fn not_found(what: &str, name: impl std::fmt::Display) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} `{name}`"))
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// The body is well-formed but wrong.
    pub(crate) fn invalid(errors: Vec<Fault>) -> Problem {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.message.clone(),
            [only] => format!("{}: {}", only.pointer, only.message),
            many => format!("{} things are wrong; see errors", many.len()),
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail).with(errors)
    }

    pub(crate) fn too_large(what: &str, limit_bytes: usize) -> Problem {
        let detail = format!("{what} may have {limit_bytes} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// A document of several things of which some are wrong, each where it stands.
    pub(crate) fn document(errors: Vec<Fault>) -> Problem {
        Problem { code: "invalid_document", ..Problem::invalid(errors) }
    }

    /// What happened, for machines.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The same with its faults at other places: those of what the body was made of.
    pub(crate) fn moved(mut self, to: impl Fn(&str) -> Option<String>) -> Problem {
        for fault in &mut self.errors {
            if let Some(place) = to(&fault.pointer) {
                fault.pointer = place;
            }
        }
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong where, for whoever makes one problem out of several; a problem that points nowhere is the whole's.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        if self.errors.is_empty() { vec![Fault::new("", self.detail)] } else { self.errors }
    }

    pub(crate) fn unauthorized(detail: &str) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn forbidden(needed: Rights, granted: Rights) -> Problem {
        let detail = format!("this needs the right to {needed}; the token has: {granted}");
        Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn source_disabled(name: impl std::fmt::Display) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "source_disabled", format!("the source `{name}` is disabled"))
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(1)
    }

    /// The tenant has as much as it may; in so many seconds it may be otherwise, 0 says nothing.
    pub(crate) fn quota(exceeded: QuotaExceeded, after_s: u32) -> Problem {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", exceeded.to_string());
        Problem { quota: Some(exceeded), ..problem.retry_after(after_s) }
    }

    pub(crate) fn tenant_disabled(tenant: &TenantId) -> Problem {
        let detail = format!("the tenant `{tenant}` is switched off; ask the platform's operator");
        Problem::new(StatusCode::FORBIDDEN, "tenant_disabled", detail)
    }

    /// A schema that inputs which are in use do not follow.
    pub(crate) fn breaks_attachments(errors: Vec<Fault>) -> Problem {
        let detail = format!("{} attachments have inputs that do not follow the new schema; see errors", errors.len());
        Problem::new(StatusCode::CONFLICT, "breaks_attachments", detail).with(errors)
    }

    /// Terminal states are final.
    pub(crate) fn already_ended(what: &str, state: State) -> Problem {
        Problem::new(StatusCode::CONFLICT, "already_ended", format!("the {what} has ended already: it is {state}"))
    }

    pub(crate) fn precondition(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
    }

    /// The caller sees an id, the log has the cause.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Problem {
        let id = request_id();
        tracing::error!(request.id = %id, cause = %chain(cause), "a request failed");
        let detail = format!("the server failed; its log says why at request {id}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status, self.retry_after_s);
        let document = self.into_document();
        let mut response = (status, serde_json::to_vec(&document).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if retry_after_s > 0 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For who shows it in another form.
        response.extensions_mut().insert(Arc::new(document));
        response
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Problem {
        let detail = conflict.to_string();
        let conflicting = |code| Problem::new(StatusCode::CONFLICT, code, detail.clone());
        match conflict {
            Conflict::Gone { what, id } => Problem::not_found(what, id),
            Conflict::Version { .. } | Conflict::Values { .. } => Problem::precondition(detail),
            Conflict::NameTaken { .. } | Conflict::ModuleNameTaken { .. } => conflicting("name_taken"),
            Conflict::NoSuchModule { .. } => Problem::invalid(vec![Fault::new("/module", detail)]),
            Conflict::NoSuchAction { .. } => Problem::invalid(vec![Fault::new("/action", detail)]),
            Conflict::NoSuch { field, .. } => Problem::invalid(vec![Fault::new(field, detail)]),
            Conflict::AlreadyAttached { .. } => conflicting("already_attached"),
            Conflict::Graph { place, .. } => {
                let pointer = place.map_or_else(|| "/parents".to_owned(), |place| format!("/parents/{place}"));
                Problem::invalid(vec![Fault::new(pointer, detail)])
            }
            Conflict::InUse { .. } => conflicting("in_use"),
            Conflict::Locked { faults } => {
                let faults = faults.into_iter().map(|(pointer, message)| Fault::new(pointer, message));
                Problem::new(StatusCode::CONFLICT, "parameter_locked", detail).with(faults.collect())
            }
            Conflict::Full { .. } => Problem::busy(detail),
            // What fills the catalogue does not go away by itself: it makes no sense to ask again.
            Conflict::Quota(exceeded) => Problem::quota(exceeded, 0),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Problem {
        match error {
            CommitError::Conflict(conflict) => conflict.into(),
            CommitError::Broken(cause) => {
                tracing::error!(request.id = %request_id(), %cause, "a request could not be stored");
                Problem::unavailable(
                    "nothing can be stored at the moment; the request may or may not have taken effect",
                )
            }
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        Problem::internal(&error)
    }
}

impl From<FireError> for Problem {
    fn from(error: FireError) -> Problem {
        let detail = error.to_string();
        match error {
            FireError::NoSuchEventType(name) => Problem::not_found("event type", name),
            FireError::SourceType { .. } => Problem::new(StatusCode::FORBIDDEN, "source_type_not_allowed", detail),
            FireError::Disabled(_) => Problem::new(StatusCode::CONFLICT, "event_type_disabled", detail),
            FireError::PayloadInvalid(violations) => {
                let fault = |v: Violation| Fault::new(v.pointer, v.message);
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "payload_invalid", detail)
                    .with(violations.into_iter().map(fault).collect())
            }
            FireError::FanOut => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "fanout_limit", detail),
            FireError::NotBound => Problem::new(StatusCode::CONFLICT, "not_bound", detail),
            FireError::QueueFull { .. } => Problem::busy(detail),
            FireError::Quota(exceeded, after_s) => Problem::quota(exceeded, after_s),
            FireError::TenantDisabled(tenant) => Problem::tenant_disabled(&tenant),
            FireError::KeyReused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail),
            FireError::EventGone(_) => Problem::new(StatusCode::GONE, "event_gone", detail),
            FireError::ShuttingDown => Problem::unavailable(detail),
            FireError::Store(error) => error.into(),
            FireError::Read(error) => error.into(),
        }
    }
}

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Problem {
        match error {
            TrialError::Refused(error) => error.into(),
            TrialError::NoPermit => Problem::busy(error.to_string()),
            TrialError::Illegal(_) => Problem::internal(&error),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Problem {
        let detail = error.to_string();
        match error {
            ReplayError::NotEnded => Problem::new(StatusCode::CONFLICT, "not_ended", detail),
            ReplayError::EventTypeGone(_) => Problem::new(StatusCode::CONFLICT, "event_type_gone", detail),
            ReplayError::Fire(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Problem {
        let detail = error.to_string();
        match error {
            CancelError::AlreadyEnded => Problem::new(StatusCode::CONFLICT, "already_ended", detail),
            CancelError::ShuttingDown | CancelError::Busy => Problem::unavailable(detail),
            CancelError::Store(error) => error.into(),
            CancelError::Read(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Problem {
        match error {
            RotateError::Busy => Problem::busy("the key is being changed already"),
            RotateError::Commit(error) => error.into(),
            RotateError::Save(_) | RotateError::Keyring(_) | RotateError::Secret(_) => Problem::internal(&error),
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Problem {
        match &error {
            SourceError::Check(CheckError::Faults(faults)) => {
                Problem::invalid(faults.iter().map(Fault::in_code).collect())
            }
            SourceError::Check(CheckError::Broken { .. }) => Problem::invalid(vec![Fault::new("/code", &error)]),
            SourceError::NoInterpreter(_) => Problem::invalid(vec![Fault::new("/language", &error)]),
            SourceError::Check(CheckError::Failed(_)) | SourceError::Failed(_) => Problem::internal(&error),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Problem {
        match error {
            UploadError::TooLarge { .. } => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
            UploadError::Busy => Problem::busy("too many uploads are being compiled; try again soon"),
            UploadError::Failed(_) => Problem::internal(&error),
            UploadError::Refused(refusal) => {
                let places = refusal.places();
                // `imports/<name>`, of which the name may have slashes of its own.
                let pointer = |place: &String| match place.split_once('/') {
                    Some((list, name)) => format!("/{list}/{}", escaped(name)),
                    None => format!("/{place}"),
                };
                let faults = places.iter().map(|place| Fault::new(pointer(place), &refusal)).collect();
                let detail = format!("the module was refused: {refusal}");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "module_refused", detail).with(faults)
            }
        }
    }
}
