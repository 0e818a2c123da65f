//! What an attempt gets to see of secrets, and what hides them in what it says.

use super::mask::Mask;
use super::scheduler::Dispatch;
use super::secrets::{SecretError, Secrets, own};
use crate::domain::{Json, Run, Secret, SecretReach, SecretText, SecretUse, TenantId};
use crate::sandbox::Attempted;
use crate::store::Catalogue;
use aho_corasick::BuildError;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Of the secrets of one run together. What a run says is looked through for all of their forms.
const BYTES_MAX: usize = 128 << 10;
/// Making a mask takes about 50 µs for a token of 40 bytes, and some milliseconds for much more than this.
const BRIEFLY_BYTES_MAX: usize = 4 << 10;

/// The secrets of one attempt. Nothing of it is kept when the attempt is over.
pub(super) struct Unsealed {
    /// With the values.
    pub(super) params: Json,
    pub(super) mask: Arc<Mask>,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnsealError {
    #[error("the parameter `{parameter}` takes the secret `{key}`, which is not there")]
    Missing { parameter: String, key: String },
    #[error("the secrets of a run have at most {BYTES_MAX} bytes together")]
    TooLarge,
    /// Ours to mend.
    #[error("the parameter `{parameter}`: {error}")]
    Unopened { parameter: String, error: SecretError },
    #[error("the secrets cannot be masked: {0}")]
    Mask(#[from] BuildError),
}

/// What an attempt came to, without the secrets that it was given.
pub(super) fn masked(unsealed: Option<&Unsealed>, attempted: Attempted) -> Attempted {
    let Some(Unsealed { mask, .. }) = unsealed else { return attempted };
    let Attempted { ending, usage, mut effects } = attempted;
    // Values that it keeps are the guest's own, and only it reads them: they stay as they are.
    for emitted in effects.iter_mut().flat_map(|effects| &mut effects.events) {
        emitted.payload = mask.json(std::mem::replace(&mut emitted.payload, Json::null()));
    }
    Attempted { ending: mask.ending(ending), usage, effects }
}

impl Dispatch {
    /// Opens what the parameters of `run` name, at each attempt anew: one after a change of a secret sees the change. `None`
    /// when it takes no secrets; why the run must not begin when one cannot be had.
    pub(super) async fn unseal(&self, run: &Run) -> Result<Option<Unsealed>, String> {
        if run.secrets.is_empty() {
            return Ok(None);
        }
        let unsealed = self.secrets().unseal(&self.store().catalogue(), run).await;
        unsealed.map(Some).map_err(|error| {
            if !matches!(error, UnsealError::Missing { .. } | UnsealError::TooLarge) {
                tracing::error!(run.id = %run.id, %error, "a secret could not be read");
            }
            error.to_string()
        })
    }
}

/// What a run could not begin without, would it begin now.
pub(super) fn missing_secret(catalogue: &Catalogue, run: &Run) -> Option<String> {
    let missing = |named: &&SecretUse| named.required && record(catalogue, &run.owner_id, named).is_none();
    run.secrets.iter().find(missing).map(|named| UnsealError::missing(named).to_string())
}

/// The tenant's own secret, else the platform's where the parameter reaches that.
pub(super) fn record<'a>(catalogue: &'a Catalogue, tenant: &TenantId, named: &SecretUse) -> Option<&'a Secret> {
    let own = |tenant: &TenantId| own(catalogue, tenant, &named.key);
    let found = match named.reach {
        SecretReach::Own => own(tenant),
        SecretReach::OwnElseShared => own(tenant).or_else(|| own(&TenantId::shared())),
        SecretReach::Nobody => None,
    };
    found.map(|secret| &**secret)
}

impl UnsealError {
    fn missing(SecretUse { parameter, key, .. }: &SecretUse) -> UnsealError {
        UnsealError::Missing { parameter: parameter.clone(), key: key.to_string() }
    }
}

impl Secrets {
    /// Opens what the parameters of `run` name.
    ///
    /// # Errors
    /// See [`UnsealError`]; the run must not begin.
    async fn unseal(&self, catalogue: &Catalogue, run: &Run) -> Result<Unsealed, UnsealError> {
        let mut params: Map<String, Value> = run.params.to().unwrap_or_default();
        let mut texts = Vec::with_capacity(run.secrets.len());
        for named in &run.secrets {
            match self.find(catalogue, &run.owner_id, named)? {
                Some(text) => {
                    params.insert(named.parameter.clone(), text.expose().into());
                    texts.push(text);
                }
                None if named.required => return Err(UnsealError::missing(named)),
                None => {
                    params.remove(&named.parameter);
                }
            }
        }
        let size_bytes: usize = texts.iter().map(|text| text.expose().len()).sum();
        if size_bytes > BYTES_MAX {
            return Err(UnsealError::TooLarge);
        }
        let mask = if size_bytes <= BRIEFLY_BYTES_MAX {
            Mask::new(&texts)?
        } else {
            match tokio::task::spawn_blocking(move || Mask::new(&texts)).await {
                Ok(mask) => mask?,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        };
        Ok(Unsealed { params: params.into(), mask: Arc::new(mask) })
    }

    fn find(
        &self,
        catalogue: &Catalogue,
        tenant: &TenantId,
        named: &SecretUse,
    ) -> Result<Option<SecretText>, UnsealError> {
        let opened = record(catalogue, tenant, named).map(|secret| self.open_record(secret)).transpose();
        opened.map_err(|error| UnsealError::Unopened { parameter: named.parameter.clone(), error })
    }
}
