//! Answers and lists.

use super::error::Problem;
use super::request_id;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(crate) const LIMIT_MAX: usize = 200;
const LIMIT_DEFAULT: usize = 50;

/// Every success: the data, the request's id, and for lists where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope<T> {
    pub(crate) data: T,
    pub(crate) request_id: String,
    /// Items in `data`.
    pub(crate) count: usize,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// What was done but may not be meant, such as chains that never end by themselves; absent when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

/// A success with one thing in it.
pub(crate) struct Data<T> {
    status: StatusCode,
    data: T,
    etag: Option<u64>,
    warnings: Vec<String>,
}

impl<T> Data<T> {
    pub(crate) fn ok(data: T) -> Data<T> {
        Data { status: StatusCode::OK, data, etag: None, warnings: Vec::new() }
    }

    pub(crate) fn created(data: T) -> Data<T> {
        Data { status: StatusCode::CREATED, ..Data::ok(data) }
    }

    pub(crate) fn accepted(data: T) -> Data<T> {
        Data { status: StatusCode::ACCEPTED, ..Data::ok(data) }
    }

    /// The version for `If-Match`.
    pub(crate) fn versioned(mut self, version: u64) -> Data<T> {
        self.etag = Some(version);
        self
    }

    /// What was done, and what may not be meant.
    pub(crate) fn into_parts(self) -> (T, Vec<String>) {
        (self.data, self.warnings)
    }

    /// Something that was done but may not be meant.
    pub(crate) fn warning(mut self, warning: Option<String>) -> Data<T> {
        self.warnings.extend(warning);
        self
    }
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let Data { data, warnings, .. } = self;
        let body = Envelope { data, request_id: request_id().to_string(), count: 1, next: None, warnings };
        let mut response = json(self.status, &body);
        if let Some(etag) = self.etag.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// A page of things.
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> List<T> {
    /// The same page of what its items are shown as.
    pub(crate) fn map<U>(self, shown: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(shown).collect(), next: self.next }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let count = self.items.len();
        let (data, request_id) = (self.items, request_id().to_string());
        json(StatusCode::OK, &Envelope { data, request_id, count, next: self.next, warnings: Vec::new() })
    }
}

/// Several answers in one, each with a status of its own.
pub(crate) struct Several<T> {
    pub(crate) status: StatusCode,
    pub(crate) items: Vec<T>,
}

impl<T: Serialize> IntoResponse for Several<T> {
    fn into_response(self) -> Response {
        let count = self.items.len();
        json(
            self.status,
            &Envelope {
                data: self.items,
                request_id: request_id().to_string(),
                count,
                next: None,
                warnings: Vec::new(),
            },
        )
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = (status, bytes).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// What every list of the catalogue understands.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Text that the name or the description has, whatever the case.
    pub(crate) q: Option<String>,
    /// Only what this tenant owns.
    pub(crate) owner_id: Option<String>,
    /// `name`, `created_at` or `updated_at`; with a `-` in front from the largest. Default `name`.
    pub(crate) sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// What a list of the catalogue sorts and searches by.
pub(crate) struct Row<T> {
    pub(crate) item: T,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner_id: String,
    pub(crate) created_at: crate::domain::Timestamp,
    pub(crate) updated_at: crate::domain::Timestamp,
}

/// Bounds of a limit.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(LIMIT_DEFAULT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("limit={limit}: a page has 1 to {LIMIT_MAX} items"))),
    }
}

/// Filters, sorts and cuts a list that is in memory. The cursor is the place of the last item, so pages stay
/// right when items come and go between them.
pub(crate) fn list<T>(rows: impl Iterator<Item = Row<T>>, filter: &Filter) -> Result<List<T>, Problem> {
    let limit = limit(filter.limit)?;
    let sort = filter.sort.as_deref().unwrap_or("name");
    let (field, descending) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
    if !["name", "created_at", "updated_at"].contains(&field) {
        return Err(Problem::bad_request(format!("sort={sort}: sort by name, created_at or updated_at")));
    }
    let place = |row: &Row<T>| match field {
        "name" => (row.name.to_lowercase(), row.id.clone()),
        "created_at" => (format!("{:020}", row.created_at.as_ms()), row.id.clone()),
        _ => (format!("{:020}", row.updated_at.as_ms()), row.id.clone()),
    };
    let q = filter.q.as_deref().unwrap_or("").to_lowercase();
    let wanted = |row: &Row<T>| {
        (row.name.to_lowercase().contains(&q) || row.description.to_lowercase().contains(&q))
            && filter.owner_id.as_ref().is_none_or(|owner| *owner == row.owner_id)
    };
    let after: Option<(String, String)> = filter.cursor.as_deref().map(decode_cursor).transpose()?;
    let mut rows: Vec<((String, String), Row<T>)> = rows
        .filter(wanted)
        .map(|row| (place(&row), row))
        .filter(|(p, _)| is_after(p, after.as_ref(), descending))
        .collect();
    rows.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(place, _)| encode_cursor(place));
    Ok(List { items: rows.into_iter().map(|(_, row)| row.item).collect(), next })
}

fn is_after(place: &(String, String), after: Option<&(String, String)>, descending: bool) -> bool {
    after.is_none_or(|after| if descending { place < after } else { place > after })
}

/// Cursors are opaque: base64url of JSON.
pub(crate) fn encode_cursor(place: &impl Serialize) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&serde_json::to_vec(place).unwrap_or_default())
}

pub(crate) fn decode_cursor<T: serde::de::DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| Problem::bad_request("cursor: use the `next` of the page before as it is"))
}
