//! Writing for people and for programs.

use super::catalogue::Refused;
use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

/// A program gets one document, with the error in it; of files that are wrong, with each fault as `errors`.
pub(super) fn failure(error: &anyhow::Error, json: bool) {
    if json {
        let mut document = json!({ "error": format!("{error:#}") });
        if let Some(refused) = error.downcast_ref::<Refused>() {
            document["errors"] = refused.json();
        }
        println!("{document}");
    } else {
        let red = AnsiColor::Red.on_default().bold();
        eprintln!("{red}error:{red:#} {error:#}");
    }
}

pub(super) fn document(value: &Value) {
    println!("{value:#}");
}

/// One of several documents, on a line of its own.
pub(super) fn line(value: &Value) {
    println!("{value}");
}

fn style(state: &str) -> Style {
    match state {
        "SUCCESS" => AnsiColor::Green.on_default(),
        "WARNING" => AnsiColor::Yellow.on_default(),
        "ERROR" => AnsiColor::Red.on_default(),
        "SKIPPED" | "CANCELLED" => AnsiColor::BrightBlack.on_default(),
        _ => AnsiColor::Cyan.on_default(),
    }
}

/// A state in its colour, with its reason, padded to line up.
pub(super) fn state(state: &str, reason: Option<&str>) -> String {
    let text = reason.map_or_else(|| state.to_owned(), |reason| format!("{state} {reason}"));
    let style = style(state);
    format!("{style}{text:<22}{style:#}")
}

/// One line about a run.
pub(super) fn run_line(run: &Value) {
    let text = |name: &str| run[name].as_str().unwrap_or("");
    let attempts = run["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = attempts.last();
    let used = |name: &str| last.and_then(|attempt| attempt["usage"][name]["used"].as_f64()).unwrap_or(0.0);
    let tries = if attempts.len() > 1 { format!(" after {} attempts", attempts.len()) } else { String::new() };
    let first_line = text("message").lines().next().unwrap_or("");
    let message = if first_line.is_empty() { String::new() } else { format!("  {first_line}") };
    println!(
        "{} {} {:<20} {:>9.3} ms {:>12} fuel{tries}{message}",
        text("id"),
        state(text("state"), run["reason"].as_str()),
        text("action"),
        used("wall_ms"),
        group(used("fuel")),
    );
}

/// A run in full.
pub(super) fn run(run: &Value) {
    let text = |name: &str| run[name].as_str().unwrap_or("-").to_owned();
    println!("run      {}", text("id"));
    println!("event    {}", text("event_id"));
    println!("action   {} (version {}, {})", text("action"), run["version"], text("module"));
    println!("state    {}", state(&text("state"), run["reason"].as_str()));
    if !text("message").is_empty() {
        println!("message  {}", text("message").replace('\n', "\n         "));
    }
    println!("code     {}", run["code"]);
    if let Some(child) = run["child_event_id"].as_str() {
        println!("fired    event {child}");
    }
    for emitted in run["emitted"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        println!("emitted  event {emitted}");
    }
    println!("queued   {}   started {}   ended {}", text("queued_at"), text("started_at"), text("ended_at"));
    for attempt in run["attempts"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let reason = attempt["reason"].as_str();
        println!("attempt {} {}", attempt["number"], state(attempt["state"].as_str().unwrap_or(""), reason));
        usage(&attempt["usage"]);
    }
    for (name, value) in [("output", &run["output"]), ("chained event", &run["event"])] {
        if !value.is_null() {
            println!("{name}\n{value:#}");
        }
    }
}

/// Used against limit, a line each.
pub(super) fn usage(usage: &Value) {
    for (name, unit) in [
        ("fuel", "instructions"),
        ("memory_bytes", "bytes of memory"),
        ("wall_ms", "ms of wall time"),
        ("cpu_ms", "ms on a processor"),
        ("output_bytes", "bytes of output"),
        ("log_bytes", "bytes of log"),
        ("kv_bytes", "bytes of values written"),
        ("emitted_events", "events emitted"),
    ] {
        let number = |part: &str| usage[name][part].as_f64().unwrap_or(0.0);
        println!("  {:>16} of {:>16} {unit}", group(number("used")), group(number("limit")));
    }
}

/// A line of a log.
pub(super) fn log_line(line: &Value) {
    let level = line["level"].as_str().unwrap_or("");
    let style = match level {
        "error" => AnsiColor::Red.on_default(),
        "warn" => AnsiColor::Yellow.on_default(),
        "info" => AnsiColor::Green.on_default(),
        _ => AnsiColor::BrightBlack.on_default(),
    };
    let fields = line["fields"].as_object().into_iter().flatten();
    let fields: String = fields.map(|(name, value)| format!("  {name}={value}")).collect();
    let (at, message) = (line["at"].as_str().unwrap_or(""), line["message"].as_str().unwrap_or(""));
    println!("{at} {style}{level:<5}{style:#} {message}{fields}");
}

/// Thousands apart: 1 234 567.
pub(super) fn group(number: f64) -> String {
    if number.fract() != 0.0 {
        return format!("{number:.3}");
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0.0, 999.0, 1_234_567.0].map(group), ["0", "999", "1 234 567"]);
        assert_eq!(group(0.1234), "0.123");
    }
}
