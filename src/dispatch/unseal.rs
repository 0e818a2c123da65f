//! What an attempt gets to see of secrets, and what hides them in what it says.

use super::mask::Mask;
use super::secrets::{SecretError, Secrets, own};
use crate::domain::{Json, Run, SecretReach, SecretText, SecretUse, TenantId};
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

impl Secrets {
    /// Opens what the parameters of `run` name.
    ///
    /// # Errors
    /// See [`UnsealError`]; the run must not begin.
    pub(super) async fn unseal(&self, catalogue: &Catalogue, run: &Run) -> Result<Unsealed, UnsealError> {
        let mut params: Map<String, Value> = run.params.to().unwrap_or_default();
        let mut texts = Vec::with_capacity(run.secrets.len());
        for named in &run.secrets {
            match self.find(catalogue, &run.owner_id, named)? {
                Some(text) => {
                    params.insert(named.parameter.clone(), text.expose().into());
                    texts.push(text);
                }
                None if named.required => {
                    let (parameter, key) = (named.parameter.clone(), named.key.to_string());
                    return Err(UnsealError::Missing { parameter, key });
                }
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

    /// The tenant's own secret, else the platform's where the parameter reaches that.
    fn find(
        &self,
        catalogue: &Catalogue,
        tenant: &TenantId,
        named: &SecretUse,
    ) -> Result<Option<SecretText>, UnsealError> {
        let own = |tenant: &TenantId| own(catalogue, tenant, &named.key);
        let secret = match named.reach {
            SecretReach::Own => own(tenant),
            SecretReach::OwnElseShared => own(tenant).or_else(|| own(&TenantId::shared())),
            SecretReach::Nobody => None,
        };
        let opened = secret.map(|secret| self.open_record(secret)).transpose();
        opened.map_err(|error| UnsealError::Unopened { parameter: named.parameter.clone(), error })
    }
}
