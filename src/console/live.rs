//! That something changed, as it changes. What changed the page asks for itself, so that it is rendered and refused in one
//! place only.

use super::visit::{Visit, parsed};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::stream;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;

/// Nobody reads faster, and a list is asked for once in that time however much happens.
const PAUSE: Duration = Duration::from_millis(1_000);

/// Server-sent events named `changed`; the query is that of `GET /stream`.
pub(super) async fn watch(visit: Visit) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let ticks = stream::ticks(&visit.caller::<Read>()?, visit.api().clone(), parsed(visit.query())?, PAUSE)?;
    let still = visit.clone();
    // A session that ends, or loses the right to look, ends what it sees.
    let ticks = ticks.take_while(move |()| std::future::ready(still.holds::<Read>()));
    Ok(Sse::new(ticks.map(|()| Ok(Event::default().event("changed").data("-")))).keep_alive(KeepAlive::default()))
}
