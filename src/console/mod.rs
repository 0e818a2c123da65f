//! Pages for people: every address on one screen.
//!
//! A page asks the API's own functions in the name of whoever is signed in, and shows what they answer: it has no rights,
//! rules or reads of its own. What must hold for all of them is in `guard`. It does not know who listens.

mod action;
mod action_form;
mod actions;
mod asset;
mod chain;
mod conflict;
mod curl;
mod diff;
mod event;
mod event_type;
mod event_type_form;
mod event_types;
mod events;
mod form;
mod frame;
mod guard;
mod kinds;
mod list;
mod live;
mod login;
mod offers;
mod parameter_list;
mod parameters;
mod removal;
mod run;
mod sample;
mod sample_json;
mod sent;
mod session;
mod show;
mod timeline;
mod trial;
mod versions;
mod visit;

use crate::api::Api;
use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing;
use session::Doors;

/// The pages behind the login, in the order of the navigation.
fn described() -> Pages {
    Pages::default()
        .get("/console", || async { Redirect::to("/console/events") })
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
        .get("/console/stream", live::watch)
        .post("/console/logout", login::leave)
        .get("/console/{*rest}", guard::nothing)
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
