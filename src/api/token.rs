//! Tokens: credentials with rights.

use super::Api;
use super::auth::{Admin, Caller, Execute, Needs, Read, Write};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List, Row};
use crate::domain::{Rights, TenantId, Timestamp, Token, TokenHash, TokenId};
use crate::store::{Change, Transition};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenIn {
    /// For the record; it is shown beside everything done with the token.
    name: String,
    #[schema(value_type = RightsSchema)]
    rights: Rights,
    /// The tenant it acts for; only the platform names another than its own. Empty: the platform.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// What a token allows; what is left out is not allowed.
#[derive(ToSchema)]
#[schema(as = Rights)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
struct RightsSchema {
    /// See the catalogue and the history.
    read: bool,
    /// Change the catalogue.
    write: bool,
    /// Fire events.
    execute: bool,
    /// Tokens, and everything else.
    admin: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: TokenId,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    #[schema(value_type = RightsSchema)]
    pub(crate) rights: Rights,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// When it was last used since the server started; null when it was not. Signing in to the console is a use.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_used_at: Option<Timestamp>,
    /// The token itself: shown once, here; only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// Create a token
#[utoipa::path(post, path = "/token", tag = "tokens", request_body = TokenIn, responses((status = 201, body = page::Envelope<TokenOut>)))]
pub(crate) async fn create(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Body(body): Body<TokenIn>,
) -> Result<Data<TokenOut>, Problem> {
    let owner_id = caller.owner(body.owner_id)?;
    if body.name.trim().is_empty() || body.name.len() > 128 || body.name.chars().any(char::is_control) {
        return Err(Problem::invalid(vec![Fault::new("/name", "a token's name has 1 to 128 printable characters")]));
    }
    if body.rights == Rights::default() {
        return Err(Problem::invalid(vec![Fault::new("/rights", "a token without rights is good for nothing")]));
    }
    let text = Token::text(&api.entropy().bytes());
    let token = Token {
        id: TokenId::new(api.ids(), api.now()),
        name: body.name,
        owner_id,
        rights: body.rights,
        hash: TokenHash::of(&text),
        created_at: api.now(),
        created_by: caller.name().to_owned(),
    };
    let out = TokenOut { token: Some(text), ..TokenOut::of(&token) };
    api.commit(&caller, Transition::of([Change::PutToken(Arc::new(token))])).await?;
    Ok(Data::created(out))
}

/// List tokens
#[utoipa::path(get, path = "/token", tag = "tokens", params(TokenFilter), responses((status = 200, body = page::Envelope<Vec<TokenOut>>)))]
pub(crate) async fn list(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Query(filter): Query<TokenFilter>,
) -> Result<List<TokenOut>, Problem> {
    let right = filter.right.as_deref().map(right_named).transpose()?;
    let catalogue = api.catalogue();
    let visible = catalogue.tokens().filter(|token| caller.tenant().may_change(&token.owner_id));
    let visible = visible.filter(|token| right.is_none_or(|right| token.rights.allow(right)));
    let rows = visible.map(|token| Row {
        item: TokenOut::of(token).seen(&api),
        id: token.id.to_string(),
        name: token.name.clone(),
        description: String::new(),
        owner_id: token.owner_id.to_string(),
        created_at: token.created_at,
        updated_at: token.created_at,
    });
    page::list(rows, &filter.page())
}

/// Read about a token
#[utoipa::path(get, path = "/token/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<TokenOut>)))]
pub(crate) async fn read(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<TokenOut>, Problem> {
    let token = find(&api, &caller, &id)?;
    Ok(Data::ok(TokenOut::of(&token).seen(&api)))
}

/// Delete a token
///
/// It stops working at once.
#[utoipa::path(delete, path = "/token/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<TokenOut>)))]
pub(crate) async fn delete(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<TokenOut>, Problem> {
    let token = find(&api, &caller, &id)?;
    api.commit(&caller, Transition::of([Change::DeleteToken(token.id)])).await?;
    Ok(Data::ok(TokenOut::of(&token).seen(&api)))
}

fn find(api: &Api, caller: &Caller<Admin>, id: &str) -> Result<Arc<Token>, Problem> {
    let token = id.parse().ok().and_then(|id: TokenId| api.catalogue().token(id).cloned());
    let visible = token.filter(|token| caller.tenant().may_change(&token.owner_id));
    visible.ok_or_else(|| Problem::not_found("token", id))
}

fn right_named(name: &str) -> Result<Rights, Problem> {
    match name {
        "read" => Ok(Read::RIGHTS),
        "write" => Ok(Write::RIGHTS),
        "execute" => Ok(Execute::RIGHTS),
        "admin" => Ok(Admin::RIGHTS),
        _ => Err(Problem::bad_request(format!("right={name}: a right is read, write, execute or admin"))),
    }
}

page::filter! {
    TokenFilter {
        /// Only those that may do this: `read`, `write`, `execute` or `admin`, which may do all of it.
        right: String,
    }
}

impl TokenOut {
    fn seen(self, api: &Api) -> TokenOut {
        TokenOut { last_used_at: api.seen().tokens.last(self.id), ..self }
    }

    fn of(token: &Token) -> TokenOut {
        TokenOut {
            id: token.id,
            owner_id: token.owner_id.to_string(),
            name: token.name.clone(),
            rights: token.rights,
            created_by: token.created_by.clone(),
            created_at: token.created_at,
            last_used_at: None,
            token: None,
        }
    }
}
