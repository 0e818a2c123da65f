//! The address of a list: what it is filtered by, how it is sorted, where its page begins.

use super::form::Fields;
use super::visit::Visit;

/// A list as its address says. Empty fields are no filters.
pub(super) struct Listing {
    path: String,
    fields: Fields,
}

/// What is no filter of what a list has.
const NO_FILTERS: [&str; 3] = ["sort", "limit", "cursor"];

impl Listing {
    pub(super) fn of(visit: &Visit) -> Listing {
        let mut fields = Fields::of_query(Some(visit.query()));
        fields.retain(|_, value| !value.is_empty());
        Listing { path: visit.path().to_owned(), fields }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.get(name)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).eq_ignore_ascii_case(value)
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.fields.pairs().any(|(name, _)| !NO_FILTERS.contains(&name))
    }

    /// Whether it begins where the list begins.
    pub(super) fn is_first_page(&self) -> bool {
        self.get("cursor").is_empty()
    }

    /// As it is.
    pub(super) fn url(&self) -> String {
        self.written(|_| true, &[])
    }

    /// The same list with a field that says something else; an empty value takes it out. Its first page.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        self.written(|found| found != name && found != "cursor", &[(name, value)])
    }

    /// The page of it that begins at a cursor.
    pub(super) fn page(&self, cursor: &str) -> String {
        self.with("cursor", cursor)
    }

    /// All of it.
    pub(super) fn unfiltered(&self) -> String {
        self.written(|name| name == "sort" || name == "limit", &[])
    }

    /// The query for the API: without the fields that only the console knows, and with others.
    pub(super) fn query(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        self.encoded(|name| !without.contains(&name) && !with.iter().any(|(other, _)| *other == name), with)
    }

    fn written(&self, keep: impl Fn(&str) -> bool, with: &[(&str, &str)]) -> String {
        let query = self.encoded(keep, with);
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    fn encoded(&self, keep: impl Fn(&str) -> bool, with: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.fields.pairs().filter(|(name, _)| keep(name)));
        query.extend_pairs(with.iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}
