//! Reading requests: bodies, queries, paths. What does not fit becomes a problem document.

use super::Api;
use super::error::{Fault, Problem};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Body<T>, Problem> {
        let bytes = read(request.into_body(), "the body", api.bounds().body_bytes).await?;
        parse(&bytes).map(Body)
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: axum::body::Body, what: &str, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(what, limit)),
        Err(error) => Err(Problem::bad_request(format!("{what} could not be read: {error}"))),
    }
}

/// Parses JSON; where that fails a second, slower look finds out at which place.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let Err(error) = serde_json::from_slice::<T>(bytes) else {
        return serde_json::from_slice(bytes).map_err(|error| Problem::bad_request(error.to_string()));
    };
    if matches!(error.classify(), serde_json::error::Category::Syntax | serde_json::error::Category::Eof) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not JSON: {error}")));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let located: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    let pointer = located.err().map(|error| pointer(error.path())).unwrap_or_default();
    Err(Problem::invalid(vec![Fault::new(pointer, plain(&error))]))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escaped(key)),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
}

/// A name as it stands in a JSON Pointer (RFC 6901 §3).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The parser's words without its "at line 1 column 7": the pointer says where.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(words, _)| words.to_owned())
}

/// Query parameters; unknown ones are refused, since a mistyped filter would silently show too much.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Query<T>, Problem> {
        query(&parts.uri).map(Query)
    }
}

/// What the query of a URL says.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let query = axum::extract::Query::<T>::try_from_uri(uri);
    query.map(|query| query.0).map_err(|error| {
        let text = error.body_text();
        let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Problem::bad_request(format!("the query of the URL: {detail}"))
    })
}

/// The part of the path that names something. What is not even an id names nothing: 404.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Path<T>, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, api).await;
        path.map(|path| Path(path.0)).map_err(|_| Problem::not_found("such thing as", parts.uri.path()))
    }
}

/// How long a caller wants to wait for the result (`Prefer: wait=N`, RFC 7240 §4.3), in seconds.
pub(crate) fn preferred_wait_s(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    for value in headers.get_all("prefer") {
        let text = value.to_str().unwrap_or_default();
        for preference in text.split(',').map(str::trim) {
            if let Some((name, value)) = preference.split_once('=')
                && name.trim().eq_ignore_ascii_case("wait")
            {
                let seconds = value.trim().parse();
                return seconds.map(Some).map_err(|_| Problem::bad_request("Prefer: wait=N takes whole seconds"));
            }
        }
    }
    Ok(None)
}

/// A key has at most this many characters.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// What a caller names its request by (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header), with or without the
/// quotes of a structured text (RFC 9651 §3.3.3): the two are the same key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request("Idempotency-Key: there is more than one"));
    }
    let text = value.to_str().unwrap_or_default().trim();
    let key = match text.strip_prefix('"') {
        None => Some(text.to_owned()),
        Some(quoted) => unquoted(quoted),
    };
    let fits = |key: &String| {
        (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    key.filter(fits).map(Some).ok_or_else(|| {
        let detail = format!(
            "Idempotency-Key: a key has 1 to {IDEMPOTENCY_KEY_MAX} printable characters, all in quotes or none"
        );
        Problem::bad_request(detail)
    })
}

/// What stands in quotes, of which the first was taken; `None` when the last is not where it should be.
pub(crate) fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}
