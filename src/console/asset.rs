//! What browsers load beside the pages: part of the program, at addresses that change with what they hold.

use crate::domain::Digest;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// Of `assets/`: name, type, content.
const ASSETS: [(&str, &str, &[u8]); 9] = [
    ("console.css", "text/css; charset=utf-8", include_bytes!("assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_bytes!("assets/console.js")),
    ("objects.js", "text/javascript; charset=utf-8", include_bytes!("assets/objects.js")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/htmx.min.js")),
    ("idiomorph-ext.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/idiomorph-ext.min.js")),
    ("codemirror.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/codemirror.min.js")),
    ("editor.js", "text/javascript; charset=utf-8", include_bytes!("assets/editor.js")),
    ("upload.js", "text/javascript; charset=utf-8", include_bytes!("assets/upload.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
];

/// Characters of the digest in an address.
const HASH: usize = 16;

/// In the order of `ASSETS`: the address of each, which nothing else ever had.
static URLS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let url = |(name, _, bytes): &(&str, &str, &[u8])| {
        let digest = Digest::of(bytes).to_string();
        let hash = digest.split_once(':').map_or(digest.as_str(), |(_, hash)| hash);
        format!("/console/assets/{}-{name}", &hash[..HASH])
    };
    ASSETS.iter().map(url).collect()
});

/// Where to load it from; empty when there is no such file, which a test would see.
pub(super) fn url(name: &str) -> &'static str {
    let place = ASSETS.iter().position(|(found, ..)| *found == name);
    place.and_then(|place| URLS.get(place)).map_or("", String::as_str)
}

pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let place = URLS.iter().position(|url| url.rsplit_once('/').is_some_and(|(_, found)| found == name));
    let Some((_, kind, bytes)) = place.map(|place| ASSETS[place]) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let etag = format!("\"{name}\"");
    let kept =
        [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `assets/README.md` says where they come from; this says that they are what came from there.
    #[test]
    fn what_others_made_is_as_they_made_it() {
        let readme = include_str!("assets/README.md");
        for (name, _, bytes) in ASSETS.iter().filter(|(name, ..)| name.ends_with(".min.js")) {
            let digest = Digest::of(bytes).to_string();
            let row = readme.lines().find(|line| line.contains(&format!("`{name}`"))).unwrap();
            assert!(row.contains(digest.strip_prefix("sha256:").unwrap()), "{name} is {digest}");
        }
    }
}
