//! Gives away what it was given: says its param `secret` in every form and through everything that it can say
//! something through, and ends as its payload, a JSON text such as `"reject"`, chooses.
#![cfg(target_family = "wasm")]

use std::io::Write;

use fusebox_sdk::bindings::fusebox::action::log::{Level, write};
use fusebox_sdk::bindings::fusebox::action::types::{Reject, Retry};
use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};
use serde_json::{Value, json};

struct Leaky;

impl Guest for Leaky {
    fn run(context: Context) -> Result<Outcome, Failure> {
        let params: Value = serde_json::from_str(&context.params).unwrap_or_default();
        let secret = params["secret"].as_str().unwrap_or("nothing").to_owned();
        let said = forms(&secret).join(" | ");
        log(&said, &secret);
        print(&said);
        let mut outcome = Outcome { output: None, warnings: Vec::new(), event: None };
        match context.payload.as_str() {
            "\"retry\"" => return Err(Failure::Retry(Retry { message: said, after_ms: Some(1_000) })),
            "\"reject\"" => return Err(Failure::Reject(Reject { message: said, code: 7 })),
            "\"panic\"" => panic!("{said}"),
            "\"field\"" => write(Level::Info, "", &[(secret.clone(), secret)]),
            "\"text\"" => outcome.output = Some(said),
            // As it came, and as the sum of what it says.
            "\"length\"" => outcome.output = Some(secret.len().to_string()),
            _ => {
                outcome.output = Some(json!({ "params": params, "said": said, &secret: [secret] }).to_string());
                outcome.warnings = vec![said.clone(), secret];
                outcome.event = Some(json!({ "leaked": said }).to_string());
            }
        }
        Ok(outcome)
    }
}

fn log(said: &str, secret: &str) {
    let json = |value: Value| value.to_string();
    let deep = json(json!({ "deep": [{ secret: said }], "text": json(json!({ "secret": secret })) }));
    let fields = [(secret.to_owned(), json(said.into())), ("field".to_owned(), deep)];
    write(Level::Info, said, &fields);
    write(Level::Error, secret, &[]);
}

/// At once, in the smallest of pieces, and without an end.
fn print(said: &str) {
    println!("{said}");
    eprintln!("{said}");
    let mut out = std::io::stdout();
    for byte in said.bytes() {
        let _ = out.write_all(&[byte]);
        let _ = out.flush();
    }
    let _ = out.write_all(b"\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
}

fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let mut forms = vec![
        secret.to_owned(),
        json!({ "in": secret }).to_string(),
        format!("{secret:?}"),
        hex(bytes),
        hex(bytes).to_uppercase(),
        bytes.iter().map(percent).collect(),
    ];
    for user in ["", "u", "uu", "user:"] {
        forms.push(format!("Basic {}", base64(&[user.as_bytes(), bytes, b"?"].concat())));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for letter in 0..4_usize {
            let index = (bits >> (18 - 6 * letter)) & 63;
            text.push(if letter <= group.len() { char::from(LETTERS[index as usize]) } else { '=' });
        }
    }
    text
}

export!(Leaky with_types_in fusebox_sdk::bindings);
