//! What was done, or would be, for people.

use serde_json::Value;

/// Values longer than this are cut.
const SHOWN_CHARS_MAX: usize = 60;

/// Prints every change, a line for each field of one, and how many there are.
pub(in crate::cli) fn show(done: &Value, warnings: &Value) {
    for module in list(&done["uploaded"]) {
        let digest = module["digest"].as_str().unwrap_or_default();
        println!("+ module {}", module["name"].as_str().unwrap_or(digest));
    }
    for change in list(&done["changes"]) {
        let text = |field: &str| change[field].as_str().unwrap_or_default();
        let sign = match text("change") {
            "create" => '+',
            "delete" => '-',
            _ => '~',
        };
        println!("{sign} {} {}", word(text("kind")), text("name"));
        for field in list(&change["fields"]) {
            let name = field["field"].as_str().unwrap_or_default();
            println!("    {name}: {} -> {}", short(&field["before"]), short(&field["after"]));
        }
        if let Some(token) = change["token"].as_str() {
            println!("    its token, shown this once: {token}");
        }
    }
    for warning in list(warnings) {
        println!("warning: {}", warning.as_str().unwrap_or_default());
    }
    let count = |name: &str| done[name].as_u64().unwrap_or(0);
    let (created, changed, deleted) = (count("created"), count("changed"), count("deleted"));
    println!("{created} created, {changed} changed, {deleted} deleted, {} unchanged", count("unchanged"));
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `event_types` as one of them is called.
fn word(kind: &str) -> String {
    kind.strip_suffix('s').unwrap_or(kind).replace('_', " ")
}

fn short(value: &Value) -> String {
    if value.is_null() {
        return "(as usual)".to_owned();
    }
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}
