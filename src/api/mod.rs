//! JSON over HTTP: every route on one screen.
//!
//! A handler parses, checks rights through its `auth::Caller`, makes one call, and shapes the answer. Errors become
//! responses in `error` only. It does not know who listens, or how anything is stored.

pub(crate) mod action;
mod allowed_hosts;
mod apply;
pub(crate) mod attachment;
pub(crate) mod attempt;
pub(crate) mod attention;
pub(crate) mod audit;
pub(crate) mod auth;
mod backup;
pub(crate) mod chain;
mod cloudevent;
mod delay;
mod draft;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod event_filter;
pub(crate) mod event_type;
pub(crate) mod extract;
pub(crate) mod fire;
pub(crate) mod firing;
pub(crate) mod health;
mod hook;
pub(crate) mod kv;
mod leftover;
pub(crate) mod limit;
pub(crate) mod module;
pub(crate) mod module_use;
pub(crate) mod object;
mod openapi;
pub(crate) mod page;
pub(crate) mod parameter;
mod precondition;
mod refusals;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod secret;
mod seen;
pub(crate) mod sink;
pub(crate) mod sink_type;
pub(crate) mod source;
pub(crate) mod source_type;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod trial;

use crate::dispatch::Dispatch;
use crate::domain::{AuditId, Clock, Entropy, Ids, Noted, RequestId, Timestamp};
use crate::sandbox::Sandbox;
use crate::store::{Catalogue, Change, CommitError, ReadError, Store, Transition};
use auth::Caller;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use draft::Draft;
use error::Problem;
use refusals::Refusals;
use seen::Seen;
use std::sync::Arc;
use tokio::sync::{RwLock, Semaphore};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use openapi::document;

/// What the API stands on; clones share it.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    parts: Arc<Parts>,
    stream_slots: Arc<Semaphore>,
    /// One backup at a time: each keeps pages of the store's file from being used again.
    backup_slot: Arc<Semaphore>,
    refusals: Arc<Refusals>,
    seen: Arc<Seen>,
    /// Shared by changes of the catalogue; whoever has it alone finds it unchanged.
    gate: Arc<RwLock<()>>,
    /// Where changes of the catalogue go instead of the store, for what is tried before it is done.
    draft: Option<Draft>,
}

/// What a server hands to its API.
pub struct Parts {
    pub store: Store,
    pub dispatch: Dispatch,
    pub sandbox: Sandbox,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<Ids>,
    pub entropy: Arc<Entropy>,
    pub bounds: Bounds,
}

/// Bounds of requests.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of a JSON body, the payload of an event included.
    pub body_bytes: usize,
    /// Of a document of the catalogue.
    pub document_bytes: usize,
    /// Of an uploaded module.
    pub module_bytes: usize,
    /// The longest `Prefer: wait=N`.
    pub wait_s: u64,
    /// Streams open at once.
    pub streams: usize,
}

/// The routes and their description, the one made from the other.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(module::upload, module::list))
        .routes(routes!(module::read, module::delete))
        .routes(routes!(module::content))
        .routes(routes!(module_use::actions))
        .routes(routes!(action::create, action::list))
        .routes(routes!(action::read, action::change, action::delete))
        .routes(routes!(action::versions))
        .routes(routes!(action::roll_back))
        .routes(routes!(trial::test))
        .routes(routes!(kv::list))
        .routes(routes!(kv::read, kv::delete))
        .routes(routes!(attachment::create, attachment::list))
        .routes(routes!(attachment::read, attachment::change, attachment::delete))
        .routes(routes!(attachment::create_on, attachment::list_on))
        .routes(routes!(object::put, object::read, object::delete))
        .routes(routes!(object::list::list))
        .routes(routes!(object::effective))
        .routes(routes!(object::order::put_before))
        .routes(routes!(event_type::create, event_type::list))
        .routes(routes!(event_type::read, event_type::change, event_type::delete))
        .routes(routes!(event_type::pause))
        .routes(routes!(event_type::resume))
        .routes(routes!(source_type::create, source_type::list))
        .routes(routes!(source_type::read, source_type::change, source_type::delete))
        .routes(routes!(source::create, source::list))
        .routes(routes!(source::read, source::change, source::delete))
        .routes(routes!(source::rotate))
        .routes(routes!(sink_type::create, sink_type::list))
        .routes(routes!(sink_type::read, sink_type::change, sink_type::delete))
        .routes(routes!(sink::create, sink::list))
        .routes(routes!(sink::read, sink::change, sink::delete))
        .routes(routes!(hook::receive))
        .routes(routes!(fire::fire, event::list))
        .routes(routes!(event::read))
        .routes(routes!(replay::replay_many))
        .routes(routes!(replay::replay_event))
        .routes(routes!(replay::replay_run))
        .routes(routes!(event::cancel))
        .routes(routes!(fire::trigger))
        .routes(routes!(run::list))
        .routes(routes!(run::read))
        .routes(routes!(run::cancel))
        .routes(routes!(run::log))
        .routes(routes!(attempt::read_attempt))
        .routes(routes!(stats::count))
        .routes(routes!(stats::failures))
        .routes(routes!(stats::load))
        .routes(routes!(attention::list))
        .routes(routes!(schedule::create, schedule::list))
        .routes(routes!(schedule::read, schedule::change, schedule::delete))
        .routes(routes!(stream::watch))
        .routes(routes!(secret::list))
        .routes(routes!(secret::put, secret::read, secret::delete))
        .routes(routes!(secret::rotate))
        .routes(routes!(token::create, token::list))
        .routes(routes!(token::read, token::delete))
        .routes(routes!(apply::apply))
        .routes(routes!(apply::export))
        .routes(routes!(tenant::create, tenant::list))
        .routes(routes!(tenant::read, tenant::change, tenant::delete))
        .routes(routes!(chain::read))
        .routes(routes!(audit::list))
        .routes(routes!(audit::read))
        .routes(routes!(limit::read))
        .routes(routes!(backup::take))
        .routes(routes!(health::metrics))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::serve))
}

/// The API as a service, and beside it the pages that stand on it.
pub fn router(api: &Api, pages: Router<Api>) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .merge(pages)
        .fallback(|request: Request| async move { Problem::not_found("route", request.uri().path()) })
        .method_not_allowed_fallback(|request: Request| async move {
            let detail = format!("{} does not take {}", request.uri().path(), request.method());
            Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(from_fn(leftover::discard))
        .layer(from_fn_with_state(api.clone(), identify))
        .with_state(api.clone())
}

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// The id of the request being answered.
fn request_id() -> RequestId {
    REQUEST_ID.try_with(|id| *id).unwrap_or(RequestId::from_bytes([0; 16]))
}

/// Gives every request an id, which its answer carries and the log names. A handler that panics answers 500.
async fn identify(axum::extract::State(api): axum::extract::State<Api>, request: Request, next: Next) -> Response {
    use axum::response::IntoResponse;
    use futures_util::FutureExt;
    let id = RequestId::new(&api.0.parts.ids, api.now());
    let answer = std::panic::AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = REQUEST_ID.scope(id, async move {
        answer.await.unwrap_or_else(|_| {
            let bug = std::io::Error::other("a handler panicked; the message is above");
            Problem::internal(&bug).into_response()
        })
    });
    let mut response = answered.await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

impl Api {
    pub fn new(parts: Parts) -> Api {
        let stream_slots = Arc::new(Semaphore::new(parts.bounds.streams));
        let backup_slot = Arc::new(Semaphore::new(1));
        let parts = Arc::new(parts);
        let (gate, refusals, seen) = (Arc::default(), Arc::default(), Arc::default());
        Api(Arc::new(Shared { parts, stream_slots, backup_slot, refusals, seen, gate, draft: None }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.0.parts.dispatch
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0.parts.sandbox
    }

    fn ids(&self) -> &Ids {
        &self.0.parts.ids
    }

    pub(crate) fn entropy(&self) -> &Entropy {
        &self.0.parts.entropy
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.0.parts.bounds
    }

    /// The catalogue as of the last commit, or the draft that this works on.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.0.draft.as_ref().map_or_else(|| self.store().catalogue(), Draft::catalogue)
    }

    /// The same API over a draft that begins as `catalogue`: whatever it changes there stays there.
    fn drafting(&self, catalogue: Arc<Catalogue>) -> Api {
        Api(Arc::new(Shared {
            parts: Arc::clone(&self.0.parts),
            stream_slots: Arc::clone(&self.0.stream_slots),
            backup_slot: Arc::clone(&self.0.backup_slot),
            refusals: Arc::clone(&self.0.refusals),
            seen: Arc::clone(&self.0.seen),
            gate: Arc::clone(&self.0.gate),
            draft: Some(Draft::new(catalogue)),
        }))
    }

    fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    fn seen(&self) -> &Seen {
        &self.0.seen
    }

    fn draft(&self) -> Option<&Draft> {
        self.0.draft.as_ref()
    }

    /// Changes the catalogue in the caller's name, and answers when that is on the disk.
    async fn commit<N>(&self, caller: &Caller<N>, transition: Transition) -> Result<(), CommitError> {
        if let Some(draft) = &self.0.draft {
            return Ok(draft.apply(transition)?);
        }
        let _shared = self.0.gate.read().await;
        self.commit_alone(caller, transition).await
    }

    /// The same for who has the gate.
    async fn commit_alone<N>(&self, caller: &Caller<N>, transition: Transition) -> Result<(), CommitError> {
        let (now, request) = (self.now(), request_id());
        let author = Some(caller.author(request, AuditId::new(self.ids(), now), now));
        let moves_permits = transition.changes.iter().any(Change::moves_permits);
        self.store().commit(Transition { author, ..transition }).await?;
        if moves_permits {
            self.dispatch().permits_changed();
        }
        Ok(())
    }

    /// Puts what is no change of the catalogue into the audit log.
    async fn note<N>(&self, caller: &Caller<N>, noted: Noted) -> Result<(), CommitError> {
        self.commit(caller, Transition::of([Change::Audit(Arc::new(noted))])).await
    }

    /// Computes what may take long without holding up an async thread.
    async fn computing<T: Send + 'static>(&self, compute: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(compute).await {
            Ok(computed) => computed,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Reads from the store without holding up an async thread.
    pub(crate) async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.0.parts.store.clone();
        Ok(self.computing(move || read(&store)).await?)
    }
}
