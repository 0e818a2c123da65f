//! The secret store: values are sealed on their way in and opened for the run, or the webhook, that names them.

use crate::domain::{
    Entropy, EntryName, Header, KeyId, Keyring, KeyringError, Sealed, Secret, SecretId, SecretText, TenantId, Unopened,
};
use crate::store::{Catalogue, Change, CommitError, Conflict, Expectation, NamedId, Store, Transition};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};

/// Secrets that one transition encrypts anew: others who write do not wait for all of them.
const BATCH: usize = 100;

/// Writes the keys to where they are kept. When it returns they are on the disk.
pub type SaveKeyring = Box<dyn Fn(&Keyring) -> io::Result<()> + Send + Sync>;

/// A handle to the keys; clones share it.
#[derive(Clone)]
pub struct Secrets(Arc<Shared>);

struct Shared {
    keyring: ArcSwap<Keyring>,
    save: SaveKeyring,
    entropy: Arc<Entropy>,
    /// Held by whoever writes a secret, from sealing until the disk has it; a rotation waits for them before it looks
    /// for what the old key sealed.
    sealing: RwLock<()>,
    /// One rotation at a time.
    rotating: Mutex<()>,
}

/// Permission to seal; the key that seals stays until this is dropped.
pub struct Sealing<'a> {
    secrets: &'a Secrets,
    _held: RwLockReadGuard<'a, ()>,
}

/// Why the value of a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("there is no secret `{0}`")]
    Missing(EntryName),
    /// The store and the keys do not fit together: the operator's to mend.
    #[error("the secret `{key}` cannot be decrypted: {error}")]
    Unopened { key: EntryName, error: Unopened },
}

/// Secrets that no key opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store has secrets ({count}) that are encrypted with the key {key}, which is not there")]
pub struct KeyLost {
    pub key: KeyId,
    pub count: usize,
}

/// Why the keys were not changed, or not all secrets are encrypted anew. What is there opens in any case.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("another rotation is under way")]
    Busy,
    #[error("the keys cannot be written: {0}")]
    Save(#[from] io::Error),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// What encrypts from now on.
    pub key: KeyId,
    /// Secrets that were encrypted anew.
    pub secrets: usize,
}

impl Secrets {
    pub fn new(keyring: Keyring, save: SaveKeyring, entropy: Arc<Entropy>) -> Secrets {
        Secrets(Arc::new(Shared {
            keyring: ArcSwap::from_pointee(keyring),
            save,
            entropy,
            sealing: RwLock::default(),
            rotating: Mutex::default(),
        }))
    }

    /// Whether there is a key for everything that is sealed.
    ///
    /// # Errors
    /// The key that most of what does not open needs.
    pub fn check(keyring: Option<&Keyring>, catalogue: &Catalogue) -> Result<(), KeyLost> {
        let mut lost: BTreeMap<KeyId, usize> = BTreeMap::new();
        for secret in catalogue.secrets().iter() {
            if !keyring.is_some_and(|keyring| keyring.has(secret.sealed.key)) {
                *lost.entry(secret.sealed.key).or_default() += 1;
            }
        }
        let worst = lost.into_iter().max_by_key(|(_, count)| *count);
        worst.map_or(Ok(()), |(key, count)| Err(KeyLost { key, count }))
    }

    /// Begins to write secrets: hold it until what it sealed is committed.
    pub async fn sealing(&self) -> Sealing<'_> {
        Sealing { secrets: self, _held: self.0.sealing.read().await }
    }

    /// The value of a tenant's own secret; the empty tenant is the platform.
    ///
    /// # Errors
    /// There is none of that key, or it cannot be decrypted.
    pub fn open(&self, catalogue: &Catalogue, tenant: &TenantId, key: &EntryName) -> Result<SecretText, SecretError> {
        let secret = own(catalogue, tenant, key).ok_or_else(|| SecretError::Missing(key.clone()))?;
        self.open_record(secret)
    }

    pub(super) fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    pub(super) fn open_record(&self, secret: &Secret) -> Result<SecretText, SecretError> {
        let opened = self.0.keyring.load().open(&secret.sealed, &secret.header);
        opened.map_err(|error| SecretError::Unopened { key: secret.header.name.clone(), error })
    }

    /// Makes a new key, encrypts every secret with it, and drops the older ones. Wherever this is cut short, every
    /// secret opens: the new key is on the disk before anything is sealed with it, and the old ones until nothing is.
    /// The next rotation takes up what is left over.
    ///
    /// # Errors
    /// See [`RotateError`].
    pub async fn rotate(&self, store: &Store) -> Result<Rotated, RotateError> {
        let _one = self.0.rotating.try_lock().map_err(|_| RotateError::Busy)?;
        self.replace(self.0.keyring.load().rotated(self.0.entropy.bytes())?).await?;
        // Whoever sealed with the old key has committed when this is to be had.
        drop(self.0.sealing.write().await);
        let key = self.0.keyring.load().current();
        let mut secrets = 0;
        loop {
            let transition = self.encrypting_anew(&store.catalogue(), key)?;
            let found = transition.changes.len();
            if found == 0 {
                break;
            }
            match store.commit(transition).await {
                Ok(()) => secrets += found,
                // Somebody changed or deleted one of them meanwhile: the next look sees it.
                Err(CommitError::Conflict(Conflict::Version { .. } | Conflict::Gone { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.replace(self.0.keyring.load().without_older()).await?;
        Ok(Rotated { key, secrets })
    }

    /// Takes these keys, on the disk first.
    async fn replace(&self, keyring: Keyring) -> Result<(), RotateError> {
        let (shared, saved) = (Arc::clone(&self.0), keyring.clone());
        match tokio::task::spawn_blocking(move || (shared.save)(&saved)).await {
            Ok(result) => result?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
        self.0.keyring.store(Arc::new(keyring));
        Ok(())
    }

    /// Some of the secrets that another key than `key` sealed, sealed with the current one. Their versions stay: what
    /// they say is the same.
    fn encrypting_anew(&self, catalogue: &Catalogue, key: KeyId) -> Result<Transition, SecretError> {
        let mut transition = Transition::default();
        for secret in catalogue.secrets().iter().filter(|secret| secret.sealed.key != key).take(BATCH) {
            let text = self.open_record(secret)?;
            let sealed = self.seal(&text, &secret.header);
            let Secret { header, allowed_hosts, .. } = secret.as_ref().clone();
            transition.expect.push(Expectation::Version(NamedId::Secret(header.id), header.version));
            transition.changes.push(Change::Put(Secret { header, sealed, allowed_hosts }.into()));
        }
        Ok(transition)
    }

    fn seal(&self, text: &SecretText, place: &Header<SecretId>) -> Sealed {
        let mut nonce = [0; Sealed::NONCE_BYTES];
        nonce.copy_from_slice(&self.0.entropy.bytes()[..Sealed::NONCE_BYTES]);
        self.0.keyring.load().seal(text, place, nonce)
    }
}

impl Sealing<'_> {
    /// The record of a secret with this header.
    pub fn seal(&self, text: &SecretText, header: Header<SecretId>) -> Secret {
        Secret { sealed: self.secrets.seal(text, &header), header, allowed_hosts: Vec::new() }
    }

    /// The same value under another header: what is sealed belongs to one version.
    ///
    /// # Errors
    /// It cannot be decrypted.
    pub fn seal_again(&self, secret: &Secret, header: Header<SecretId>) -> Result<Secret, SecretError> {
        Ok(self.seal(&self.secrets.open_record(secret)?, header))
    }
}

/// The tenant's own secret of that key.
pub(super) fn own<'a>(catalogue: &'a Catalogue, tenant: &TenantId, key: &EntryName) -> Option<&'a Arc<Secret>> {
    // The registry goes on to look among the shared ones.
    catalogue.secrets().named(tenant, key).filter(|secret| secret.header.owner_id == *tenant)
}
