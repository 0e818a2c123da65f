//! Content lines of RFC 5545, section 3.1: escaped, folded, ended by CR LF.

/// Octets in a line, without its end.
const LINE_OCTETS: usize = 75;

/// Writes `name:value`, folded: what does not fit goes on in the next line after a space. A letter is never split.
pub(crate) fn line(out: &mut String, name: &str, value: &str) {
    let mut used = 0;
    for letter in name.chars().chain([':']).chain(value.chars()) {
        if used + letter.len_utf8() > LINE_OCTETS {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(letter);
        used += letter.len_utf8();
    }
    out.push_str("\r\n");
}

/// A TEXT value (section 3.3.11). Control characters other than line ends mean nothing in a calendar.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\\' | ';' | ',' => safe.extend(['\\', letter]),
            '\n' | '\r' => safe.push_str("\\n"),
            _ if letter.is_control() => {}
            _ => safe.push(letter),
        }
    }
    safe
}

/// A quoted parameter value; RFC 6868 says how it carries what would end it.
pub(crate) fn quoted(text: &str) -> String {
    let mut safe = String::from('"');
    for letter in text.chars() {
        match letter {
            '^' => safe.push_str("^^"),
            '"' => safe.push_str("^'"),
            '\n' => safe.push_str("^n"),
            _ if letter.is_control() => {}
            _ => safe.push(letter),
        }
    }
    safe.push('"');
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(value: &str) -> String {
        let mut out = String::new();
        line(&mut out, "SUMMARY", value);
        out
    }

    #[test]
    fn a_line_of_75_octets_is_whole_and_one_more_folds() {
        let fits = "x".repeat(75 - "SUMMARY:".len());
        assert_eq!(folded(&fits), format!("SUMMARY:{fits}\r\n"));
        assert_eq!(folded(&format!("{fits}y")), format!("SUMMARY:{fits}\r\n y\r\n"));
    }

    #[test]
    fn folding_never_splits_a_letter_and_loses_nothing() {
        for letter in ["é", "€", "𝄞"] {
            let value = letter.repeat(200);
            let out = folded(&value);
            assert!(out.split("\r\n").all(|line| line.len() <= LINE_OCTETS), "{out}");
            assert_eq!(out.replace("\r\n ", ""), format!("SUMMARY:{value}\r\n"));
        }
    }

    #[test]
    fn what_would_end_a_value_is_escaped() {
        assert_eq!(escaped("a;b,c\\d\r\ne\nf\u{7}"), "a\\;b\\,c\\\\d\\ne\\nf");
        assert_eq!(quoted("^\"Ω\"\r\n"), "\"^^^'Ω^'^n\"");
    }
}
