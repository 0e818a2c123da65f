//! Secrets: written, replaced and deleted here, and never shown.

use super::cell::{Body, Cell, Column, Link, Part};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, unchanged};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Admin, Read, Write};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::secret::{self, SecretOut, UserOut};
use crate::domain::EntryName;
use axum::extract::{Path, State};
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/secrets", "Secrets");
/// A field that hides what is typed has no lines.
const ONE_LINE: &str = "One of several lines, as a PEM key, is set by fusebox secret set KEY --from-file FILE.";
const COLUMNS: [Column; 4] = [
    Column::new("Name", "main"),
    Column::new("May be sent to", "clip result"),
    Column::new("Version", "number aside"),
    Column::new("Changed", "when aside"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = secret::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("secrets", LIST.1),
        listing,
        named: ("secret", "secrets"),
        tabs: if visit.may::<Admin>() && visit.sees_all() { TABS.into() } else { Vec::new() },
        new: visit.may::<Write>().then_some(Tab { path: "/console/secrets/new", label: "New secret" }),
        filters: [Filter::sort()].into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "There are no secrets.",
            next: "A secret is a value that actions are given and nobody sees again: a parameter of the kind SECRET names it. Set one here, or with",
            code: "printf %s \"$VALUE\" | fusebox secret set stripe.key",
        },
    };
    things.answer(&visit)
}

const TABS: [Tab; 2] = [
    Tab { path: "/console/secrets", label: "Secrets" },
    Tab { path: "/console/secret-key/rotate", label: "Change the encryption key…" },
];

/// One key may be of several tenants.
pub(super) fn path(key: &str, owner_id: &str, more: &str) -> String {
    let path = format!("{}/{key}{more}", LIST.0);
    if owner_id.is_empty() { path } else { format!("{path}?{}", Fields::one("owner_id", owner_id)) }
}

fn path_of(item: &SecretOut, more: &str) -> String {
    path(&item.key, &item.owner_id, more)
}

fn row(item: &SecretOut, visit: &Visit) -> Row {
    let hosts = item.allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut cells = vec![
        Cell::text(&item.key),
        if hosts.is_empty() { Cell::Hint("the action's own code".to_owned()) } else { Cell::Text(hosts) },
        Cell::Text(item.version.to_string()),
        Cell::Time(item.updated_at),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&item.owner_id)));
    Row { id: format!("{}-{}", item.owner_id, item.key), path: path_of(item, ""), cells }
}

async fn read(visit: &Visit, key: String) -> Result<SecretOut, Problem> {
    let caller = visit.caller::<Read>()?;
    let owner = parsed(visit.query())?;
    let data = secret::read(caller, State(visit.api().clone()), Named(key), Query(owner)).await?;
    Ok(data.into_parts().0)
}

fn user(user: &UserOut) -> Link {
    let path = match user.kind {
        "action" => format!("/console/actions/{}", user.id),
        "source" => format!("/console/sources/{}", user.id),
        _ => format!("/console/event-types/{}", user.id),
    };
    Link { path, text: user.name.clone() }
}

pub(super) async fn show(visit: Visit, Path(key): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, key).await?;
    let mut buttons = Vec::new();
    if visit.may::<Write>() {
        buttons.push(Button::Go { path: path_of(&item, "/edit"), label: "Set a new value" });
        buttons.push(Button::Ask { path: path_of(&item, "/delete"), label: "Delete…" });
    }
    let row = |found: &UserOut| vec![Cell::Hint(found.kind.replace('-', " ")), Cell::Link(user(found))];
    let users = item.used_by.as_deref().unwrap_or_default();
    let used_by = if users.is_empty() {
        Body::Words("Nothing takes it.".to_owned())
    } else {
        let columns = vec![Column::new("What", ""), Column::new("Name", "")];
        Body::Table { columns, rows: users.iter().map(row).collect() }
    };
    let hosts = if item.allowed_hosts.is_empty() {
        Body::Words("A parameter with reveal: false may not use it: no host is allowed.".to_owned())
    } else {
        let rows = item.allowed_hosts.iter().map(|host| vec![Cell::Code(host.to_string())]).collect();
        Body::Table { columns: vec![Column::new("Rule", "")], rows }
    };
    let thing = Thing {
        frame: visit.frame("secrets", format!("Secret {}", item.key)),
        list: LIST,
        title: item.key.clone(),
        state: Cell::Nothing,
        description: item.description.clone(),
        warning: String::new(),
        buttons,
        facts: vec![
            ("Value", Cell::Hint("•••• is never shown".to_owned())),
            ("Version", Cell::Text(item.version.to_string())),
            ("Tenant", if visit.sees_all() { Cell::tenant(&item.owner_id) } else { Cell::Nothing }),
            ("Changed", Cell::Time(item.updated_at)),
            ("By", Cell::text(&item.updated_by)),
            ("Created", Cell::Time(item.created_at)),
        ],
        parts: vec![Part::new("Used by", used_by), Part::new("Where it may be sent", hosts)],
        path: path_of(&item, ""),
    };
    thing.answer(&visit)
}

fn fields(value: Field) -> Vec<Field> {
    vec![
        value,
        Field::lines("/description:text", "Description", 2),
        Field::lines("/allowed_hosts:lines", "Hosts that it may be sent to", 3).hint(
            "For parameters with reveal: false, whose value the action itself does not see. One rule in a line, as https://api.example.com.",
        ),
    ]
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let mut all = vec![Field::line("/key", "Name").required().hint("What parameters name it by, as stripe.key.")];
    all.extend(fields(Field::password("/value:text", "Value").required().hint(ONE_LINE)));
    if visit.sees_all() {
        all.push(
            Field::line("/owner_id", "Tenant")
                .hint("Whose it is. Empty: the platform's own, which tenants do not see."),
        );
    }
    let sheet = Sheet {
        frame: visit.frame("secrets", "New secret"),
        explained: "The value is encrypted, and no page and no answer ever has it.".to_owned(),
        groups: vec![Group::new("", "", all)],
        action: LIST.0.to_owned(),
        back: LIST.0.to_owned(),
        verb: "Save",
        version: None,
    };
    page(&sheet)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let key: Result<EntryName, _> = fields.get("/key").trim().parse();
    let key = key.map_err(|error| Problem::invalid(vec![Fault::new("/key", error)]))?;
    // One that is there is not replaced by accident.
    let new = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("*"))]);
    let body = Sent(body(&visit, &fields)?);
    let taken = |problem: Problem| match problem.status() {
        412 => Problem::invalid(vec![Fault::new(
            "/key",
            format!("there is a secret `{key}` already: set a new value there"),
        )]),
        _ => problem,
    };
    let made = secret::put(caller, State(visit.api().clone()), Named(key.to_string()), new, body).await;
    let made = made.map_err(taken)?;
    Ok(visit.go(&path_of(&made.into_parts().0, "")))
}

/// Without the name, which is part of the path.
fn body(visit: &Visit, fields: &Fields) -> Result<Value, Problem> {
    let mut rest = fields.clone();
    rest.retain(|name, value| name != "/key" && !(name == "/value:text" && value.is_empty()));
    rest.body(visit.api())
}

pub(super) async fn edit(visit: Visit, Path(key): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, key).await?;
    let value = Field::password("/value:text", "New value")
        .hint(format!("Left empty, it stays as it is. Runs see a new one from their next attempt on. {ONE_LINE}"));
    let sheet = Sheet {
        frame: visit.frame("secrets", format!("Set {}", item.key)),
        explained: "The value that it has is not shown.".to_owned(),
        groups: vec![Group::new("", "", fields(value))],
        action: path_of(&item, ""),
        back: path_of(&item, ""),
        verb: "Save",
        version: None,
    };
    page(&sheet.filled(&item))
}

pub(super) async fn change(visit: Visit, Path(key): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let mut body = body(&visit, &fields)?;
    let whose = Fields::of_query(Some(visit.query()));
    if let (Value::Object(body), owner @ [_, ..]) = (&mut body, whose.get("owner_id").as_bytes()) {
        body.insert("owner_id".to_owned(), Value::from(String::from_utf8_lossy(owner)));
    }
    let headers = unchanged(&visit, &fields);
    let changed = secret::put(caller, State(visit.api().clone()), Named(key), headers, Sent(body)).await;
    Ok(visit.go(&path_of(&changed.map_err(in_words)?.into_parts().0, "")))
}

pub(super) async fn ask_to_delete(visit: Visit, Path(key): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, key).await?;
    let users = item.used_by.as_deref().unwrap_or_default();
    let mut consequences: Vec<String> =
        users.iter().take(10).map(|user| format!("{} takes it.", user.words())).collect();
    if users.len() > 10 {
        consequences.push(format!("So do {} others.", users.len() - 10));
    }
    if !users.is_empty() {
        consequences.push(
            "Their runs end with secret_missing, and their webhooks take nothing, until it is there again.".to_owned(),
        );
    }
    consequences.push("Its value is gone for good.".to_owned());
    let confirm = Confirm {
        frame: visit.frame("secrets", "Delete"),
        question: format!("Delete the secret {}?", item.key),
        consequences,
        verb: "Delete the secret",
        action: of_version(&path_of(&item, "/delete"), item.version),
        back: path_of(&item, ""),
    };
    confirm.answer(&visit)
}

/// Who was asked was told what takes it.
pub(super) async fn delete(visit: Visit, Path(key): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let whose = Fields::of_query(Some(visit.query()));
    let owner = whose.get("owner_id");
    let mut query = "force=true".to_owned();
    if !owner.is_empty() {
        query = format!("{query}&{}", Fields::one("owner_id", owner));
    }
    secret::delete(caller, api, Named(key), Query(parsed(&query)?), unchanged(&visit, &fields))
        .await
        .map_err(in_words)?;
    Ok(visit.go(LIST.0))
}

pub(super) async fn ask_to_rotate(visit: Visit) -> Result<Response, Problem> {
    secret::check_platform(&visit.caller()?)?;
    let confirm = Confirm {
        frame: visit.frame("secrets", "Change the key"),
        question: "Change the key that encrypts the secrets?".to_owned(),
        consequences: vec![
            "A new key is made, every secret of every tenant is encrypted with it, and the older keys are dropped."
                .to_owned(),
            "Backups of the store from before need the file with the old key.".to_owned(),
        ],
        verb: "Change the key",
        action: "/console/secret-key/rotate".to_owned(),
        back: LIST.0.to_owned(),
    };
    confirm.answer(&visit)
}

pub(super) async fn rotate(visit: Visit) -> Result<Response, Problem> {
    secret::rotate(visit.caller()?, State(visit.api().clone())).await?;
    Ok(visit.go(LIST.0))
}
