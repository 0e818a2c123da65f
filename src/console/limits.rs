//! Limits: how much of everything that is bounded is used, live, and what nothing may exceed.

use super::cell::{Body, Cell, Column, Meter, Part, amount, label};
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::show;
use super::sink_types;
use super::things::Tab;
use super::visit::{Visit, page, parsed};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::limit::{self, BoundOut, FullOut, LimitsOut};
use crate::api::page::List;
use crate::api::sink_type::{self as sink_type, SinkTypeOut};
use crate::api::tenant::{self, UsedOut};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::collections::BTreeMap;

pub(super) const TABS: [Tab; 2] =
    [Tab { path: "/console/limits", label: "Limits" }, Tab { path: "/console/tenants", label: "Tenants" }];
/// Tenants that the field for one offers, and sink types that are shown.
const SHOWN: &str = "sort=name&limit=200";

#[derive(Template)]
#[template(path = "limits.html", blocks = ["limits"])]
struct Limits {
    frame: Frame,
    listing: Listing,
    tabs: Vec<Tab>,
    offered: Vec<String>,
    sees_all: bool,
    title: String,
    parts: Vec<Part>,
}

pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let (caller, api) = (visit.caller::<Read>()?, State(visit.api().clone()));
    let found =
        limit::read(caller.clone(), api.clone(), Query(parsed(&listing.query(&[], &[]))?)).await?.into_parts().0;
    let List { items: types, .. } = sink_type::list(caller.clone(), api.clone(), Query(parsed(SHOWN)?)).await?;
    let is_part = visit.part() == "limits";
    let offered = if is_part { Vec::new() } else { tenant::list(caller, api, Query(parsed(SHOWN)?)).await?.items };
    let limits = Limits {
        frame: visit.frame("limits", "Limits").live(""),
        listing,
        tabs: TABS.into(),
        offered: offered.into_iter().map(|tenant| tenant.id.to_string()).collect(),
        sees_all: visit.sees_all(),
        title: if found.owner_id.is_empty() {
            "the platform itself".to_owned()
        } else {
            format!("the tenant {}", found.owner_id)
        },
        parts: parts(found, &types),
    };
    if is_part { page(&limits.as_limits()) } else { page(&limits) }
}

fn parts(found: LimitsOut, types: &[SinkTypeOut]) -> Vec<Part> {
    let LimitsOut { owner_id, r#use, server, fullest, attempt, bounds } = found;
    let whose = if owner_id.is_empty() { "Used by the platform itself" } else { "Used of what it may have" };
    let mut parts = vec![Part::new(whose, meters(&r#use))];
    parts.extend(server.map(|server| Part::new("Used by all tenants of what the server holds", meters(&server))));
    parts.extend(fullest.map(|fullest| Part::new("Nearest to a quota", nearest(&fullest))));
    parts.push(Part::new("Sink types", of_sink_types(types)));
    parts.push(Part::new("The widest that a sink type may give", sink_types::limits_table(&attempt)));
    parts.push(Part::new("Bounds of the server", fixed(&bounds)));
    parts
}

fn meters(used: &BTreeMap<&'static str, UsedOut>) -> Body {
    Body::Meters(used.iter().map(|(name, used)| Meter::of(name, used)).collect())
}

fn nearest(fullest: &[FullOut]) -> Body {
    if fullest.is_empty() {
        return Body::Words("No tenant has anything yet.".to_owned());
    }
    let row = |found: &FullOut| {
        let path = format!("/console/limits?{}", Fields::one("owner_id", &found.owner_id));
        vec![
            Cell::link(path, &found.owner_id),
            Cell::Text(label(found.quota)),
            Cell::Text(amount(found.quota, found.used)),
            Cell::Text(amount(found.quota, found.limit)),
        ]
    };
    let columns = vec![
        Column::new("Tenant", ""),
        Column::new("Quota", ""),
        Column::new("Used", "number"),
        Column::new("Of", "number"),
    ];
    Body::Table { columns, rows: fullest.iter().map(row).collect() }
}

fn of_sink_types(types: &[SinkTypeOut]) -> Body {
    let row = |found: &SinkTypeOut| {
        let mut cells = vec![
            Cell::link(format!("/console/sink-types/{}", found.header.id), &found.header.name),
            Cell::Text(show::count(&u64::from(found.running))),
            found.concurrency.map_or(Cell::Hint("all".to_owned()), |n| Cell::Text(show::count(&u64::from(n)))),
            Cell::Text(show::count(&(found.queued as u64))),
        ];
        cells.extend(
            sink_types::limits(&found.limits).into_iter().map(|(name, limit)| Cell::Text(amount(&name, limit))),
        );
        cells
    };
    let mut columns = vec![
        Column::new("Sink type", ""),
        Column::new("Running", "number"),
        Column::new("At once", "number"),
        Column::new("Queued", "number"),
    ];
    let limits = ["Fuel", "Memory", "Time", "Output", "Log", "HTTP calls", "HTTP bytes", "Values", "Emitted"];
    columns.extend(limits.map(|label| Column::new(label, "number")));
    Body::Table { columns, rows: types.iter().map(row).collect() }
}

fn fixed(bounds: &[BoundOut]) -> Body {
    let row = |bound: &BoundOut| {
        vec![Cell::text(bound.about), Cell::Text(amount(bound.name, bound.limit)), Cell::Code(bound.name.to_owned())]
    };
    let columns = vec![Column::new("What", ""), Column::new("At most", "number"), Column::new("Called", "")];
    Body::Table { columns, rows: bounds.iter().map(row).collect() }
}
