//! What hides the values of secrets in everything a guest says (DESIGN §3.6).
//!
//! A value is looked for as it is and in the forms that code gives it without meaning to: escaped for JSON, as base64,
//! hexadecimal or percent-encoded. This is against accidents. A guest that wants to give a secret away can, one
//! letter at a time; that is what `allowed_hosts` and knowing whom one attaches are for.

use super::forms::{HEAD_BYTES, forms};
use crate::domain::{Ending, Failure, Json, LogLine, Outcome, SecretText};
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands where a value was.
const MARK: &str = "••••";

/// Finds the secrets of one attempt.
pub struct Mask {
    /// The beginnings of all forms: long values would make it large and slow to build.
    heads: AhoCorasick,
    /// For each beginning the whole forms that have it.
    wholes: Vec<Vec<String>>,
}

impl Mask {
    /// # Errors
    /// The forms are too many for the finder; what names secrets is bounded so that they are not.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a SecretText>) -> Result<Mask, BuildError> {
        let mut wholes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for form in texts.into_iter().flat_map(|text| forms(text.expose())) {
            let head = form[..form.floor_char_boundary(HEAD_BYTES)].to_owned();
            let wholes: &mut Vec<String> = wholes.entry(head).or_default();
            wholes.push(form);
        }
        let heads = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(wholes.keys())?;
        Ok(Mask { heads, wholes: wholes.into_values().collect() })
    }

    pub fn line(&self, line: LogLine) -> LogLine {
        let fields = line.fields.into_iter().map(|(name, value)| (self.text(name), self.json(value))).collect();
        LogLine { message: self.text(line.message), fields, ..line }
    }

    pub fn ending(&self, ending: Ending) -> Ending {
        match ending {
            Ending::Outcome(Outcome { output, warnings, event }) => Ending::Outcome(Outcome {
                output: output.map(|output| self.json(output)),
                warnings: warnings.into_iter().map(|warning| self.text(warning)).collect(),
                event: event.map(|event| self.json(event)),
            }),
            Ending::Failure(Failure::Retry { message, after_ms }) => {
                Ending::Failure(Failure::Retry { message: self.text(message), after_ms })
            }
            Ending::Failure(Failure::Reject { message, code }) => {
                Ending::Failure(Failure::Reject { message: self.text(message), code })
            }
            Ending::Broken { reason, message } => Ending::Broken { reason, message: self.text(message) },
        }
    }

    /// The text with a mark in the place of everything secret.
    pub fn text(&self, text: String) -> String {
        let spans = self.spans(&text);
        if spans.is_empty() {
            return text;
        }
        let mut masked = String::with_capacity(text.len());
        let mut kept = 0;
        for (start, end) in spans {
            masked.push_str(&text[kept..start]);
            masked.push_str(MARK);
            kept = end;
        }
        masked.push_str(&text[kept..]);
        masked
    }

    /// JSON stays JSON: values are looked for in each text as it reads, in numbers and words, and at last across all of
    /// them. What would not be JSON any more is hidden whole.
    pub(super) fn json(&self, json: Json) -> Json {
        let text = json.as_str();
        if !text.contains('\\') && !self.heads.is_match(text) {
            return json;
        }
        let masked = self.text(self.tokens(text));
        Json::parse(masked).unwrap_or_else(|_| Json::from(Value::from(MARK)))
    }

    fn tokens(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let token = &rest[..token_bytes(rest, first)];
            rest = &rest[token.len()..];
            match first {
                '"' => self.string(token, &mut masked),
                '-' | '0'..='9' | 'a'..='z' => match self.text(token.to_owned()) {
                    // No number and no word any more.
                    hidden if hidden != token => masked.extend(["\"", &hidden, "\""]),
                    same => masked.push_str(&same),
                },
                _ => masked.push_str(token),
            }
        }
        masked
    }

    fn string(&self, token: &str, masked: &mut String) {
        // Half of a surrogate pair is JSON and no text; it is looked at as it stands with the rest.
        let Ok(text) = serde_json::from_str::<String>(token) else { return masked.push_str(token) };
        if self.heads.is_match(&text) {
            masked.push_str(&Value::from(self.text(text)).to_string());
        } else {
            masked.push_str(token);
        }
    }

    /// Where secrets are: from, to; in order and apart.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        // From where to where a whole form was followed: following each of many overlapping ones would take for ever.
        let mut followed = (0, 0);
        for head in self.heads.find_overlapping_iter(text) {
            let (mut start, mut end) = (head.start(), head.end());
            if start >= followed.1 || start == followed.0 {
                let wholes = &self.wholes[head.pattern().as_usize()];
                let longest = wholes.iter().map(|whole| common_bytes(&text[start..], whole)).max().unwrap_or(0);
                if start + longest > end {
                    end = start + longest;
                    followed = (start, end);
                }
            }
            while let Some((before, until)) = spans.pop_if(|(_, until)| *until >= start) {
                (start, end) = (start.min(before), end.max(until));
            }
            spans.push((start, end));
        }
        spans
    }
}

/// How far two texts are the same, in whole letters.
fn common_bytes(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.floor_char_boundary(same)
}

/// The length of the token of valid JSON that begins with `first`.
fn token_bytes(rest: &str, first: char) -> usize {
    let end = match first {
        '"' => {
            let mut escaped = false;
            let close = rest.bytes().skip(1).position(|byte| {
                let closes = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                closes
            });
            close.map(|place| place + 2)
        }
        '-' | '0'..='9' | 'a'..='z' => rest.find([',', ']', '}', ' ', '\t', '\n', '\r']),
        other => Some(other.len_utf8()),
    };
    end.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Level, LogSource, Reason, Timestamp};
    use proptest::prelude::*;
    use serde_json::json;

    fn mask(texts: &[&str]) -> Mask {
        let texts: Vec<SecretText> = texts.iter().map(|text| SecretText::new((*text).to_owned()).unwrap()).collect();
        Mask::new(&texts).unwrap()
    }

    fn masked(secret: &str, text: &str) -> String {
        mask(&[secret]).text(text.to_owned())
    }

    fn masked_json(secret: &str, value: &str) -> String {
        mask(&[secret]).json(Json::parse(value.to_owned()).unwrap()).as_str().to_owned()
    }

    #[test]
    fn a_value_is_hidden_wherever_it_stands() {
        assert_eq!(masked("hunter2", "hunter2"), MARK);
        assert_eq!(masked("hunter2", "a hunter2, b hunter2."), "a ••••, b ••••.");
        assert_eq!(masked("hunter2", "hunter2hunter2!"), "••••!");
        assert_eq!(masked("hunter2", "hunter hunter1 Hunter2"), "hunter hunter1 Hunter2");
        assert_eq!(masked("Schlüßel•", "der Schlüßel• ü"), "der •••• ü");
        assert_eq!(masked(" hunter2\n", "trimmed hunter2"), "trimmed ••••");
        assert_eq!(masked("    ", "four    blanks"), "four••••blanks", "what is only blank is taken as it is");
    }

    #[test]
    fn secrets_that_overlap_are_all_hidden() {
        let mask = mask(&["abcdef", "defghi", "user:pass", "pass"]);
        assert_eq!(mask.text("-abcdefghi-".into()), "-••••-");
        assert_eq!(mask.text("user:pass pass".into()), "•••• ••••");
        assert_eq!(mask.text("abcdeabcdef defg".into()), "abcde•••• defg");
    }

    #[test]
    fn a_value_is_hidden_in_the_forms_that_code_gives_it() {
        let secret = "p\"a\\s/s w<ö>rd&+💥\n=?";
        for form in [
            r#"p\"a\\s/s w<ö>rd&+💥\n=?"#,
            r#"p\"a\\s\/s w<ö>rd&+💥\n=?"#,
            r#"p\"a\\s/s w<\u00f6>rd&+\ud83d\udca5\n=?"#,
            r#"p\"a\\s/s w<\u00F6>rd&+\uD83D\uDCA5\n=?"#,
            r#"p\"a\\s\/s w<\u00f6>rd&+\ud83d\udca5\n=?"#,
            r#"p\"a\\s/s w\u003cö\u003erd\u0026+💥\n=?"#,
            r#"p\\\"a\\\\s/s w<ö>rd&+💥\\n=?"#,
            "cCJhXHMvcyB3PMO2PnJkJivwn5KlCj0/",
            "cCJhXHMvcyB3PMO2PnJkJivwn5KlCj0_",
            "7022615c732f7320773cc3b63e7264262bf09f92a50a3d3f",
            "7022615C732F7320773CC3B63E7264262BF09F92A50A3D3F",
            "p%22a%5Cs%2Fs%20w%3C%C3%B6%3Erd%26%2B%F0%9F%92%A5%0A%3D%3F",
            "p%22a%5cs%2fs%20w%3c%c3%b6%3erd%26%2b%f0%9f%92%a5%0a%3d%3f",
            "p%22a%5Cs/s%20w%3C%C3%B6%3Erd%26%2B%F0%9F%92%A5%0A%3D%3F",
            "p%22a%5Cs/s%20w%3C%C3%B6%3Erd&+%F0%9F%92%A5%0A=?",
            "p%22a%5Cs%2Fs+w%3C%C3%B6%3Erd%26%2B%F0%9F%92%A5%0A%3D%3F",
        ] {
            assert_eq!(masked(secret, &format!("({form})")), "(••••)", "{form}");
        }
        assert_eq!(masked("o'clock\t!", &format!("{:?}", "o'clock\t!")), "\"••••\"");
    }

    #[test]
    fn a_value_within_something_that_is_encoded_whole_is_hidden() {
        let secret = "hunter2-and-more";
        for encoding in [data_encoding::BASE64, data_encoding::BASE64URL, data_encoding::BASE64_NOPAD] {
            for (before, after) in (0..7).flat_map(|before| (0..4).map(move |after| (before, after))) {
                let whole = format!("{}{secret}{}", "u".repeat(before), "~".repeat(after));
                let encoded = encoding.encode(whole.as_bytes());
                let masked = masked(secret, &encoded);
                let (left, right) = masked.split_once(MARK).unwrap_or_else(|| panic!("{encoded}"));
                // A letter that it shares with its neighbour may stay on each side.
                assert!(left.len() <= (before * 8).div_ceil(6), "{masked}");
                assert!(right.len() <= (after * 8).div_ceil(6) + 3, "{masked}");
            }
        }
    }

    #[test]
    fn the_lines_of_a_value_are_hidden_one_by_one() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nQ==\n-----END KEY-----\n";
        assert_eq!(masked(key, &format!("<{}>", key.trim())), "<••••>");
        for line in ["-----BEGIN KEY-----", "MIIEvQIBADANBgkq", "  hkiG9w0BAQEFAASC"] {
            assert!(masked(key, line).trim() == MARK, "{line}");
        }
        assert_eq!(masked(key, "Q=="), "Q==", "too short to mean anything");
        let crlf = key.replace('\n', "\r\n");
        assert_eq!(masked(key, crlf.trim()), "••••\r\n••••\r\n••••\r\nQ==\r\n••••");
    }

    #[test]
    fn the_texts_within_a_json_value_are_hidden_one_by_one() {
        let account =
            r#"{"type":"short","private_key":"BEGIN PRIVATE\nMIIEvQIBADANBgkq\n","list":[{"id":"1234567890"}]}"#;
        assert_eq!(masked(account, "id 1234567890"), "id ••••");
        assert_eq!(masked(account, "MIIEvQIBADANBgkq"), MARK);
        assert_eq!(masked(account, "BEGIN PRIVATE\nMIIEvQIBADANBgkq"), MARK);
        assert_eq!(masked(account, r"BEGIN PRIVATE\nMIIEvQIBADANBgkq"), MARK);
        assert_eq!(masked(account, "short"), "short");
        assert_eq!(masked(account, account), MARK);
    }

    #[test]
    fn a_long_value_is_hidden_even_when_it_is_cut() {
        let secret: String = (0..3_000).map(|number| format!("{number:x}-")).collect();
        assert_eq!(masked(&secret, &format!("a{secret}b")), "a••••b");
        assert_eq!(masked(&secret, &format!("a{}…", &secret[..100])), "a••••…");
        assert_eq!(masked(&secret, &secret[..63]), secret[..63], "less could be anything");
        // The letter at the border of what is looked for is not cut.
        for before in 60..68 {
            let secret = format!("{}üüü-the-end", "x".repeat(before));
            assert_eq!(masked(&secret, &format!("a{secret}b")), "a••••b", "{before}");
        }
        // Another value that begins like it.
        let (a, b) = (format!("{}a-is-longer", "s".repeat(80)), format!("{}b", "s".repeat(80)));
        let mask = mask(&[&a, &b]);
        assert_eq!(mask.text(format!("{a} {b}")), "•••• ••••");
    }

    /// The time that this thread had a processor: what else the machine does is not counted.
    fn computed() -> std::time::Duration {
        rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap()
    }

    #[test]
    fn what_repeats_itself_takes_no_longer() {
        let text = "a".repeat(1 << 20);
        for length in [4, 64, 65, 64 << 10] {
            let started = computed();
            assert_eq!(masked(&"a".repeat(length), &text), MARK);
            // Comparing at every place would take hours.
            let took = computed().saturating_sub(started);
            assert!(took.as_secs() < 20, "{length}: {took:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        assert_eq!(masked_json("hunter2", r#"{"a": "x hunter2",  "b":[1.50]}"#), r#"{"a": "x ••••",  "b":[1.50]}"#);
        assert_eq!(masked_json("hunter2", r#"{"hunter2":"hunter"}"#), r#"{"••••":"hunter"}"#);
        assert_eq!(masked_json("hunter2", r#"{"a":"\u0068unter\u0032"}"#), r#"{"a":"••••"}"#);
        assert_eq!(masked_json("4242", r#"[4242, 14242.5, -1, "4242"]"#), r#"["••••", "1••••.5", -1, "••••"]"#);
        assert_eq!(masked_json("true", r#"{"a":true,"b":false}"#), r#"{"a":"••••","b":false}"#);
        assert_eq!(masked_json("nulls", r"[null]"), r"[null]");
        assert_eq!(
            masked_json("a\"b\\c", r#"["say a\"b\\c", "\"{\\\"k\\\":\\\"a\\\\\\\"b\\\\\\\\c\\\"}\""]"#)
                .matches(MARK)
                .count(),
            2
        );
        assert_eq!(masked_json(r#"{"a":1}"#, r#"{"x":{"a":1}}"#), "\"••••\"", "what is secret is no token of its own");
        assert_eq!(masked_json("hunter2", r#"{"a":"\n\ud800 other"}"#), r#"{"a":"\n\ud800 other"}"#);
        assert_eq!(masked_json("hunter2", r#"["\ud800 hunter2"]"#), r#"["\ud800 ••••"]"#);
        assert_eq!(masked_json("hunter2", "\"hunter2\""), "\"••••\"");
        let untouched = r#"{ "b" : "\u00e4\/", "b" : 1e2, "a":[ ] }"#;
        assert_eq!(masked_json("hunter2", untouched), untouched);
    }

    #[test]
    fn everything_that_an_attempt_says_is_masked() {
        let mask = mask(&["hunter2"]);
        let (text, json) = (|| "so: hunter2".to_owned(), || Json::from(json!({ "hunter2": ["hunter2"] })));
        let endings = [
            Ending::Outcome(Outcome { output: Some(json()), warnings: vec![text(), text()], event: Some(json()) }),
            Ending::Failure(Failure::Retry { message: text(), after_ms: Some(5) }),
            Ending::Failure(Failure::Reject { message: text(), code: 7 }),
            Ending::Broken { reason: Reason::Trap, message: text() },
        ];
        for ending in endings {
            let before = format!("{ending:?}");
            let after = format!("{:?}", mask.ending(ending));
            assert_eq!(after, before.replace("hunter2", MARK));
        }
        let line = LogLine {
            at: Timestamp::from_ms(1),
            level: Level::Info,
            source: LogSource::Stderr,
            message: text(),
            fields: vec![(text(), json())],
        };
        let before = format!("{line:?}");
        assert_eq!(format!("{:?}", mask.line(line)), before.replace("hunter2", MARK));
    }

    fn values() -> impl Strategy<Value = Value> {
        let text =
            prop_oneof![".{0,6}", Just("hu\"nter\\2".to_owned()), ".{0,3}".prop_map(|text| text + "hu\"nter\\2")];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let members = prop::collection::btree_map(text.clone(), inner.clone(), 0..4);
            let members = members.prop_map(|members| Value::Object(members.into_iter().collect()));
            prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), members]
        })
    }

    fn replaced(value: &Value, secret: &str) -> Value {
        match value {
            Value::String(text) => text.replace(secret, MARK).into(),
            Value::Array(items) => items.iter().map(|item| replaced(item, secret)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.replace(secret, MARK), replaced(value, secret))).collect()
            }
            other => other.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn of_any_json_only_the_secret_goes(value in values()) {
            let secret = "hu\"nter\\2";
            let masked = mask(&[secret]).json(Json::from(value.clone()));
            prop_assert_eq!(masked.to::<Value>().unwrap(), replaced(&value, secret));
        }

        #[test]
        fn any_value_in_any_text_is_hidden(secret in ".{4,80}", before in ".{0,9}", after in ".{0,9}") {
            prop_assume!(secret.len() >= 4 && secret.trim().len() >= 4);
            let masked = masked(&secret, &format!("{before}{secret}{after}"));
            prop_assert!(masked.contains(MARK) && !masked.contains(secret.trim()), "{masked}");
        }
    }
}
