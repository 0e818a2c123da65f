//! Pages for people: every address on one screen.
//!
//! A page asks the API's own functions in the name of whoever is signed in, and shows what they answer: it has no rights,
//! rules or reads of its own. What must hold for all of them is in `guard`. It does not know who listens.

mod asset;
mod chain;
mod chains;
mod drawing;
mod event;
mod events;
mod form;
mod frame;
mod guard;
mod layering;
mod list;
mod live;
mod login;
mod meters;
mod module;
mod modules;
mod parameters;
mod run;
mod session;
mod show;
mod source;
mod timeline;
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
        .get("/console/modules", modules::list)
        .post("/console/modules", modules::upload)
        .get("/console/modules/{id}", module::show)
        .get("/console/modules/{id}/delete", module::ask_to_delete)
        .post("/console/modules/{id}/delete", module::delete)
        .get("/console/actions/{id}/source", source::show)
        .post("/console/actions/{id}/source", source::save)
        .post("/console/actions/{id}/source/test", source::test)
        .get("/console/chains", chains::show)
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
