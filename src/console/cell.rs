//! What pages of the catalogue are made of: values in cells, meters, and the parts of a detail. What each screen says with
//! them is in its own file; how they look is in `cells.html`.

use super::show;
use crate::api::tenant::UsedOut;
use crate::domain::Timestamp;

/// A value somewhere on a page.
pub(super) enum Cell {
    Nothing,
    Text(String),
    /// Text that is said in passing.
    Hint(String),
    Code(String),
    Time(Timestamp),
    /// A word in a colour: the class of `.state` that it has, and the word.
    State(&'static str, &'static str),
    Link(Link),
}

/// Somewhere to go.
pub(super) struct Link {
    pub(super) path: String,
    pub(super) text: String,
}

impl Cell {
    /// Nothing where there is no text.
    pub(super) fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        if text.is_empty() { Cell::Nothing } else { Cell::Text(text) }
    }

    pub(super) fn time(at: Option<Timestamp>) -> Cell {
        at.map_or(Cell::Nothing, Cell::Time)
    }

    pub(super) fn link(path: impl Into<String>, text: impl Into<String>) -> Cell {
        Cell::Link(Link { path: path.into(), text: text.into() })
    }

    /// Whose something is.
    pub(super) fn tenant(owner_id: &str) -> Cell {
        if owner_id.is_empty() { Cell::Hint("platform".to_owned()) } else { Cell::Text(owner_id.to_owned()) }
    }

    /// Whether something is switched on.
    pub(super) fn enabled(enabled: bool) -> Cell {
        if enabled { Cell::State("success", "ENABLED") } else { Cell::State("skipped", "DISABLED") }
    }

    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Cell::Nothing)
    }
}

/// A column of a table. In a narrow list each row is a card: `main` is what it is called, what is `aside` comes last and
/// small, after the label.
pub(super) struct Column {
    pub(super) label: &'static str,
    pub(super) class: &'static str,
}

impl Column {
    pub(super) const fn new(label: &'static str, class: &'static str) -> Column {
        Column { label, class }
    }

    /// Whether a card has to say what a value is.
    pub(super) fn is_said_in_cards(&self) -> bool {
        self.class.contains("aside")
    }
}

/// How much of something is used.
pub(super) struct Meter {
    pub(super) label: String,
    pub(super) used: String,
    pub(super) limit: String,
    /// Parts of a thousand.
    pub(super) share: u64,
}

impl Meter {
    /// Of a quota or bound as the API calls it.
    pub(super) fn of(name: &str, used: &UsedOut) -> Meter {
        let UsedOut { used, limit } = *used;
        // A quota of nothing is used up as soon as anything is there.
        let share = (u128::from(used) * 1_000).checked_div(u128::from(limit)).unwrap_or(u128::from(used) * 1_000);
        let share = u64::try_from(share).unwrap_or(u64::MAX).min(1_000);
        Meter { label: label(name), used: amount(name, used), limit: amount(name, limit), share }
    }
}

/// A number in the unit that its name ends with.
pub(super) fn amount(name: &str, number: u64) -> String {
    if name.contains("bytes") {
        show::bytes(&number)
    } else if name.ends_with("_ms") {
        show::length(&number)
    } else if name.ends_with("_s") {
        show::length(&number.saturating_mul(1_000))
    } else {
        show::count(&number)
    }
}

/// What the API calls something, as a label: without the unit, which the value has.
pub(super) fn label(name: &str) -> String {
    match name {
        "kv_bytes" => return "Kept values".to_owned(),
        "module_bytes" => return "Size of modules".to_owned(),
        "http_bytes" => return "HTTP bytes".to_owned(),
        "http_calls" => return "HTTP calls".to_owned(),
        _ => {}
    }
    let bare = ["_bytes", "_ms", "_s"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    let words = bare.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A part of a detail, with its title.
pub(super) struct Part {
    pub(super) title: String,
    pub(super) body: Body,
}

pub(super) enum Body {
    Words(String),
    /// Text to be copied as it is.
    Code(String),
    Table {
        columns: Vec<Column>,
        rows: Vec<Vec<Cell>>,
    },
    Meters(Vec<Meter>),
}

impl Part {
    pub(super) fn new(title: impl Into<String>, body: Body) -> Part {
        Part { title: title.into(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_in_the_unit_of_its_name() {
        let shown = |name: &str, number| format!("{}: {}", label(name), amount(name, number));
        assert_eq!(shown("kv_bytes", 2 << 20), "Kept values: 2.0 MB");
        assert_eq!(shown("timeout_ms", 1_500), "Timeout: 1.50 s");
        assert_eq!(shown("wait_s", 60), "Wait: 1 min 0 s");
        assert_eq!(shown("event_types", 10_000), "Event types: 10\u{202f}000");
        assert_eq!(shown("memory_bytes", 1 << 10), "Memory: 1.0 KB");
    }

    #[test]
    fn a_meter_is_full_at_its_limit_and_past_it() {
        let share = |used, limit| Meter::of("tokens", &UsedOut { used, limit }).share;
        assert_eq!((share(0, 0), share(1, 0), share(0, 9), share(9, 9), share(10, 9)), (0, 1_000, 0, 1_000, 1_000));
        assert_eq!((share(1, 3), share(u64::MAX, u64::MAX), share(u64::MAX, 1)), (333, 1_000, 1_000));
    }
}
