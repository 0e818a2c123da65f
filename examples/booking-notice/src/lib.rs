//! Writes what people are told about a booking, ready for a messaging service to send.
//!
//! What it says is the attachment's: input `text`, with the payload's fields in braces such as `{title}` or
//! `{organizer.name}`, and `channel`. An event type's own action has no attachment and takes both from the params of
//! the same names. Param `api_key` is the key to the messaging service, a SECRET.

use fusebox_sdk::serde_json::Value;
use fusebox_sdk::{Context, Failure, action, log};
use serde::{Deserialize, Serialize};

/// The code of a text that names what the payload does not have.
const CODE_NO_SUCH_FIELD: u32 = 10;
/// The code of a notice without a text.
const CODE_NO_TEXT: u32 = 11;

#[derive(Deserialize)]
pub struct Params {
    #[serde(default)]
    sender: Option<String>,
    #[serde(default)]
    api_key: Option<String>,
    #[serde(flatten)]
    wording: Wording,
}

#[derive(Deserialize, Default, Clone)]
pub struct Wording {
    text: Option<String>,
    channel: Option<String>,
}

#[derive(Serialize)]
pub struct Notice {
    channel: String,
    sender: String,
    text: String,
    /// What the service is called with; the host masks the key in everything that is kept.
    headers: Vec<String>,
}

#[action]
fn notice(payload: Value, params: Params, input: Wording, ctx: &Context) -> Result<Notice, Failure> {
    let text = input.text.or(params.wording.text).ok_or_else(|| {
        Failure::reject("there is no text: give one in the input, or in the params").with_code(CODE_NO_TEXT)
    })?;
    let channel = input.channel.or(params.wording.channel).unwrap_or_else(|| "email".to_owned());
    let text = filled(&text, &payload)?;
    let headers = params.api_key.iter().map(|key| format!("authorization: Bearer {key}")).collect();
    log::info!("{channel}: {text}"; trigger = ctx.trigger());
    Ok(Notice { channel, sender: params.sender.unwrap_or_else(|| "Fusebox".to_owned()), text, headers })
}

/// The text with what the payload says in the place of every name in braces. A brace that nothing closes is a brace.
fn filled(text: &str, payload: &Value) -> Result<String, Failure> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((name, after)) = behind.split_once('}') else { break };
        filled.push_str(before);
        match name.split('.').try_fold(payload, |value, part| value.get(part)) {
            Some(Value::String(text)) => filled.push_str(text),
            Some(other) => filled.push_str(&other.to_string()),
            None => {
                let message = format!("the text names `{name}`, which the payload does not have");
                return Err(Failure::reject(message).with_code(CODE_NO_SUCH_FIELD));
            }
        }
        rest = after;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use fusebox_sdk::json;
    use fusebox_sdk::testing::{Report, Sample, run};

    use super::*;

    fn told(payload: Value, input: Value) -> Report {
        let params = json!({"sender": "Harbour House", "api_key": "key"});
        run(notice_action, Sample::new(payload).params(params).input(input))
    }

    #[test]
    fn the_sample_tells_the_gate() {
        let input = json!({"channel": "sms", "text": "Open the gate for {title}, {organizer.name}"});
        let report = run(notice_action, Sample::from_json(include_str!("../sample.json")).input(input));
        assert_eq!(report.state(), "SUCCESS");
        let expected = "Open the gate for Meeting room Öresund, 2nd floor, Astrid Lindqvist";
        assert_eq!(report.output()["text"], expected);
        assert_eq!(report.output()["channel"], "sms");
        assert_eq!(report.output()["sender"], "Fusebox");
        assert_eq!(report.logs()[0].message, format!("sms: {expected}"));
    }

    #[test]
    fn the_key_goes_to_the_service() {
        let report = told(json!({"n": 2, "to": null}), json!({"text": "{n} for {to}"}));
        assert_eq!(report.output()["text"], "2 for null");
        assert_eq!(report.output()["headers"], json!(["authorization: Bearer key"]));
        assert_eq!(report.output()["channel"], "email");
    }

    #[test]
    fn the_params_say_it_where_there_is_no_attachment() {
        let params = json!({"text": "Good morning", "channel": "door"});
        let report = run(notice_action, Sample::new(json!({})).params(params.clone()));
        assert_eq!((&report.output()["text"], &report.output()["channel"]), (&json!("Good morning"), &json!("door")));
        let attached = Sample::new(json!({})).params(params).input(json!({"text": "Good night"}));
        assert_eq!(run(notice_action, attached).output()["text"], "Good night");
    }

    #[test]
    fn a_brace_that_nothing_closes_is_a_brace() {
        assert_eq!(told(json!({}), json!({"text": "a { b"})).output()["text"], "a { b");
        assert_eq!(told(json!({"a": 1}), json!({"text": "{a}{"})).output()["text"], "1{");
    }

    #[test]
    fn what_cannot_be_said_is_rejected() {
        let report = told(json!({"title": "x"}), json!({"text": "{title}: {door.code}"}));
        assert_eq!(report.failure().code(), CODE_NO_SUCH_FIELD);
        assert!(report.failure().message().contains("`door.code`"), "{:?}", report.failure());
        assert_eq!(told(json!({}), json!({})).failure().code(), CODE_NO_TEXT);
    }
}
