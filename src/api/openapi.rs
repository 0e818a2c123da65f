//! The description of the API (OpenAPI 3.1), made from the routes themselves.

use super::described;
use super::error::ProblemOut;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::LazyLock;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let text = document().to_pretty_json();
    text.map_or_else(|error| panic!("the API's description has no JSON form: {error}"), Bytes::from)
});

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "operation", security(()), responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(super) async fn serve() -> Response {
    let mut response = DOCUMENT.clone().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The whole API: paths, bodies, answers, and the token that all but a few routes need.
pub fn document() -> OpenApi {
    let mut document = described().split_for_parts().1;
    document.info = InfoBuilder::new()
        .title("Fusebox")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("A trigger fires on an object; every action bound to it runs in a sandbox with hard limits."))
        .build();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", bearer);
    components.schemas.insert("Problem".to_owned(), ProblemOut::schema());
    let mut nested = Vec::new();
    ProblemOut::schemas(&mut nested);
    components.schemas.extend(nested);
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        operations.into_iter().flatten().for_each(|operation| {
            add_problem(operation);
            name(operation);
        });
    }
    document
}

/// Handlers are named within their resource, operations within the whole document.
fn name(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next().map(|tag| tag.replace(' ', "_")).unwrap_or_default();
    operation.operation_id = operation.operation_id.take().map(|handler| format!("{tag}_{handler}"));
}

/// Every operation can answer with a problem document.
fn add_problem(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("What went wrong (RFC 9457)")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}
