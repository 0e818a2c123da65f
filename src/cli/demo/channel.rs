//! The chat channel of the demo: a listener on this machine, which prints what it is told by whoever has its token.

use crate::cli::output;
use crate::domain::AllowedHost;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Nobody's key: it opens a channel of this machine that is gone with the demo.
pub(super) const TOKEN: &str = "chat-token-of-the-demo";
/// Where it takes messages.
const PATH: &str = "/bookings";
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// One connection is served after the other, so none may take long.
const CONNECTION: Duration = Duration::from_secs(5);
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens for as long as this is there.
pub(in crate::cli) struct Channel {
    address: SocketAddr,
    _listening: AbortOnDropHandle<()>,
}

impl Channel {
    pub(in crate::cli) async fn open(json: bool) -> Result<Channel> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the demo's chat channel")?;
        let address = listener.local_addr()?;
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(listener, json)));
        Ok(Channel { address, _listening: listening })
    }

    pub(in crate::cli) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// What the actions of the demo are let send: messages to this channel, and nothing else to this machine.
    pub(in crate::cli) fn rule(&self) -> Result<AllowedHost> {
        format!("private POST {}", self.url()).parse().context("the address of the demo's chat channel")
    }
}

async fn listen(listener: TcpListener, json: bool) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, json).await,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, json: bool) {
    let hear = service_fn(async |request| Ok::<_, Infallible>(hear(request, json).await));
    let mut connection = http1::Builder::new();
    let connection = connection.timer(TokioTimer::new()).keep_alive(false).serve_connection(TokioIo::new(stream), hear);
    // Who breaks off has told nothing.
    drop(tokio::time::timeout(CONNECTION, connection).await);
}

async fn hear<B>(request: Request<B>, json: bool) -> Response<Full<Bytes>>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let is_known = head.headers.get(AUTHORIZATION).is_some_and(|given| given == format!("Bearer {TOKEN}").as_str());
    if !is_known {
        return said(StatusCode::UNAUTHORIZED, "this channel takes messages of those who have its token");
    }
    let Ok(body) = Limited::new(body, MESSAGE_BYTES_MAX).collect().await else {
        return said(StatusCode::PAYLOAD_TOO_LARGE, "that is too long for a message");
    };
    let message: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let Some(text) = message["text"].as_str() else {
        return said(StatusCode::BAD_REQUEST, "a message has a text");
    };
    if json {
        output::line(&json!({ "channel": { "heard": text } }));
    } else {
        println!("\nthe chat channel was told: {text}");
    }
    said(StatusCode::OK, "ok")
}

fn said(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

    use super::*;

    async fn told(token: &str, body: &str) -> StatusCode {
        let request = Request::post(PATH).header(AUTHORIZATION, format!("Bearer {token}"));
        hear(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap(), true).await.status()
    }

    #[tokio::test]
    async fn only_who_has_the_token_is_heard() {
        assert_eq!(told(TOKEN, r#"{"text": "Breakfast begins"}"#).await, StatusCode::OK);
        assert_eq!(told("another", r#"{"text": "Breakfast begins"}"#).await, StatusCode::UNAUTHORIZED);
        assert_eq!(told(TOKEN, "{}").await, StatusCode::BAD_REQUEST);
        assert_eq!(told(TOKEN, "no JSON").await, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_message_is_as_long_as_it_may_be_and_no_longer() {
        let of = |bytes: usize| format!(r#"{{"text": "{}"}}"#, "x".repeat(bytes - r#"{"text": ""}"#.len()));
        assert_eq!(told(TOKEN, &of(MESSAGE_BYTES_MAX)).await, StatusCode::OK);
        assert_eq!(told(TOKEN, &of(MESSAGE_BYTES_MAX + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
