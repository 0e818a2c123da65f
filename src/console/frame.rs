//! What is around every page: the navigation, who is signed in, the theme.

use super::asset;
use super::session::cookie;
use crate::api::auth::{Admin, Needs, Read};
use crate::domain::{Rights, Token};
use axum::http::HeaderMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A place in the navigation.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    /// The sections that belong together have a line above the first.
    pub(super) begins: bool,
    /// What who looks at it needs.
    needs: Rights,
}

const fn section(id: &'static str, path: &'static str, label: &'static str) -> Section {
    Section { id, path, label, begins: false, needs: Read::RIGHTS }
}

const fn first(section: Section) -> Section {
    Section { begins: true, ..section }
}

const fn admins(section: Section) -> Section {
    Section { needs: Admin::RIGHTS, ..section }
}

/// In the order in which they are shown. One shows as soon as `mod.rs` has its page, to those who may look at it.
const SECTIONS: [Section; 14] = [
    section("overview", "/console/overview", "Overview"),
    section("events", "/console/events", "Events"),
    first(section("event-types", "/console/event-types", "Event types")),
    section("actions", "/console/actions", "Actions"),
    section("modules", "/console/modules", "Modules"),
    section("objects", "/console/objects", "Objects"),
    section("chains", "/console/chains", "Chains"),
    first(section("schedules", "/console/schedules", "Schedules")),
    section("sources", "/console/sources", "Sources"),
    section("sinks", "/console/sinks", "Sinks"),
    section("secrets", "/console/secrets", "Secrets"),
    first(section("limits", "/console/limits", "Limits")),
    admins(section("tokens", "/console/tokens", "Tokens")),
    admins(section("audit", "/console/audit", "Audit")),
];

static SHOWN: LazyLock<Vec<&Section>> = LazyLock::new(|| {
    let pages = super::addresses();
    SECTIONS.iter().filter(|section| pages.contains(&("GET", section.path))).collect()
});

/// The layout's part of a page.
pub(super) struct Frame {
    pub(super) title: String,
    /// The section that it belongs to.
    pub(super) section: &'static str,
    pub(super) token: Arc<Token>,
    pub(super) csrf: Arc<str>,
    pub(super) theme: Theme,
    /// Where changes of what it shows are told; empty when nothing is live.
    pub(super) stream: String,
}

impl Frame {
    /// A page whose parts with `data-live` are asked for again when something changes; `query` as of `GET /stream`.
    pub(super) fn live(self, query: &str) -> Frame {
        let stream = if query.is_empty() { "/console/stream".to_owned() } else { format!("/console/stream?{query}") };
        Frame { stream, ..self }
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &'static Section> {
        SHOWN.iter().copied().filter(|section| self.token.rights.allow(section.needs))
    }

    pub(super) fn asset(&self, name: &'static str) -> &'static str {
        asset::url(name)
    }

    pub(super) fn tenant(&self) -> &str {
        if self.token.owner_id.is_shared() { "all tenants" } else { self.token.owner_id.as_str() }
    }
}

/// Light, dark, or as the reader's system is.
#[derive(Clone, Copy)]
pub(super) enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn of(headers: &HeaderMap) -> Theme {
        match cookie(headers, "fusebox_theme") {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        }
    }
}

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        })
    }
}
