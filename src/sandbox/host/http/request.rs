//! A request as a guest asks for it, read once and then trusted.

use super::CallError;
use crate::domain::{Destination, Host, HttpFault, HttpRequest, Scheme};
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

pub(super) const URL_BYTES_MAX: usize = 8 << 10;
pub(super) const HEADERS_MAX: usize = 100;
pub(super) const HEADERS_BYTES_MAX: usize = 32 << 10;

/// Headers that say how the connection is used, which the host decides.
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
    const ALSO: [HeaderName; 4] = [header::TE, header::TRAILER, header::EXPECT, header::CONTENT_LENGTH];
    wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name) || ALSO.contains(name)
}

/// Where it goes, and what of it is not the body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) destination: Destination,
    pub(super) method: Method,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Head {
    /// # Errors
    /// What of it is no request that is sent here.
    pub(super) fn read(method: Method, uri: &Uri, headers: HeaderMap) -> Result<Head, CallError> {
        if [Method::CONNECT, Method::TRACE].contains(&method) {
            return Err(CallError::invalid(format!("the method {method} is not sent")));
        }
        let destination = destination(&method, uri)?;
        if headers.len() > HEADERS_MAX {
            let message = format!("the request has {} headers; {HEADERS_MAX} are allowed", headers.len());
            return Err(CallError::new(HttpFault::Limit, message));
        }
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > HEADERS_BYTES_MAX {
            let message = format!("the headers have {bytes} bytes together; {HEADERS_BYTES_MAX} are allowed");
            return Err(CallError::new(HttpFault::Limit, message));
        }
        Ok(Head { destination, method, query: uri.query().map(str::to_owned), headers })
    }

    /// All of it that says what is asked for.
    pub(super) fn shown(&self, place: u64) -> HttpRequest {
        let Head { destination, method, query, .. } = self;
        let query = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        HttpRequest {
            place,
            method: method.to_string(),
            host: destination.authority(),
            url: format!("{destination}{}{query}", destination.path),
        }
    }

    /// As it goes over the connection: the host by its own header, and a connection for this alone.
    ///
    /// # Errors
    /// The secrets that were put into it made the URL too long.
    pub(super) fn into_request<B>(self, body: B) -> Result<Request<B>, CallError> {
        let Head { destination, method, query, mut headers } = self;
        let target = match query {
            Some(query) => format!("{}?{query}", destination.path),
            None => destination.path.clone(),
        };
        let uri: Uri = target.parse().map_err(|_| CallError::invalid("the path and query of the URL are none"))?;
        let port = if destination.port == destination.scheme.port() {
            String::new()
        } else {
            format!(":{}", destination.port)
        };
        let host = HeaderValue::try_from(format!("{}{port}", destination.host))
            .map_err(|_| CallError::invalid("the host of the URL is none"))?;
        headers.insert(header::HOST, host);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Some services answer nobody who does not say who asks.
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!("fusebox/", env!("CARGO_PKG_VERSION"))));
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        Ok(request)
    }
}

fn destination(method: &Method, uri: &Uri) -> Result<Destination, CallError> {
    let scheme = uri.scheme_str().and_then(|scheme| Scheme::named(&scheme.to_ascii_lowercase()));
    let scheme = scheme.ok_or_else(|| CallError::invalid("a URL begins with `https://` or `http://`"))?;
    let authority = uri.authority().ok_or_else(|| CallError::invalid("the URL has no host"))?;
    if authority.as_str().contains('@') {
        let message = "a URL has no user and no password here: put them into an `authorization` header";
        return Err(CallError::invalid(message));
    }
    let host = Host::parse(authority.host()).map_err(|error| CallError::invalid(error.to_string()))?;
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => scheme.port(),
        Some(port) => {
            let number = port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            number.ok_or_else(|| CallError::invalid("a port is 1 to 65535"))?
        }
        None => return Err(CallError::invalid("the host of the URL is none")),
    };
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    if !path.starts_with('/') {
        return Err(CallError::invalid("the path of a URL begins with `/`"));
    }
    Ok(Destination { scheme, host, port, method: method.as_str().to_owned(), path: path.to_owned() })
}

/// The request of `fusebox:action/http`, without its body.
///
/// # Errors
/// What of it is no request, or too much.
pub(super) fn read_plain(
    (method, url): (&str, &str),
    headers: &[(String, String)],
    body: &Bytes,
) -> Result<Head, CallError> {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| CallError::invalid("the method is no word such as GET"))?;
    if url.len() > URL_BYTES_MAX {
        let message = format!("the URL has {} bytes; {URL_BYTES_MAX} are allowed", url.len());
        return Err(CallError::new(HttpFault::Limit, message));
    }
    let uri: Uri = url.parse().map_err(|error| CallError::invalid(format!("the URL is none: {error}")))?;
    let mut map = HeaderMap::with_capacity(headers.len().min(HEADERS_MAX));
    for (name, value) in headers {
        let shown: String = name.chars().take(60).collect();
        let invalid = || CallError::invalid(format!("the header `{shown}` has no valid name or value"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes()));
        let value = value.map_err(|_| invalid())?;
        if name == header::CONTENT_LENGTH && value.to_str().is_ok_and(|length| length == body.len().to_string()) {
            continue;
        }
        if is_forbidden(&name) {
            return Err(CallError::invalid(format!("the header `{name}` is for the host to set")));
        }
        map.append(name, value);
    }
    Head::read(method, &uri, map)
}

/// The host of a URL for the record, whatever else is wrong with it: without user and password.
pub(super) fn shown_host(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(|uri| {
        let port = uri.port_u16().or_else(|| Some(Scheme::named(uri.scheme_str()?)?.port()))?;
        Some(format!("{}:{port}", Host::parse(uri.host()?).ok()?))
    });
    host.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Head, CallError> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read_plain((method, url), &headers, &Bytes::from_static(b"body"))
    }

    #[test]
    fn a_request_says_where_it_goes() {
        for (url, shown, path, query) in [
            ("https://API.example", "https://api.example", "/", None),
            ("https://api.example?q=1", "https://api.example", "/", Some("q=1")),
            ("http://api.example:8080/a/%20b?c=d#e", "http://api.example:8080", "/a/%20b", Some("c=d")),
            ("https://api.example:443/", "https://api.example", "/", None),
            ("http://[::1]:80/x", "http://[::1]", "/x", None),
            ("http://[::ffff:127.0.0.1]/x", "http://127.0.0.1", "/x", None),
        ] {
            let head = read("get", url, &[]).unwrap_or_else(|error| panic!("{url}: {error:?}"));
            assert_eq!((head.destination.to_string().as_str(), head.method), (shown, Method::GET), "{url}");
            assert_eq!((head.destination.path.as_str(), head.query.as_deref()), (path, query), "{url}");
        }
        let request = read("POST", "http://api.example:8080/a?b", &[("x-y", "z")]).unwrap().into_request(()).unwrap();
        assert_eq!((request.uri(), request.method()), (&Uri::from_static("/a?b"), &Method::POST));
        assert_eq!(request.headers()["host"], "api.example:8080");
        assert_eq!(request.headers()["connection"], "close");
        assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("fusebox/"));
        let named = read("GET", "https://api.example", &[("user-agent", "mine")]).unwrap().into_request(()).unwrap();
        assert_eq!(
            (&named.headers()["user-agent"], &named.headers()["host"]),
            (&"mine".parse().unwrap(), &"api.example".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_request_is_told_in_words() {
        for (url, says) in [
            ("", "the URL is none"),
            ("api.example", "begins with `https://`"),
            ("/path", "begins with `https://`"),
            ("ftp://api.example/", "begins with `https://`"),
            ("https://user:pass@api.example/", "no user and no password"),
            ("https://user@api.example/", "no user and no password"),
            ("https://api.example:0/", "a port is"),
            ("https://api.example:65536/", "a port is"),
            ("https://api.example./", "a host has"),
            ("https://2130706433/", "an address is written"),
            ("https://0x7f.1/", "an address is written"),
            ("https://[fe80::1%25eth0]/", ""),
            ("https://bücher.example/", "the URL is none"),
            ("https://a b/", "the URL is none"),
            ("https:///path", "the URL is none"),
        ] {
            let error = read("GET", url, &[]).expect_err(url);
            assert!(error.fault == HttpFault::Invalid && error.message.contains(says), "{url}: {error:?}");
            assert!(!error.message.contains("pass@"), "{error:?}");
        }
        for method in ["", "G T", "CONNECT", "trace"] {
            assert_eq!(read(method, "https://a", &[]).expect_err(method).fault, HttpFault::Invalid);
        }
        for (name, value) in [
            ("host", "b"),
            ("Connection", "x"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("upgrade", "h2c"),
            ("content-length", "5"),
            ("te", "trailers"),
            ("a b", "x"),
            ("", "x"),
            ("x", "a\r\nb: c"),
            ("x", "a\0"),
        ] {
            assert_eq!(read("GET", "https://a", &[(name, value)]).expect_err(name).fault, HttpFault::Invalid, "{name}");
        }
        assert!(read("GET", "https://a", &[("content-length", "4")]).unwrap().headers.is_empty());
    }

    #[test]
    fn a_head_is_bounded() {
        let url = |bytes: usize| format!("https://a/{}", "x".repeat(bytes - "https://a/".len()));
        assert!(read("GET", &url(URL_BYTES_MAX), &[]).is_ok());
        assert_eq!(read("GET", &url(URL_BYTES_MAX + 1), &[]).expect_err("long").fault, HttpFault::Limit);
        let headers = |count: usize| vec![("x", ""); count];
        assert!(read("GET", "https://a", &headers(HEADERS_MAX)).is_ok());
        assert_eq!(read("GET", "https://a", &headers(HEADERS_MAX + 1)).expect_err("many").fault, HttpFault::Limit);
        let long = "v".repeat(HEADERS_BYTES_MAX - 1);
        assert!(read("GET", "https://a", &[("x", &long)]).is_ok());
        assert_eq!(read("GET", "https://a", &[("xy", &long)]).expect_err("long").fault, HttpFault::Limit);
    }

    #[test]
    fn the_record_has_the_host_and_nothing_else_of_a_url() {
        for (url, shown) in [
            ("https://user:pass@api.example/secret", "api.example:443"),
            ("http://api.example:8080/?secret", "api.example:8080"),
            ("nothing", ""),
            ("https://a b/", ""),
        ] {
            assert_eq!(shown_host(url), shown);
        }
    }
}
