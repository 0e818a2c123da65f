//! Where values are written, where they are refused, and that none comes back.

use super::*;
use crate::domain::{Host, Scheme, SecretText};

const PLACEHOLDER: &str = "fusebox-secret-00112233445566778899aabbccddeeff";

fn hidden(text: &str) -> Hidden {
    Hidden::new(vec![HiddenSecret {
        parameter: "token".to_owned(),
        placeholder: PLACEHOLDER.to_owned(),
        text: SecretText::new(text.to_owned()).unwrap(),
        allowed_hosts: vec!["https://api.example".parse().unwrap()],
    }])
}

fn destination(host: &str, path: &str) -> Destination {
    let (method, path) = ("POST".to_owned(), path.to_owned());
    Destination { scheme: Scheme::Https, host: Host::parse(host).unwrap(), port: 443, method, path }
}

struct Written {
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

fn fill(
    text: &str,
    host: &str,
    headers: &[(&'static str, String)],
    query: &str,
    body: &str,
) -> Result<Written, CallError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let mut written = Written { query: Some(query.to_owned()), headers: map, body: Bytes::from(body.to_owned()) };
    let Written { query, headers, body } = &mut written;
    hidden(text).fill(&destination(host, "/x"), (query, headers, body))?;
    Ok(written)
}

#[test]
fn a_value_is_written_as_its_place_asks_for() {
    let (text, p) = ("a\"b &ü", PLACEHOLDER);
    let written =
        fill("hunter2", "api.example", &[("authorization", format!("Bearer {p}"))], &format!("k={p}&l={p}"), p);
    let written = written.unwrap();
    assert_eq!(written.headers["authorization"], "Bearer hunter2");
    assert!(written.headers["authorization"].is_sensitive());
    assert_eq!((written.query.as_deref(), &written.body[..]), (Some("k=hunter2&l=hunter2"), &b"hunter2"[..]));

    let of = |kind: &str| {
        let kind = ("content-type", kind.to_owned());
        let written = fill(text, "api.example", &[kind], p, &format!("<{p}>")).unwrap();
        (written.query.unwrap(), String::from_utf8(written.body.to_vec()).unwrap())
    };
    let query = "a%22b%20%26%C3%BC";
    assert_eq!(of("text/plain"), (query.to_owned(), format!("<{text}>")));
    assert_eq!(of("application/json; charset=utf-8"), (query.to_owned(), "<a\\\"b &ü>".to_owned()));
    assert_eq!(of("application/problem+json").1, "<a\\\"b &ü>");
    assert_eq!(of("application/x-www-form-urlencoded").1, "<a%22b+%26%C3%BC>");

    let basic = format!("Basic {}", BASE64.encode(format!("user:{p}").as_bytes()));
    let written = fill("hunter2", "api.example", &[("authorization", basic)], "", "").unwrap();
    assert_eq!(written.headers["authorization"], format!("Basic {}", BASE64.encode(b"user:hunter2")).as_str());
}

#[test]
fn a_value_goes_only_where_its_secret_may_and_only_where_it_belongs() {
    let p = PLACEHOLDER;
    let basic = format!("Basic {}", BASE64.encode(format!("user:{p}").as_bytes()));
    for (headers, query, body) in [
        (vec![("x", format!("a{p}b"))], "", ""),
        (vec![("authorization", basic)], "", ""),
        (vec![], p, ""),
        (vec![], "", p),
    ] {
        let Err(denied) = fill("hunter2", "evil.example", &headers, query, body) else {
            panic!("{headers:?} was sent")
        };
        assert_eq!(denied.fault, HttpFault::Denied);
        assert!(denied.message.contains("`token`") && denied.message.contains("evil.example"), "{denied:?}");
    }
    // What is not used is not asked about.
    fill("hunter2", "evil.example", &[("x", "fusebox-secret-".to_owned())], "", "").unwrap();
    let mut nothing = (None, HeaderMap::new(), Bytes::new());
    let to = destination("api.example", &format!("/hooks/{p}"));
    let refused = hidden("hunter2").fill(&to, (&mut nothing.0, &mut nothing.1, &mut nothing.2)).unwrap_err();
    assert_eq!(refused.fault, HttpFault::Invalid);
    assert!(refused.message.contains("not the path"), "{refused:?}");
    let Err(refused) = fill("two\nlines", "api.example", &[("x", p.to_owned())], "", "") else { panic!("it was sent") };
    assert!(refused.message.contains("`token` cannot stand in a header") && !refused.message.contains("lines"));
}

#[test]
fn a_value_that_a_peer_says_again_is_taken_out() {
    let (text, p) = ("a\"b &/ü12", PLACEHOLDER);
    let hidden = hidden(text);
    for said in [
        text.to_owned(),
        "a\\\"b &/ü12".to_owned(),
        "a%22b%20%26%2F%C3%BC12".to_owned(),
        BASE64.encode(text.as_bytes()),
    ] {
        let heard = hidden.take_out(format!("<{said}{said}>").into());
        assert_eq!(heard, format!("<{p}{p}>"), "{said}");
    }
    assert_eq!(hidden.take_out("nothing".into()), "nothing");
    for user in ["", "u", "us", "use", "user"] {
        let said = BASE64.encode(format!("{user}:{text}!").as_bytes());
        let heard = hidden.take_out(said.clone().into());
        assert!(heard.windows(p.len()).any(|part| part == p.as_bytes()), "{said}");
    }
    let mut headers = HeaderMap::new();
    headers.insert("x-echo", "so a%22b%20%26%2F%C3%BC12".parse().unwrap());
    hidden.take_out_of(&mut headers);
    assert_eq!(headers["x-echo"], format!("so {p}").as_str());
}
