//! Another source code for an action, and nothing else: for editors.

use super::body::{ActionIn, ActionOut};
use super::{find, replace};
use crate::api::Api;
use crate::api::auth::{Caller, Write};
use crate::api::error::{Fault, Problem};
use crate::api::page::Data;
use axum::http::HeaderMap;

/// Changes the code of an action as `PUT /action/{id}` would with everything else as it is.
pub(crate) async fn change_code(
    api: &Api,
    caller: &Caller<Write>,
    id: &str,
    headers: &HeaderMap,
    code: String,
) -> Result<Data<ActionOut>, Problem> {
    let old = find(api, caller.tenant(), id)?;
    caller.check_may_change(&old.owner_id, "action", id)?;
    let Some(source) = &old.source else {
        return Err(Problem::invalid(vec![Fault::new("/code", "the action runs a module and has no source code")]));
    };
    let mut body = ActionIn::from(old.as_ref().clone()).with_code(source.language.clone(), code);
    body.check(api, &old.owner_id)?;
    replace(api, caller, &old, headers, body).await
}
