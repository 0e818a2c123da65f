//! Who calls, and what they may do.

use super::Api;
use super::error::Problem;
use crate::domain::{RequestId, Rights, TenantId, Timestamp, Token, TokenHash};
use crate::store::Author;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::marker::PhantomData;
use std::sync::Arc;

/// A right that a route asks for, as a type, so that a handler's signature declares it.
pub(super) trait Needs: Send + Sync + 'static {
    const RIGHTS: Rights;
}

pub(super) struct Read;
pub(super) struct Write;
pub(super) struct Execute;
pub(super) struct Admin;

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
pub(super) struct Caller<N> {
    token: Arc<Token>,
    needs: PhantomData<N>,
}

impl<N> Clone for Caller<N> {
    fn clone(&self) -> Caller<N> {
        Caller { token: Arc::clone(&self.token), needs: PhantomData }
    }
}

impl<N> Caller<N> {
    pub(super) fn tenant(&self) -> &TenantId {
        &self.token.owner_id
    }

    /// For the record: who did it.
    pub(super) fn name(&self) -> &str {
        &self.token.name
    }

    /// The same for the audit log.
    pub(super) fn author(&self, request: RequestId, at: Timestamp) -> Author {
        let Token { id, name, owner_id, .. } = self.token.as_ref();
        Author { token: *id, name: name.clone(), tenant: owner_id.clone(), request, at }
    }

    /// Whose history to look at: `None`, everybody's, for the platform's own tokens.
    pub(super) fn scope(&self) -> Option<&TenantId> {
        (!self.tenant().is_shared()).then(|| self.tenant())
    }

    /// The owner of something new: the caller's tenant unless the platform names another.
    pub(super) fn owner(&self, asked: Option<TenantId>) -> Result<TenantId, Problem> {
        match asked {
            None => Ok(self.tenant().clone()),
            Some(owner) if self.tenant().may_change(&owner) => Ok(owner),
            Some(_) => Err(Problem::new(
                axum::http::StatusCode::FORBIDDEN,
                "forbidden",
                "owner_id: a token can only make things for its own tenant",
            )),
        }
    }

    /// Refuses to change what belongs to somebody else; what the caller cannot even see does not exist for it.
    pub(super) fn check_may_change(
        &self,
        owner: &TenantId,
        what: &str,
        name: impl std::fmt::Display,
    ) -> Result<(), Problem> {
        if self.tenant().may_change(owner) {
            Ok(())
        } else if self.tenant().sees(owner) {
            let detail = format!("the {what} `{name}` is shared by all tenants; only the platform changes it");
            Err(Problem::new(axum::http::StatusCode::FORBIDDEN, "forbidden", detail))
        } else {
            Err(Problem::not_found(what, name))
        }
    }
}

impl<N: Needs> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller<N>, Problem> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return Err(Problem::unauthorized(
                "send `Authorization: Bearer TOKEN`; the server's first start wrote one to admin.token in its data folder",
            ));
        };
        let text = header.to_str().ok().and_then(|text| text.split_once(' '));
        let token = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        // Looking a hash up leaks nothing useful by its timing: the hash is not the secret.
        let known = token.and_then(|token| api.store().catalogue().token_hashed(&TokenHash::of(token)).cloned());
        let token = known.ok_or_else(|| Problem::unauthorized("this token is not known here, or no longer"))?;
        if !token.rights.allow(N::RIGHTS) {
            return Err(Problem::forbidden(N::RIGHTS, token.rights));
        }
        Ok(Caller { token, needs: PhantomData })
    }
}
