//! Who calls, and what they may do.

use super::Api;
use super::error::Problem;
use crate::domain::{AuditId, Author, RequestId, Rights, Source, TenantId, Timestamp, Token, TokenHash};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::marker::PhantomData;
use std::sync::Arc;

/// A right that a route asks for, as a type, so that a handler's signature declares it.
pub(crate) trait Needs: Send + Sync + 'static {
    const RIGHTS: Rights;
}

pub(crate) struct Read;
pub(crate) struct Write;
pub(crate) struct Execute;
pub(crate) struct Admin;

const NONE: Rights = Rights { read: false, write: false, execute: false, admin: false };

impl Needs for Read {
    const RIGHTS: Rights = Rights { read: true, ..NONE };
}

impl Needs for Write {
    const RIGHTS: Rights = Rights { write: true, ..NONE };
}

impl Needs for Execute {
    const RIGHTS: Rights = Rights { execute: true, ..NONE };
}

impl Needs for Admin {
    const RIGHTS: Rights = Rights { admin: true, ..NONE };
}

/// A caller with a valid token that has the rights `N`.
pub(crate) struct Caller<N> {
    token: Arc<Token>,
    needs: PhantomData<N>,
}

impl<N> Clone for Caller<N> {
    fn clone(&self) -> Caller<N> {
        Caller { token: Arc::clone(&self.token), needs: PhantomData }
    }
}

impl<N> Caller<N> {
    /// The same caller where it needs other rights.
    pub(crate) fn raised<M: Needs>(&self) -> Result<Caller<M>, Problem> {
        Caller::with(Arc::clone(&self.token))
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.token.owner_id
    }

    /// For the record: who did it.
    pub(crate) fn name(&self) -> &str {
        &self.token.name
    }

    /// The same for the audit log.
    pub(crate) fn author(&self, request: RequestId, entry: AuditId, at: Timestamp) -> Author {
        let Token { id, name, owner_id, .. } = self.token.as_ref();
        let (token, name, tenant) = (Some(*id), name.clone(), owner_id.clone());
        Author { token, source: None, name, tenant, request: Some(request), at, entry }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.token.rights.admin
    }

    /// Whose history to look at: `None`, everybody's, for the platform's own tokens.
    pub(crate) fn scope(&self) -> Option<&TenantId> {
        (!self.tenant().is_shared()).then(|| self.tenant())
    }

    /// The owner of something new: the caller's tenant unless the platform names another.
    pub(crate) fn owner(&self, asked: Option<TenantId>) -> Result<TenantId, Problem> {
        owner_for(self.tenant(), asked)
    }

    /// Refuses to change what belongs to somebody else; what the caller cannot even see does not exist for it.
    pub(crate) fn check_may_change(
        &self,
        owner: &TenantId,
        what: &str,
        name: impl std::fmt::Display,
    ) -> Result<(), Problem> {
        if self.tenant().may_change(owner) {
            Ok(())
        } else if self.tenant().sees(owner) {
            let detail = format!("the {what} `{name}` is shared by all tenants; only the platform changes it");
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
        } else {
            Err(Problem::not_found(what, name))
        }
    }
}

pub(crate) fn owner_for(tenant: &TenantId, asked: Option<TenantId>) -> Result<TenantId, Problem> {
    match asked {
        None => Ok(tenant.clone()),
        Some(owner) if tenant.may_change(&owner) => Ok(owner),
        Some(_) => {
            let detail = "owner_id: a token can only make things for its own tenant";
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
        }
    }
}

impl<N: Needs> Caller<N> {
    /// Whoever has this token, if it has the rights.
    pub(crate) fn with(token: Arc<Token>) -> Result<Caller<N>, Problem> {
        if !token.rights.allow(N::RIGHTS) {
            return Err(Problem::forbidden(N::RIGHTS, token.rights));
        }
        Ok(Caller { token, needs: PhantomData })
    }
}

impl<N: Needs> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller<N>, Problem> {
        match Credential::of(parts, api)? {
            Credential::Token(token) => Caller::with(token),
            Credential::Source(source) => {
                let detail = format!("the source `{}` fires events and does nothing else", source.header.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
        }
    }
}

/// What a request authenticates with.
pub(crate) enum Credential {
    Token(Arc<Token>),
    Source(Arc<Source>),
}

impl Credential {
    pub(crate) fn of(parts: &Parts, api: &Api) -> Result<Credential, Problem> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return Err(Problem::unauthorized(
                "send `Authorization: Bearer TOKEN`; the server's first start wrote one to admin.token in its data folder",
            ));
        };
        let text = header.to_str().ok().and_then(|text| text.split_once(' '));
        let token = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        // Looking a hash up leaks nothing useful by its timing: the hash is not the secret.
        let hash = token.map(TokenHash::of);
        let catalogue = api.store().catalogue();
        let token = hash.and_then(|hash| catalogue.token_hashed(&hash).cloned()).map(Credential::Token);
        let known = token.or_else(|| {
            let source = hash.and_then(|hash| catalogue.sources().with_credential(&hash).cloned());
            source.map(Credential::Source)
        });
        let known = known.ok_or_else(unknown)?;
        let tenant = match &known {
            Credential::Token(token) => &token.owner_id,
            Credential::Source(source) => &source.header.owner_id,
        };
        if catalogue.is_switched_off(tenant) {
            return Err(Problem::tenant_disabled(tenant));
        }
        known.note_use(api);
        Ok(known)
    }

    fn note_use(&self, api: &Api) {
        match self {
            Credential::Token(token) => note_token(api, token),
            Credential::Source(source) => note_source(api, source),
        }
    }
}

fn note_token(api: &Api, token: &Token) {
    api.seen().tokens.note(token.id, api.now(), |id| api.catalogue().token(id).is_some());
}

/// Notes that a source was heard of.
pub(super) fn note_source(api: &Api, source: &Source) {
    api.seen().sources.note(source.header.id, api.now(), |id| api.catalogue().sources().get(id).is_some());
}

fn unknown() -> Problem {
    Problem::unauthorized("this token is not known here, or no longer")
}

/// The token with this hash as it is now, for who sends it in another way than with each request.
pub(crate) fn signed_in(api: &Api, hash: &TokenHash) -> Result<Arc<Token>, Problem> {
    let catalogue = api.store().catalogue();
    let token = catalogue.token_hashed(hash).cloned().ok_or_else(unknown)?;
    if catalogue.is_switched_off(&token.owner_id) {
        return Err(Problem::tenant_disabled(&token.owner_id));
    }
    note_token(api, &token);
    Ok(token)
}
