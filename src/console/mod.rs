//! Pages for people: every address on one screen.
//!
//! A page asks the API's own functions in the name of whoever is signed in, and shows what they answer: it has no rights,
//! rules or reads of its own. What must hold for all of them is in `guard`. It does not know who listens.

mod action;
mod action_form;
mod actions;
mod asset;
mod attachment;
mod audit;
mod cell;
mod chain;
mod chains;
mod conflict;
mod curl;
mod diff;
mod difference;
mod drawing;
mod event;
mod event_type;
mod event_type_form;
mod event_types;
mod events;
mod form;
mod frame;
mod guard;
mod kinds;
mod layering;
mod limits;
mod list;
mod live;
mod login;
mod meters;
mod module;
mod modules;
mod object;
mod object_form;
mod objects;
mod offers;
mod once;
mod overview;
mod parameter_list;
mod parameters;
mod removal;
mod run;
mod sample;
mod sample_json;
mod schedules;
mod schema_form;
mod secrets;
mod sent;
mod session;
mod sheet;
mod show;
mod sink_types;
mod sinks;
mod source;
mod source_types;
mod sources;
mod tenants;
mod thing;
mod things;
mod timeline;
mod timespan;
mod tokens;
mod trial;
mod tries;
mod versions;
mod visit;

use crate::api::Api;
use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing;
use session::Doors;

/// The pages behind the login.
fn described() -> Pages {
    let pages = Pages::default().get("/console", || async { Redirect::to("/console/overview") });
    let pages = bounded(catalogue(modules_and_chains(objects(kinds(history(pages))))));
    pages
        .get("/console/stream", live::watch)
        .post("/console/logout", login::leave)
        .get("/console/{*rest}", guard::nothing)
}

/// What ran.
fn history(pages: Pages) -> Pages {
    pages
        .get("/console/overview", overview::show)
        .get("/console/events", events::list)
        .get("/console/events/{id}", event::show)
        .get("/console/events/{id}/replay", event::ask_to_replay)
        .post("/console/events/{id}/replay", event::replay)
        .get("/console/events/{id}/cancel", event::ask_to_cancel)
        .post("/console/events/{id}/cancel", event::cancel)
        .get("/console/runs/{id}", run::show)
        .get("/console/runs/{id}/replay", run::ask_to_replay)
        .post("/console/runs/{id}/replay", run::replay)
        .get("/console/runs/{id}/cancel", run::ask_to_cancel)
        .post("/console/runs/{id}/cancel", run::cancel)
}

/// Event types and actions.
fn kinds(pages: Pages) -> Pages {
    pages
        .get("/console/event-types", event_types::list)
        .get("/console/event-types/new", event_type_form::ask_new)
        .post("/console/event-types/new", event_type_form::create)
        .get("/console/event-types/{id}", event_type::show)
        .get("/console/event-types/{id}/edit", event_type_form::ask_edit)
        .post("/console/event-types/{id}/edit", event_type_form::change)
        .post("/console/event-types/{id}/pause", event_type::pause)
        .post("/console/event-types/{id}/resume", event_type::resume)
        .get("/console/event-types/{id}/fire", sample::ask)
        .post("/console/event-types/{id}/fire", sample::fire)
        .get("/console/event-types/{id}/delete", removal::ask_event_type)
        .post("/console/event-types/{id}/delete", removal::delete_event_type)
        .get("/console/actions", actions::list)
        .get("/console/actions/new", action_form::ask_new)
        .post("/console/actions/new", action_form::create)
        .get("/console/actions/{id}", action::show)
        .get("/console/actions/{id}/edit", action_form::ask_edit)
        .post("/console/actions/{id}/edit", action_form::change)
        .get("/console/actions/{id}/test", trial::ask)
        .post("/console/actions/{id}/test", trial::run)
        .get("/console/actions/{id}/versions", versions::list)
        .get("/console/actions/{id}/rollback", versions::ask_to_roll_back)
        .post("/console/actions/{id}/rollback", versions::roll_back)
        .get("/console/actions/{id}/delete", removal::ask_action)
        .post("/console/actions/{id}/delete", removal::delete_action)
        .get("/console/offers", offers::list)
        .post("/console/curl", curl::line)
}

/// Objects, and what is attached to them.
fn objects(pages: Pages) -> Pages {
    pages
        .get("/console/objects", objects::list)
        .get("/console/objects/new", object_form::ask_for_new)
        .post("/console/objects/new", object_form::create)
        .get("/console/objects/{object_type}/{object_id}", object::show)
        .get("/console/objects/{object_type}/{object_id}/children", objects::children)
        .get("/console/objects/{object_type}/{object_id}/edit", object_form::ask_to_change)
        .post("/console/objects/{object_type}/{object_id}/edit", object_form::change)
        .get("/console/objects/{object_type}/{object_id}/delete", object_form::ask_to_delete)
        .post("/console/objects/{object_type}/{object_id}/delete", object_form::delete)
        .post("/console/objects/{object_type}/{object_id}/order", object::order)
        .get("/console/objects/{object_type}/{object_id}/attach", attachment::choose)
        .post("/console/objects/{object_type}/{object_id}/attach", attachment::attach)
        .get("/console/actions/{id}/objects/{attachment_id}", attachment::ask_to_change)
        .post("/console/actions/{id}/objects/{attachment_id}", attachment::change)
        .get("/console/actions/{id}/objects/{attachment_id}/detach", attachment::ask_to_detach)
        .post("/console/actions/{id}/objects/{attachment_id}/detach", attachment::detach)
}

/// What actions run, and what follows what.
fn modules_and_chains(pages: Pages) -> Pages {
    pages
        .get("/console/modules", modules::list)
        .post("/console/modules", modules::upload)
        .get("/console/modules/{id}", module::show)
        .get("/console/modules/{id}/delete", module::ask_to_delete)
        .post("/console/modules/{id}/delete", module::delete)
        .get("/console/actions/{id}/source", source::show)
        .post("/console/actions/{id}/source", source::save)
        .post("/console/actions/{id}/source/test", source::test)
        .get("/console/chains", chains::show)
}

/// The pages of what the catalogue has besides actions and their events.
fn catalogue(pages: Pages) -> Pages {
    pages
        .get("/console/schedules", schedules::list)
        .post("/console/schedules", schedules::create)
        .get("/console/schedules/new", schedules::ask_for_new)
        .get("/console/schedules/preview", schedules::preview)
        .get("/console/schedules/{id}", schedules::show)
        .post("/console/schedules/{id}", schedules::change)
        .get("/console/schedules/{id}/edit", schedules::edit)
        .get("/console/schedules/{id}/delete", schedules::ask_to_delete)
        .post("/console/schedules/{id}/delete", schedules::delete)
        .get("/console/sources", sources::list)
        .post("/console/sources", sources::create)
        .get("/console/sources/new", sources::ask_for_new)
        .get("/console/sources/{id}", sources::show)
        .post("/console/sources/{id}", sources::change)
        .get("/console/sources/{id}/edit", sources::edit)
        .get("/console/sources/{id}/delete", sources::ask_to_delete)
        .post("/console/sources/{id}/delete", sources::delete)
        .get("/console/sources/{id}/token", sources::ask_to_rotate)
        .post("/console/sources/{id}/token", sources::rotate)
        .get("/console/source-types", source_types::list)
        .post("/console/source-types", source_types::create)
        .get("/console/source-types/new", source_types::ask_for_new)
        .get("/console/source-types/{id}", source_types::show)
        .post("/console/source-types/{id}", source_types::change)
        .get("/console/source-types/{id}/edit", source_types::edit)
        .get("/console/source-types/{id}/delete", source_types::ask_to_delete)
        .post("/console/source-types/{id}/delete", source_types::delete)
        .get("/console/sinks", sinks::list)
        .post("/console/sinks", sinks::create)
        .get("/console/sinks/new", sinks::ask_for_new)
        .get("/console/sinks/{id}", sinks::show)
        .post("/console/sinks/{id}", sinks::change)
        .get("/console/sinks/{id}/edit", sinks::edit)
        .get("/console/sinks/{id}/off", sinks::ask_to_take_offline)
        .post("/console/sinks/{id}/off", sinks::take_offline)
        .get("/console/sinks/{id}/delete", sinks::ask_to_delete)
        .post("/console/sinks/{id}/delete", sinks::delete)
        .get("/console/sink-types", sink_types::list)
        .post("/console/sink-types", sink_types::create)
        .get("/console/sink-types/new", sink_types::ask_for_new)
        .get("/console/sink-types/{id}", sink_types::show)
        .post("/console/sink-types/{id}", sink_types::change)
        .get("/console/sink-types/{id}/edit", sink_types::edit)
        .get("/console/sink-types/{id}/delete", sink_types::ask_to_delete)
        .post("/console/sink-types/{id}/delete", sink_types::delete)
        .get("/console/secrets", secrets::list)
        .post("/console/secrets", secrets::create)
        .get("/console/secrets/new", secrets::ask_for_new)
        .get("/console/secrets/{id}", secrets::show)
        .post("/console/secrets/{id}", secrets::change)
        .get("/console/secrets/{id}/edit", secrets::edit)
        .get("/console/secrets/{id}/delete", secrets::ask_to_delete)
        .post("/console/secrets/{id}/delete", secrets::delete)
        .get("/console/secret-key/rotate", secrets::ask_to_rotate)
        .post("/console/secret-key/rotate", secrets::rotate)
}

/// Those of what bounds tenants, of who may do what, and of what was done.
fn bounded(pages: Pages) -> Pages {
    pages
        .get("/console/limits", limits::show)
        .get("/console/tenants", tenants::list)
        .post("/console/tenants", tenants::create)
        .get("/console/tenants/new", tenants::ask_for_new)
        .get("/console/tenants/{id}", tenants::show)
        .post("/console/tenants/{id}", tenants::change)
        .get("/console/tenants/{id}/edit", tenants::edit)
        .get("/console/tenants/{id}/delete", tenants::ask_to_delete)
        .post("/console/tenants/{id}/delete", tenants::delete)
        .get("/console/tenants/{id}/off", tenants::ask_to_switch_off)
        .post("/console/tenants/{id}/off", tenants::switch_off)
        .get("/console/tokens", tokens::list)
        .post("/console/tokens", tokens::create)
        .get("/console/tokens/new", tokens::ask_for_new)
        .get("/console/tokens/{id}", tokens::show)
        .get("/console/tokens/{id}/revoke", tokens::ask_to_revoke)
        .post("/console/tokens/{id}/revoke", tokens::revoke)
        .get("/console/audit", audit::list)
        .get("/console/audit/{id}", audit::show)
}

/// The console as routes beside those of the API.
pub fn pages(api: &Api) -> Router<Api> {
    let doors = Doors::new(api.clone());
    let open: Router<Doors> = Router::new()
        .route("/console/login", routing::get(login::ask).post(login::enter))
        .route("/console/assets/{name}", routing::get(asset::serve));
    let open = open.with_state(doors.clone()).layer(from_fn(guard::headers));
    let closed = described().router.layer(from_fn_with_state(doors, guard::pass)).layer(from_fn(guard::headers));
    Router::new().route("/", routing::get(guard::root)).merge(open).merge(closed).with_state(())
}

/// Method and path of every page that asks who calls.
pub fn addresses() -> Vec<(&'static str, &'static str)> {
    described().addresses
}

/// Pages and their addresses, the one beside the other.
#[derive(Default)]
struct Pages {
    router: Router,
    addresses: Vec<(&'static str, &'static str)>,
}

impl Pages {
    fn get<H: Handler<T, ()>, T: 'static>(mut self, path: &'static str, page: H) -> Pages {
        self.addresses.push(("GET", path));
        Pages { router: self.router.route(path, routing::get(page)), ..self }
    }

    fn post<H: Handler<T, ()>, T: 'static>(mut self, path: &'static str, change: H) -> Pages {
        self.addresses.push(("POST", path));
        Pages { router: self.router.route(path, routing::post(change)), ..self }
    }
}
