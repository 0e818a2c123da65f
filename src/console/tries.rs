//! Lines for a shell that fire what a source may fire, as its sender would.

use crate::api::source::WebhookIn;
use crate::domain::Preset;

/// What a preset is called.
pub(super) fn preset(webhook: &WebhookIn) -> &'static str {
    match webhook.preset {
        Preset::Standard => "Standard Webhooks",
        Preset::Github => "GitHub",
        Preset::Stripe => "Stripe",
    }
}

/// With a token.
pub(super) fn token(origin: &str, event_type: &str, token: &str) -> String {
    format!(
        "curl -X POST {origin}/trigger/{event_type} \\\n  -H \"authorization: Bearer {token}\" \\\n  \
         -H 'content-type: application/json' -d '{{\"hello\": \"world\"}}'"
    )
}

/// With a signature, made of `$SECRET` as the sender would make it. The sender's name of the event is one that fires
/// something, as far as the webhook says.
pub(super) fn webhook(webhook: &WebhookIn, url: &str, event_type: &str) -> String {
    // What stands in a line for a shell is nothing that a shell could take for more than a name.
    let is_plain = |said: &&String| said.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
    let said = webhook.event_types.keys().find(is_plain).map(String::as_str);
    match webhook.preset {
        Preset::Standard => format!(
            "id=msg_$(date +%s) at=$(date +%s) body='{{\"type\": \"{said}\"}}'\n\
             key=$(printf %s \"${{SECRET#whsec_}}\" | base64 -d | od -An -v -tx1 | tr -d ' \\n')\n\
             signature=$(printf %s \"$id.$at.$body\" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)\n\
             curl -X POST {url} -H \"webhook-id: $id\" -H \"webhook-timestamp: $at\" \\\n  \
             -H \"webhook-signature: v1,$signature\" -H 'content-type: application/json' -d \"$body\"",
            said = said.unwrap_or(event_type),
        ),
        Preset::Github => format!(
            "body='{{\"hello\": \"world\"}}'\n\
             signature=$(printf %s \"$body\" | openssl dgst -sha256 -hmac \"$SECRET\" | sed 's/.* //')\n\
             curl -X POST {url} -H 'x-github-event: {said}' -H \"x-github-delivery: $(date +%s)\" \\\n  \
             -H \"x-hub-signature-256: sha256=$signature\" -H 'content-type: application/json' -d \"$body\"",
            said = said.unwrap_or(event_type.strip_prefix("github.").unwrap_or("push")),
        ),
        Preset::Stripe => format!(
            "at=$(date +%s) body='{{\"id\": \"evt_'$(date +%s)'\", \"type\": \"{said}\"}}'\n\
             signature=$(printf %s \"$at.$body\" | openssl dgst -sha256 -hmac \"$SECRET\" | sed 's/.* //')\n\
             curl -X POST {url} -H \"stripe-signature: t=$at,v1=$signature\" \\\n  \
             -H 'content-type: application/json' -d \"$body\"",
            said = said.unwrap_or(event_type),
        ),
    }
}
