//! What a handler leaves unread of a request's body.
//!
//! A request may be refused before its body was read: the token is wrong, the body is too large. To close the connection
//! then would make a client that is still sending see a broken pipe instead of the answer, and one that would use the
//! connection again see it gone. So the rest is read, within bounds, and thrown away.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Eight times what an upload may have by default.
const DISCARDED_BYTES_MAX: usize = 256 << 20;
const DISCARDING_MAX: Duration = Duration::from_secs(10);

/// Answers, and discards what is left of the body first.
pub(super) async fn discard(request: Request, next: Next) -> Response {
    // Who asks before sending (RFC 9110 §10.1.1) has not sent anything yet.
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let rest = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(parts, Body::new(rest.clone()))).await;
    if !rest.is_end_stream() {
        // Whether it came to its end or not, the answer is the same.
        drop(tokio::time::timeout(DISCARDING_MAX, read_on(rest)).await);
    }
    response
}

async fn read_on(mut rest: Shared) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = rest.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(length) else { return };
        left = less;
    }
}

/// A body that can be read on when whoever read it before is gone.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
