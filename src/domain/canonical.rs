//! One text for all JSON texts that say the same, so that what is equal has equal hashes.

/// The canonical form of a JSON value: no white space, members by name, escapes only where there must be, numbers as
/// digits and a power of ten.
///
/// After RFC 8785, but for numbers: they stay exact instead of becoming binary fractions, because two ids that differ
/// in their twentieth digit are two ids. Members that have the same name all stay, in their order.
///
/// `text` is one valid JSON text, nested as deep as its parser allowed; of anything else the form means nothing.
pub fn canonical_json(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let mut scan = Scan { text, at: 0, out: Vec::with_capacity(text.len()) };
    scan.value();
    scan.out
}

/// Up to this many zeros end a number without a power of ten, as whole numbers are usually written.
const ZEROS_MAX: usize = 21;

/// Walks over a text that is known to be valid, and writes its canonical form. Its depth is bounded by whoever parsed it.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Scan<'_> {
    /// The next byte that is not white space; 0 at the end, which no valid text has.
    fn peek(&mut self) -> u8 {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return *byte;
            }
            self.at += 1;
        }
        0
    }

    fn value(&mut self) {
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            // `true`, `false`, `null`
            _ => {
                let word = self.take_while(|byte| byte.is_ascii_alphabetic());
                self.out.extend_from_slice(&self.text[word]);
            }
        }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> std::ops::Range<usize> {
        let from = self.at;
        self.at += self.text[from..].iter().take_while(|byte| wanted(**byte)).count();
        from..self.at
    }

    fn array(&mut self) {
        self.at += 1;
        self.out.push(b'[');
        while !matches!(self.peek(), b']' | 0) {
            self.value();
            self.out.push(b',');
            self.skip_comma();
        }
        self.close(b']');
    }

    fn object(&mut self) {
        self.at += 1;
        self.out.push(b'{');
        let begin = self.out.len();
        // Of each member, where its name begins, and where its name and it end, counted from `begin`.
        let mut members: Vec<(usize, usize, usize)> = Vec::new();
        while !matches!(self.peek(), b'}' | 0) {
            let from = self.out.len() - begin;
            self.string();
            let name_end = self.out.len() - begin;
            self.out.push(b':');
            self.peek();
            self.at += 1;
            self.value();
            self.out.push(b',');
            members.push((from, name_end, self.out.len() - begin));
            self.skip_comma();
        }
        let by_name = |written: &[u8], a: &(usize, usize, usize), b: &(usize, usize, usize)| {
            written[a.0..a.1].cmp(&written[b.0..b.1])
        };
        if !members.is_sorted_by(|a, b| by_name(&self.out[begin..], a, b).is_le()) {
            let written = self.out.split_off(begin);
            members.sort_by(|a, b| by_name(&written, a, b));
            members.iter().for_each(|(from, _, to)| self.out.extend_from_slice(&written[*from..*to]));
        }
        self.close(b'}');
    }

    fn skip_comma(&mut self) {
        if self.peek() == b',' {
            self.at += 1;
        }
    }

    /// Puts the end in the place of the last comma.
    fn close(&mut self, end: u8) {
        self.at += 1;
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = end,
            _ => self.out.push(end),
        }
    }

    fn string(&mut self) {
        self.peek();
        self.at += 1;
        self.out.push(b'"');
        loop {
            let plain = self.take_while(|byte| byte != b'"' && byte != b'\\');
            self.out.extend_from_slice(&self.text[plain]);
            if self.text.get(self.at) != Some(&b'\\') {
                break;
            }
            let escape = self.text.get(self.at + 1).copied().unwrap_or_default();
            self.at += 2;
            self.escape(escape);
        }
        self.at += 1;
        self.out.push(b'"');
    }

    fn escape(&mut self, escape: u8) {
        match escape {
            b'b' => self.character('\u{8}'),
            b'f' => self.character('\u{c}'),
            b'n' => self.character('\n'),
            b'r' => self.character('\r'),
            b't' => self.character('\t'),
            b'u' => {
                let first = self.code_unit();
                match char::from_u32(first) {
                    Some(character) => self.character(character),
                    None => self.surrogate(first),
                }
            }
            other => self.character(other.into()),
        }
    }

    fn code_unit(&mut self) -> u32 {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        self.at += 4;
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    /// The first half of a pair; one that stands alone has no character and stays an escape.
    fn surrogate(&mut self, first: u32) {
        let after = self.at;
        if first < 0xdc00 && self.text[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.code_unit();
            if (0xdc00..0xe000).contains(&second)
                && let Some(character) = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            {
                return self.character(character);
            }
            self.at = after;
        }
        self.out.extend_from_slice(format!("\\u{first:04x}").as_bytes());
    }

    fn character(&mut self, character: char) {
        match character {
            '"' | '\\' => self.out.extend_from_slice(&[b'\\', character as u8]),
            control if u32::from(control) < 0x20 => {
                self.out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => self.out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    /// `-1.250e-3` is `-125e-5`: the digits that matter and the power of ten behind them, which few zeros may express.
    fn number(&mut self) {
        let whole = self.take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        let text = &self.text[whole];
        if text.len() <= ZEROS_MAX && text.iter().all(u8::is_ascii_digit) {
            // As nearly every number is.
            return self.out.extend_from_slice(text);
        }
        let (sign, unsigned) = text.strip_prefix(b"-").map_or((&b""[..], text), |unsigned| (b"-", unsigned));
        let end = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(unsigned.len());
        let (mantissa, exponent) = unsigned.split_at(end);
        let fraction = mantissa.iter().position(|byte| *byte == b'.').map_or(0, |dot| mantissa.len() - dot - 1);
        let mut digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
        let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let trailing = digits.len() - significant;
        digits.truncate(significant);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let given = std::str::from_utf8(exponent.get(1..).unwrap_or_default()).unwrap_or_default();
        let given: Option<i64> = if given.is_empty() { Some(0) } else { given.parse().ok() };
        let power = given.and_then(|given| {
            given.checked_sub(i64::try_from(fraction).ok()?)?.checked_add(i64::try_from(trailing).ok()?)
        });
        match power {
            _ if digits.len() == leading => self.out.push(b'0'),
            // A power that no number of this universe has: the text is as good as any.
            None => self.out.extend_from_slice(text),
            Some(power) => {
                self.out.extend_from_slice(sign);
                self.out.extend_from_slice(&digits[leading..]);
                if let Some(zeros) = usize::try_from(power).ok().filter(|zeros| *zeros <= ZEROS_MAX) {
                    self.out.resize(self.out.len() + zeros, b'0');
                } else {
                    self.out.extend_from_slice(format!("e{power}").as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn canonical(text: &str) -> String {
        String::from_utf8(canonical_json(Json::parse(text.to_owned()).unwrap().as_str())).unwrap()
    }

    #[test]
    fn what_says_the_same_has_one_form() {
        for (form, texts) in [
            (r#"{"a":[1,2],"b":{}}"#, &[r#"{"b":{},"a":[1,2]}"#, " {\n\"a\" : [ 1 ,2 ] , \"b\":{ } } "][..]),
            ("1", &["1", "1.0", "1e0", "10e-1", "0.01E+2", "1.000"]),
            ("0", &["0", "-0", "0.0", "0e5", "-0.00e-7"]),
            ("-12500", &["-12500", "-12.50e3", "-125E2"]),
            ("-125e-5", &["-0.00125", "-1.250e-3"]),
            ("1000000000000000000000", &["1e21", "1000000000000000000000"]),
            ("1e22", &["1e22", "10000000000000000000000", "0.1E+23"]),
            ("\"\u{e4}\u{1f600}/\\\"\\\\\\u000a\"", &[r#""\u00e4\ud83d\uDE00\/\"\\\n""#, "\"ä😀/\\u0022\\\\\\u000a\""]),
            ("[true,false,null,\"\",[]]", &["[ true , false,null, \"\" ,[ ] ]"]),
        ] {
            texts.iter().for_each(|text| assert_eq!(canonical(text), form, "{text}"));
        }
    }

    #[test]
    fn what_differs_keeps_its_difference() {
        for (a, b) in [
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901", "123456789012345678902"),
            ("0.1", "0.10000000000000001"),
            ("1", "\"1\""),
            ("1", "-1"),
            ("[1,2]", "[2,1]"),
            ("[]", "{}"),
            ("null", "\"null\""),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\ud800""#, r#""\ud801""#),
            (r#""\ud800x""#, r#""\\ud800x""#),
            ("1e99999999999999999999", "2e99999999999999999999"),
        ] {
            assert_ne!(canonical(a), canonical(b), "{a} and {b}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", |number| serde_json::Number::from_f64(number).map(Value::Number)),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same value in another dress: members from behind, white space, every character escaped, numbers stretched.
    fn disguised(value: &Value) -> String {
        let list = |parts: Vec<String>| parts.join(" ,\t");
        match value {
            Value::Array(items) => format!("[ {}\n]", list(items.iter().map(disguised).collect())),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    format!("{} :\n{}", disguised(&Value::from(name.as_str())), disguised(value))
                };
                format!("{{ {}\n}}", list(members.iter().rev().map(member).collect()))
            }
            Value::String(text) => {
                let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
                format!("\"{}\"", units.collect::<String>())
            }
            Value::Number(number) if number.is_i64() => format!("{number}.000e0"),
            other => other.to_string(),
        }
    }

    /// Whether two values are the same but for how exactly fractions are read.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= a.abs() * 1e-12
            }
            (a, b) => a == b,
        }
    }

    proptest! {
        #[test]
        fn a_disguise_does_not_change_the_form_and_the_form_is_the_value(value in value()) {
            let form = canonical(&value.to_string());
            prop_assert_eq!(&form, &canonical(&disguised(&value)));
            prop_assert_eq!(&form, &canonical(&form));
            let read: Value = serde_json::from_str(&form).unwrap();
            prop_assert!(same(&read, &value), "{} is read as {}", form, read);
        }
    }
}
