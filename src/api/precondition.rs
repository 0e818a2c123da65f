//! Writes that hold only for what the caller saw: `If-Match` and `If-None-Match` (RFC 9110 §13.1).

use super::error::Problem;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

/// Tags in one request: nobody saw more versions than this.
const TAGS_MAX: usize = 100;

/// What such a header names.
enum Tags {
    /// `*`: whatever there is.
    Any,
    Listed(Vec<Tag>),
}

/// An entity tag without its quotes.
struct Tag {
    opaque: String,
    /// `W/"…"`, which is never the very same thing. The tags that are given out here are not.
    weak: bool,
}

/// Refuses a write to what is at version `actual` if the caller expects something else.
pub(super) fn check_version(headers: &HeaderMap, what: &str, actual: u64) -> Result<(), Problem> {
    check_preconditions(headers, what, Some(actual))
}

/// The same where a write may also create: `None` is what is not there.
pub(super) fn check_preconditions(headers: &HeaderMap, what: &str, actual: Option<u64>) -> Result<(), Problem> {
    let is = |tag: &Tag| actual.is_some_and(|version| tag.opaque == version.to_string());
    let matches = match tags(headers, &IF_MATCH)? {
        None => true,
        Some(Tags::Any) => actual.is_some(),
        Some(Tags::Listed(tags)) => tags.iter().any(|tag| !tag.weak && is(tag)),
    };
    let differs = match tags(headers, &IF_NONE_MATCH)? {
        None => true,
        Some(Tags::Any) => actual.is_none(),
        // Weakly compared (RFC 9110 §13.1.2).
        Some(Tags::Listed(tags)) => !tags.iter().any(is),
    };
    match (matches && differs, actual) {
        (true, _) => Ok(()),
        (false, None) => Err(Problem::precondition(format!("there is no such {what}"))),
        (false, Some(actual)) if !matches => {
            let detail =
                format!("the {what} is at version {actual}, which If-Match does not name: somebody changed it");
            Err(Problem::precondition(detail))
        }
        (false, Some(actual)) => {
            Err(Problem::precondition(format!("the {what} is there at version {actual}, which If-None-Match excludes")))
        }
    }
}

/// What all headers of that name say together; `None` when there is none.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut tags = Vec::new();
    let mut any = false;
    for line in lines {
        let malformed = || {
            let shown = String::from_utf8_lossy(line.as_bytes());
            Problem::bad_request(format!("{name}: `{shown}` is neither `*` nor a list of ETags such as \"1\", \"2\""))
        };
        if any {
            return Err(malformed());
        }
        if line.as_bytes().trim_ascii() == b"*" {
            any = true;
        } else {
            list(line.as_bytes(), &mut tags).ok_or_else(malformed)?;
        }
        if any && !tags.is_empty() || tags.len() > TAGS_MAX {
            return Err(malformed());
        }
    }
    Ok(Some(if any { Tags::Any } else { Tags::Listed(tags) }))
}

/// A comma-separated list of entity tags, of which some may be missing (RFC 9110 §5.6.1, §8.8.3); `None` if it is none.
fn list(mut rest: &[u8], tags: &mut Vec<Tag>) -> Option<()> {
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Some(()),
            [b',', after @ ..] => rest = after,
            _ => {
                let (weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
                let opened = quoted.strip_prefix(b"\"")?;
                let end = opened.iter().position(|byte| *byte == b'"')?;
                let (opaque, after) = opened.split_at(end);
                // Everything that can be seen, and what is no ASCII.
                if !opaque.iter().all(|byte| *byte > b' ' && *byte != 0x7f) {
                    return None;
                }
                tags.push(Tag { opaque: String::from_utf8_lossy(opaque).into_owned(), weak });
                rest = after[1..].trim_ascii_start();
                if !matches!(rest, [] | [b',', ..]) || tags.len() > TAGS_MAX {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    /// `None` when it is passed, else the status.
    fn status(name: HeaderName, lines: &[&str], actual: Option<u64>) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        check_preconditions(&headers, "thing", actual).err().map(|problem| problem.status())
    }

    #[test]
    fn if_match_passes_what_one_of_its_strong_tags_names() {
        let check = |lines: &[&str]| status(IF_MATCH, lines, Some(3));
        for passed in [&["\"3\""] as &[&str], &["*"], &[" * "], &["\"1\", \"3\""], &["\"1\"", "\"3\""]] {
            assert_eq!(check(passed), None, "{passed:?}");
        }
        for passed in ["\"3\",", ",,\"3\"", "\"1\",\t\"3\" ,\"a,b\"", "W/\"1\",\"3\"", "\"ä\",\"3\""] {
            assert_eq!(check(&[passed]), None, "{passed}");
        }
        for stale in ["\"2\"", "W/\"3\"", "\"2\", W/\"3\"", "\"03\"", "\"+3\"", "\"1,3\"", "\"\"", "", " , ,"] {
            assert_eq!(check(&[stale]), Some(412), "{stale}");
        }
        assert_eq!(check(&[]), None);
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused_as_malformed() {
        for name in [IF_MATCH, IF_NONE_MATCH] {
            for malformed in ["3", "\"3", "3\"", "w/\"3\"", "W/3", "\"3\" \"4\"", "\"3\", *", "\"a b\"", "\"3\"4", "**"]
            {
                assert_eq!(status(name.clone(), &[malformed], Some(3)), Some(400), "{malformed}");
            }
            for malformed in [&["*", "\"3\""], &["\"3\"", "*"], &["*", "*"]] {
                assert_eq!(status(name.clone(), malformed, Some(3)), Some(400), "{malformed:?}");
            }
        }
        let many = |count: usize| status(IF_MATCH, &[&vec!["\"3\""; count].join(",")], Some(3));
        assert_eq!((many(TAGS_MAX), many(TAGS_MAX + 1)), (None, Some(400)));
    }

    #[test]
    fn if_none_match_lets_create_what_is_not_there() {
        for (line, absent, present) in [
            ("*", None, Some(412)),
            ("\"3\"", None, Some(412)),
            ("W/\"3\"", None, Some(412)),
            ("\"2\", \"4\"", None, None),
        ] {
            assert_eq!(status(IF_NONE_MATCH, &[line], None), absent, "{line}");
            assert_eq!(status(IF_NONE_MATCH, &[line], Some(3)), present, "{line}");
        }
        assert_eq!(status(IF_MATCH, &["*"], None), Some(412), "there is nothing to match");
        assert_eq!(status(IF_MATCH, &["\"0\""], None), Some(412));
    }
}
