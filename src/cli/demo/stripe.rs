//! What Stripe does when somebody paid: it signs what happened and delivers it to the webhook, without a token.

use crate::cli::client::Client;
use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// What both sides sign and verify with.
pub(super) const SIGNING: &str = "whsec_signing_secret_of_the_demo";

/// Stripe's side of the source that is called `stripe`.
pub(super) struct Stripe {
    client: Client,
    path: String,
}

impl Stripe {
    pub(super) fn find(client: &Client) -> Result<Stripe> {
        let source = client.get("/source/stripe")?;
        let id = source["data"]["id"].as_str().context("the server has no source that is called stripe")?;
        Ok(Stripe { client: client.stranger(), path: format!("/hook/{id}") })
    }

    /// Delivers and gives the id of the event that it fired.
    pub(super) fn deliver(&self, payload: &Value, at_s: i64) -> Result<String> {
        let delivered = self.send(payload, at_s, SIGNING)?;
        Ok(delivered["data"]["event_id"].as_str().context("the delivery fired nothing")?.to_owned())
    }

    /// Somebody else's: what the server says against it.
    pub(super) fn forge(&self, payload: &Value, at_s: i64) -> Result<String> {
        match self.send(payload, at_s, "whsec_somebody_else") {
            Ok(_) => bail!("a forged delivery was taken"),
            Err(refused) => Ok(refused.to_string()),
        }
    }

    fn send(&self, payload: &Value, at_s: i64, secret: &str) -> Result<Value> {
        let body = payload.to_string();
        let signature = format!("t={at_s},v1={}", signature(secret, at_s, &body)?);
        let headers = [("content-type", "application/json".to_owned()), ("stripe-signature", signature)];
        self.client.post(&self.path, &headers, body.as_bytes())
    }
}

/// <https://docs.stripe.com/webhooks#verify-manually>
fn signature(secret: &str, at_s: i64, body: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).context("no key")?;
    mac.update(format!("{at_s}.{body}").as_bytes());
    Ok(HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

    use super::*;

    /// The one that the server's own tests verify: computed with Python's `hmac` after Stripe's documentation.
    #[test]
    fn it_signs_as_stripe_does() {
        let body = r#"{"id": "evt_1", "type": "invoice.paid"}"#;
        let signed = signature("whsec_test_secret", 1_700_000_000, body).unwrap();
        assert_eq!(signed, "7ef65ed813bf41da1cbc5b86f0ee4a40dfb95e601ad9736c60f916708e64c5a1");
    }
}
