//! A list of the catalogue: what the API answers, in rows, with what it can be filtered by. One template for all of them.

use super::cell::{Cell, Column};
use super::frame::Frame;
use super::list::Listing;
use super::visit::{Visit, page};
use super::{show, timespan};
use crate::api::error::Problem;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "things.html", blocks = ["list"])]
pub(super) struct Things {
    pub(super) frame: Frame,
    pub(super) listing: Listing,
    /// What one and many of them are called, such as `schedule`, `schedules`.
    pub(super) named: (&'static str, &'static str),
    /// Lists that belong together; the one whose path is its own is this one.
    pub(super) tabs: Vec<Tab>,
    /// Where a new one is made, and what the button says; `None` for who may not.
    pub(super) new: Option<Tab>,
    pub(super) filters: Vec<Filter>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<String>,
    pub(super) empty: Empty,
}

/// An address and what it is called.
pub(super) struct Tab {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
}

/// What a list can be filtered or sorted by, besides the search.
pub(super) enum Filter {
    /// One of some values, each with its label; the empty value comes first.
    Choice {
        name: &'static str,
        label: &'static str,
        options: Vec<(String, String)>,
    },
    /// Any text, of which some are offered.
    Typed {
        name: &'static str,
        label: &'static str,
        offered: Vec<String>,
    },
    Timespan,
}

/// One thing. The first cell of a column `main` links to its detail.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) cells: Vec<Cell>,
}

/// What to do while there are none.
pub(super) struct Empty {
    pub(super) what: &'static str,
    pub(super) next: &'static str,
    /// A line for the command line.
    pub(super) code: &'static str,
}

impl Filter {
    pub(super) fn choice(name: &'static str, label: &'static str, options: &[(&str, &str)]) -> Filter {
        let options = options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect();
        Filter::Choice { name, label, options }
    }

    /// As lists of the catalogue are sorted.
    pub(super) fn sort() -> Filter {
        let options = [("", "By name"), ("-created_at", "Newest first"), ("-updated_at", "Last changed first")];
        Filter::choice("sort", "Order", &options)
    }

    pub(super) fn enabled() -> Filter {
        Filter::choice("enabled", "State", &[("", "Any state"), ("true", "Enabled"), ("false", "Disabled")])
    }

    /// Whose; for who sees everybody's.
    pub(super) fn tenant(visit: &Visit) -> Option<Filter> {
        visit.sees_all().then(|| Filter::Typed { name: "owner_id", label: "Tenant", offered: Vec::new() })
    }
}

impl Things {
    pub(super) fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.part() == "list" { page(&self.as_list()) } else { page(self) }
    }

    fn path(&self) -> &str {
        self.listing.path()
    }

    fn counted(&self) -> &'static str {
        if self.rows.len() == 1 { self.named.0 } else { self.named.1 }
    }

    fn is_live(&self) -> bool {
        !self.frame.stream.is_empty() && self.listing.is_first_page()
    }
}
