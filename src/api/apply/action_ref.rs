//! Actions in a document: named, and when they are another tenant's, with whose they are.

use crate::domain::{Action, ActionId, ActionName, TenantId};
use crate::store::Catalogue;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    name: ActionName,
    owner_id: TenantId,
}

/// What `value` means to `owner`: a name is that of its own action, else of a shared one; an id is fine too.
pub(super) fn resolve<'a>(
    catalogue: &'a Catalogue,
    owner: &TenantId,
    value: &Value,
) -> Result<&'a Arc<Action>, String> {
    let Value::String(text) = value else {
        let foreign = Foreign::deserialize(value);
        let Foreign { name, owner_id } =
            foreign.map_err(|error| format!("an action is written as its name, or as {{name, owner_id}}: {error}"))?;
        let found = catalogue.action_named(&owner_id, &name).filter(|action| action.public || owner.sees(&owner_id));
        return found.ok_or_else(|| format!("there is no action `{name}` of `{owner_id}`"));
    };
    let named = |owner: &TenantId| catalogue.action_named(owner, &text.parse().ok()?);
    let by_name = named(owner).or_else(|| named(&TenantId::shared()));
    let by_id = || catalogue.action(text.parse::<ActionId>().ok()?).filter(|a| a.public || owner.sees(&a.owner_id));
    by_name.or_else(by_id).ok_or_else(|| format!("there is no action `{text}`"))
}

/// How `owner` writes an action.
pub(super) fn describe(catalogue: &Catalogue, owner: &TenantId, id: ActionId) -> Value {
    match catalogue.action(id) {
        Some(action) if action.owner_id == *owner => action.name.to_string().into(),
        Some(action) => json!({ "name": action.name, "owner_id": action.owner_id }),
        // Nothing names an action that is not there.
        None => id.to_string().into(),
    }
}
