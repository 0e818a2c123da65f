//! What the pages of actions and event types share: names that lead to pages, and lists that are sorted by a column.

use super::list::Listing;
use super::visit::Visit;
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::{action, event_type};
use crate::domain::{ActionId, EventTypeName, TenantId};

/// A name, and where its page is.
pub(super) struct Named {
    /// Empty when the reader has no page of it.
    pub(super) id: String,
    pub(super) name: String,
}

/// The event type that a name means to `owner`: another tenant's is a name and no more.
pub(super) fn event_type_named(
    visit: &Visit,
    owner: &str,
    name: Option<&EventTypeName>,
) -> Result<Option<Named>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let caller = visit.caller::<Read>()?;
    let owner: TenantId = owner.parse().unwrap_or_default();
    let found = event_type::find(visit.api(), &owner, name.as_str()).ok();
    let seen = found.filter(|found| caller.tenant().sees(&found.owner_id));
    let id = seen.map(|found| found.id.to_string()).unwrap_or_default();
    Ok(Some(Named { id, name: name.to_string() }))
}

pub(super) fn action_named(visit: &Visit, id: Option<ActionId>) -> Result<Option<Named>, Problem> {
    let Some(id) = id.map(|id| id.to_string()) else { return Ok(None) };
    let caller = visit.caller::<Read>()?;
    let found = action::find(visit.api(), caller.tenant(), &id).ok();
    Ok(found.map(|found| Named { id, name: found.name.to_string() }))
}

/// Whether whoever is signed in may change what this tenant owns.
pub(super) fn is_own(visit: &Visit, owner: &str) -> bool {
    let caller = visit.caller::<Read>();
    caller.is_ok_and(|caller| owner.parse().is_ok_and(|owner| caller.tenant().may_change(&owner)))
}

/// How a list of the catalogue is sorted.
pub(super) struct Sorting {
    field: String,
    descending: bool,
}

impl Sorting {
    pub(super) fn of_list(listing: &Listing) -> Sorting {
        let said = Some(listing.get("sort")).filter(|said| !said.is_empty()).unwrap_or("name");
        let (field, descending) = said.strip_prefix('-').map_or((said, false), |field| (field, true));
        Sorting { field: field.to_owned(), descending }
    }

    /// For `aria-sort`.
    pub(super) fn of(&self, field: &str) -> &'static str {
        match (self.field == field, self.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    pub(super) fn arrow(&self, field: &str) -> &'static str {
        match self.of(field) {
            "ascending" => "↑",
            "descending" => "↓",
            _ => "",
        }
    }

    /// The list sorted by a column, or the other way round: names from A, times from the newest.
    pub(super) fn by(&self, listing: &Listing, field: &str) -> String {
        let begins_descending = field != "name";
        let descending = if self.field == field { !self.descending } else { begins_descending };
        let sort = if descending { format!("-{field}") } else { field.to_owned() };
        listing.with("sort", if sort == "name" { "" } else { &sort })
    }
}

/// A text as one part of a path.
pub(super) fn path_part(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_part_of_a_path_whatever_is_in_it() {
        assert_eq!(path_part("a b/c?+ü"), "a%20b%2Fc%3F%2B%C3%BC");
    }
}
