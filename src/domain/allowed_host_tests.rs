//! What rules allow, and what they cover of each other.

use super::*;
use proptest::prelude::*;

fn rule(text: &str) -> AllowedHost {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `GET https://host:port/path`
fn destination(text: &str) -> Destination {
    let (method, url) = text.split_once(' ').unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let scheme = Scheme::named(scheme).unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let colon = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = colon
        .map_or((authority, scheme.port()), |colon| (&authority[..colon], authority[colon + 1..].parse().unwrap()));
    Destination {
        scheme,
        host: Host::parse(host).unwrap(),
        port,
        method: method.to_owned(),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
    }
}

#[test]
fn a_rule_allows_its_scheme_host_port_methods_and_path_and_nothing_else() {
    for (written, allowed, refused) in [
        (
            "https://api.example.com",
            &["GET https://api.example.com", "DELETE https://API.example.com/x/../y"][..],
            &[
                "GET http://api.example.com",
                "GET https://api.example.com:8443",
                "GET https://example.com",
                "GET https://x.api.example.com",
                "GET https://api.example.com.evil.example",
                "GET https://93.184.215.14",
            ][..],
        ),
        (
            "https://*.example.com:8443",
            &["GET https://a.example.com:8443", "GET https://a.b.example.com:8443"],
            &[
                "GET https://example.com:8443",
                "GET https://aexample.com:8443",
                "GET https://a.example.com",
                "GET https://a.example.com.evil:8443",
            ],
        ),
        (
            "GET,post https://hooks.example.com",
            &["GET https://hooks.example.com", "POST https://hooks.example.com"],
            &["PUT https://hooks.example.com", "HEAD https://hooks.example.com"],
        ),
        ("https://*", &["GET https://a", "GET https://[2606:4700::1]"], &["GET http://a", "GET https://a:444"]),
        ("http://*:*", &["GET http://a", "GET http://127.0.0.1:9000"], &["GET https://a"]),
        (
            "private http://[::1]:8080",
            &["GET http://[::1]:8080", "GET http://[0:0::1]:8080"],
            &["GET http://[::1]", "GET http://localhost:8080"],
        ),
        ("http://[::ffff:10.0.0.1]", &["GET http://10.0.0.1", "GET http://[::ffff:a00:1]"], &["GET http://10.0.0.2"]),
        (
            "https://api.example.com/v1",
            &[
                "GET https://api.example.com/v1",
                "GET https://api.example.com/v1/a%20b",
                "GET https://api.example.com/v1/",
            ],
            &[
                "GET https://api.example.com",
                "GET https://api.example.com/v10",
                "GET https://api.example.com/v1/../admin",
                "GET https://api.example.com/v1/./x",
                "GET https://api.example.com/v1/%2E%2e/admin",
                "GET https://api.example.com/v1/..%2fadmin",
                "GET https://api.example.com/v1/..;a=b/admin",
                "GET https://api.example.com/v1/..\\admin",
                "GET https://api.example.com/v1/%252e%252e/admin",
                "GET https://api.example.com//v1",
                "GET https://api.example.com/V1",
            ],
        ),
        ("https://api.example.com/v1/", &["GET https://api.example.com/v1/x"], &["GET https://api.example.com/v1"]),
        ("https://api.example.com/", &["GET https://api.example.com/anything"], &[]),
    ] {
        for text in allowed {
            assert!(rule(written).allows(&destination(text)), "{written} does not allow {text}");
        }
        for text in refused {
            assert!(!rule(written).allows(&destination(text)), "{written} allows {text}");
        }
    }
}

#[test]
fn a_rule_is_written_in_one_way() {
    for (text, written) in [
        ("https://API.example.com", "https://api.example.com"),
        ("HTTPS://api.example.com:443/", "https://api.example.com"),
        ("http://api.example.com:443", "http://api.example.com:443"),
        ("  private   get,POST,GET http://[0::1]:* ", "private GET,POST http://[::1]:*"),
        ("https://*.example.com:8443/v1", "https://*.example.com:8443/v1"),
        ("https://*:8443", "https://*:8443"),
    ] {
        assert_eq!(rule(text).to_string(), written);
        assert_eq!(rule(written), rule(text));
    }
}

#[test]
fn what_is_no_rule_is_refused_with_what_is_wrong() {
    use AllowedHostError as E;
    let long = |bytes: usize| format!("https://a/{}", "x".repeat(bytes - "https://a/".len()));
    assert!(long(512).parse::<AllowedHost>().is_ok());
    for (text, error) in [
        (long(513).as_str(), E::TooLong),
        ("", E::Form),
        ("private GET POST https://a", E::Form),
        ("a b c", E::Form),
        ("A,B,C,D,E,F,G,H,I,J,K https://a", E::Form),
        ("example.com", E::Scheme),
        ("ftp://example.com", E::Scheme),
        ("*://example.com", E::Scheme),
        ("https://user:pass@example.com", E::Surplus),
        ("https://example.com?x", E::Surplus),
        ("https://example.com#x", E::Surplus),
        ("https://", E::Host(HostError::Malformed)),
        ("https://example.com.", E::Host(HostError::Malformed)),
        ("https://bücher.example", E::Host(HostError::Malformed)),
        ("https://127.1", E::Host(HostError::Address)),
        ("https://::1", E::Host(HostError::Malformed)),
        ("https://a*.example.com", E::Wildcard),
        ("https://**", E::Wildcard),
        ("https://*.*.example.com", E::Wildcard),
        ("https://*.10.0.0.1", E::Wildcard),
        ("https://a:0", E::Port),
        ("https://a:65536", E::Port),
        ("https://a:+1", E::Port),
        ("https://a:", E::Port),
        ("https://a/b/../c", E::Path),
        ("https://a/b%20c", E::Path),
        ("https://a//b", E::Path),
        ("https://a/*", E::Path),
        ("CONNECT https://a", E::Method("CONNECT".to_owned())),
        ("TRACE https://a", E::Method("TRACE".to_owned())),
        ("GET,,PUT https://a", E::Method(String::new())),
        ("PRIVATE https://a", E::Method("PRIVATE".to_owned())),
        ("G€T https://a", E::Method("G€T".to_owned())),
    ] {
        assert_eq!(text.parse::<AllowedHost>(), Err(error), "{text}");
    }
    assert!(rule("https://a:65535").allows(&destination("GET https://a:65535")));
}

#[test]
fn a_rule_covers_what_it_allows_all_of() {
    for (wide, narrow) in [
        ("https://*", "https://api.example.com"),
        ("https://*:*", "GET https://*.example.com:8443/v1"),
        ("https://*.example.com", "https://*.api.example.com"),
        ("https://*.example.com", "https://api.example.com"),
        ("GET,POST https://a", "POST https://a"),
        ("https://a/v1", "https://a/v1/users"),
        ("private http://*:*", "http://a"),
        ("private http://*:*", "private http://10.0.0.1:80"),
        ("https://*", "https://*"),
    ] {
        assert!(rule(wide).covers(&rule(narrow)), "{wide} does not cover {narrow}");
        assert!(wide == narrow || !rule(narrow).covers(&rule(wide)), "{narrow} covers {wide}");
    }
    for (one, other) in [
        ("https://*", "http://a"),
        ("https://*", "private https://a"),
        ("https://*.example.com", "https://example.com"),
        ("GET https://a", "https://a"),
        ("https://a/v1", "https://a/v10"),
        ("https://*.example.com", "https://*"),
    ] {
        assert!(!rule(one).covers(&rule(other)), "{one} covers {other}");
    }
}

fn hosts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "a.example", "b.a.example", "*.example", "*.a.example", "127.0.0.1", "[::1]"])
}

fn rules() -> impl Strategy<Value = AllowedHost> {
    let methods = prop::sample::select(vec!["", "GET ", "GET,POST ", "private ", "private PUT "]);
    let ports = prop::sample::select(vec!["", ":*", ":8080"]);
    let paths = prop::sample::select(vec!["", "/v1", "/v1/", "/v1/x"]);
    let scheme = prop::sample::select(vec!["http", "https"]);
    (methods, scheme, hosts(), ports, paths)
        .prop_map(|(methods, scheme, host, port, path)| rule(&format!("{methods}{scheme}://{host}{port}{path}")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_covered_is_allowed(
        wide in rules(), narrow in rules(),
        host in hosts().prop_filter("a host", |host| !host.contains('*')),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        port in prop::sample::select(vec![80_u16, 443, 8080]),
        scheme in prop::sample::select(vec!["http", "https"]),
        path in prop::sample::select(vec!["/", "/v1", "/v1/", "/v1/x", "/v1/x/y", "/v10"]),
    ) {
        let asked = destination(&format!("{method} {scheme}://{host}:{port}{path}"));
        if wide.covers(&narrow) && narrow.allows(&asked) {
            prop_assert!(wide.allows(&asked), "{wide} covers {narrow}, which allows {asked:?}");
        }
        prop_assert_eq!(rule(&narrow.to_string()), narrow);
    }

    #[test]
    fn any_text_is_a_rule_or_none(text in "\\PC{0,40}") {
        if let Ok(read) = text.parse::<AllowedHost>() {
            prop_assert_eq!(rule(&read.to_string()), read);
        }
    }
}
