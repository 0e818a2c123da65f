//! Values as people read them. Escaping is the templates' business, but for the two elements that are made here: nothing
//! that anybody wrote is in them.

use crate::domain::{Json, ObjectRef, Origin, Reason, State, Timestamp};
use askama::filters::HtmlSafe;
use std::fmt;

/// JSON above this is shown as it came: laying it out would make it several times as long.
const LAID_OUT_MAX_BYTES: usize = 128 << 10;

/// An element without anybody's text in it.
pub(super) struct Element(String);

impl HtmlSafe for Element {}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time: `console.js` shows it in the reader's zone.
pub(super) fn time(at: &Timestamp) -> Element {
    Element(format!("<time datetime=\"{at}\">{}</time>", clock(*at)))
}

/// A state in its colour, and in words.
pub(super) fn state(state: &State) -> Element {
    let name = state.as_str();
    Element(format!("<span class=\"state {}\">{name}</span>", name.to_lowercase()))
}

/// A time as clocks show it in a zone, with the day of the week and the offset; `None` where the zone is not known.
pub(super) fn in_zone(at: Timestamp, zone: &str) -> Option<String> {
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let at = jiff::Timestamp::from_millisecond(at.as_ms()).ok()?.to_zoned(zone);
    Some(at.strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string())
}

/// A time without a browser's help: in UTC, to the second.
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or_else(|| text.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

/// The time between two, or nothing while the second is not there.
pub(super) fn between(from: &Timestamp, to: &Option<Timestamp>) -> String {
    to.map(|to| length(&to.ms_since(*from))).unwrap_or_default()
}

/// A length of time with as much of it as matters.
pub(super) fn length(ms: &u64) -> String {
    let ms = *ms;
    let s = ms / 1_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{:02} s", ms % 1_000 / 10),
        60_000..3_600_000 => format!("{} min {} s", s / 60, s % 60),
        3_600_000..172_800_000 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// The same of milliseconds with their fractions.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 10 ms on fractions are not shown")]
pub(super) fn length_of(ms: &f64) -> String {
    if *ms < 10.0 { format!("{ms:.2} ms") } else { length(&(*ms as u64)) }
}

/// A size in the unit in which it is short.
pub(super) fn bytes(bytes: &u64) -> String {
    let bytes = *bytes;
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 2)) > 0 {
        unit += 1;
    }
    let tenths = bytes.saturating_mul(10) >> (10 * (unit + 1));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A number with its thousands apart.
pub(super) fn count(number: &u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// JSON laid out.
pub(super) fn json(json: &Json) -> String {
    let is_short = json.size_bytes() <= LAID_OUT_MAX_BYTES;
    let value = is_short.then(|| json.to::<serde_json::Value>().ok()).flatten();
    let laid_out = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    laid_out.unwrap_or_else(|| json.as_str().to_owned())
}

/// The beginning of a text.
pub(super) fn short(text: &str, characters: usize) -> String {
    let mut rest = text.chars();
    let mut short: String = rest.by_ref().take(characters).collect();
    if rest.next().is_some() {
        short.push('…');
    }
    short
}

/// A part of the path of a URL (RFC 3986 §3.3): what is not plain is written in hexadecimal.
pub(super) fn path_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => part.push(char::from(byte)),
            other => part.push_str(&format!("%{other:02X}")),
        }
    }
    part
}

/// Where the page of an object is; with whose view it is, where that is not the reader's own.
pub(super) fn object_page(object: &ObjectRef, owner: &str) -> String {
    let query = if owner.is_empty() { String::new() } else { format!("?owner_id={}", path_part(owner)) };
    format!("/console/objects/{}/{}{query}", path_part(&object.object_type), path_part(&object.object_id))
}

/// What made an event.
pub(super) fn origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Api => "API",
        Origin::Demo => "demo",
        Origin::Chain => "chain",
        Origin::Schedule => "schedule",
        Origin::Replay => "replay",
        Origin::Test => "test",
        Origin::Source => "source",
        Origin::Webhook => "webhook",
    }
}

/// A reason in words, for where there is no sentence.
pub(super) fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::Trap => "the code broke (trap)",
        Reason::FuelExhausted => "used up its fuel",
        Reason::MemoryLimit => "needed more memory than it may",
        Reason::Timeout => "took longer than it may",
        Reason::OutputLimit => "returned more than it may",
        Reason::GuestError => "the action said that it failed",
        Reason::ParamMissing => "a parameter is missing",
        Reason::SecretMissing => "a secret is missing",
        Reason::InputInvalid => "the input does not follow the schema",
        Reason::Denied => "was not allowed to",
        Reason::Disabled => "switched off",
        Reason::Duplicate => "the same is in flight already",
        Reason::Aborted => "a run before it failed",
        Reason::ChainLimit => "the chain is too long",
        Reason::FanoutLimit => "it would reach too much",
        Reason::Interrupted => "the server went down",
        Reason::Cancelled => "cancelled",
        Reason::NoSink => "no sink takes it",
        Reason::KvConflict => "its values were changed meanwhile",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_in_which_they_are_short() {
        let sizes = [0, 1_023, 1_024, 1_536, 1 << 20, 10 << 20, 3 << 30, u64::MAX];
        assert_eq!(
            sizes.map(|size| bytes(&size)),
            ["0 B", "1023 B", "1.0 KB", "1.5 KB", "1.0 MB", "10.0 MB", "3.0 GB", "1677721.5 TB"]
        );
        let times = [0, 999, 1_000, 1_239, 59_999, 60_000, 3_599_999, 3_600_000, 172_800_000];
        assert_eq!(
            times.map(|ms| length(&ms)),
            ["0 ms", "999 ms", "1.00 s", "1.23 s", "59.99 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "2 days"]
        );
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|n| count(&n)),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        let odd = ObjectRef::new("a.b".to_owned(), "1/2 ü?#%".to_owned()).unwrap();
        assert_eq!(object_page(&odd, "x"), "/console/objects/a.b/1%2F2%20%C3%BC%3F%23%25?owner_id=x");
        assert_eq!((short("abc", 3), short("abcd", 3)), ("abc".to_owned(), "abc…".to_owned()));
        let at = Timestamp::from_ms(1_700_000_000_123);
        assert_eq!(in_zone(at, "Europe/Berlin").unwrap(), "Tue 2023-11-14 23:13:20 +01:00");
        assert_eq!(in_zone(at, "Europe/Atlantis"), None);
        assert_eq!(clock(Timestamp::from_ms(1_700_000_000_123)), "2023-11-14 22:13:20 UTC");
    }
}
