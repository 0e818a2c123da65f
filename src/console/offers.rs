//! What a field offers while something is typed into it: names of which there may be thousands.

use super::form::Fields;
use super::visit::{Visit, page, parsed};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::{action, event_type, module, secret, sink_type, source_type};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// More than these nobody reads; another letter finds others.
const OFFERED_MAX: usize = 30;

#[derive(Template)]
#[template(source = r#"{% for name in names %}<option value="{{ name }}"></option>{% endfor %}"#, ext = "html")]
struct Offers {
    names: Vec<String>,
}

/// `of` says what; the other field is what was typed.
pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let fields = Fields::of_query(Some(visit.query()));
    let typed = fields.pairs().find(|(name, _)| *name != "of").map_or("", |(_, value)| value);
    let query = format!("{}&limit={OFFERED_MAX}", Fields::one("q", typed.trim()));
    let (caller, api) = (visit.caller::<Read>()?, State(visit.api().clone()));
    let names: Vec<String> = match fields.get("of") {
        "actions" => {
            let found = action::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().map(|action| action.name).collect()
        }
        "modules" => {
            let found = module::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().flat_map(|module| references(module.names, module.digest)).collect()
        }
        "sink-types" => {
            let found = sink_type::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().map(|sink_type| sink_type.header.name).collect()
        }
        "source-types" => {
            let found = source_type::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().map(|source_type| source_type.header.name).collect()
        }
        "secrets" => {
            let found = secret::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().map(|secret| secret.key).collect()
        }
        _ => {
            let found = event_type::list(caller, api, Query(parsed(&query)?)).await?;
            found.items.into_iter().map(|event_type| event_type.display_name).collect()
        }
    };
    page(&Offers { names })
}

/// What a module is named by: the name, which means its newest upload; the version; without a name the digest.
fn references(names: Vec<String>, digest: String) -> Vec<String> {
    let Some(newest) = names.last() else { return vec![digest] };
    let name = newest.split_once('@').map(|(name, _)| name.to_owned());
    name.into_iter().chain([newest.clone()]).collect()
}
