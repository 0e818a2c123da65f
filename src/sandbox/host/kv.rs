//! `fusebox:action/kv`: values from run to run. What an attempt writes lies here until it has succeeded; it reads its
//! own writes, and behind them what is kept.

use super::{State, charge};
use crate::domain::{KvEntry, KvExpect, KvScope, KvSize, KvWrite};
use crate::sandbox::bindings::fusebox::action::kv as contract;
use std::collections::BTreeSet;
use wasmtime::component::Linker;
use wasmtime::{AsContextMut, StoreContextMut};

pub(in crate::sandbox) const INTERFACE: &str = "fusebox:action/kv@0.1.0";
/// A call may read from the disk: about the time that takes, in computing. It is also what bounds the number of calls.
const CALL_FUEL: u64 = 20_000;
/// What a write counts besides its bytes, as the host keeps it.
pub(in crate::sandbox) const WRITE_BYTES: u64 = 64;

type Set = (contract::Scope, String, Vec<u8>, contract::Expect, Option<u64>);
type Delete = (contract::Scope, String, contract::Expect);
type List = (contract::Scope, String, Option<String>, u32);

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut kv = linker.instance(INTERFACE)?;
    kv.func_wrap_async("get", |store, (scope, key): (contract::Scope, String)| Box::new(get(store, (scope, key))))?;
    kv.func_wrap_async("set", |store, set: Set| Box::new(set_value(store, set)))?;
    kv.func_wrap_async("delete", |store, delete: Delete| Box::new(delete_value(store, delete)))?;
    kv.func_wrap_async("list", |store, list: List| Box::new(list_keys(store, list)))
}

async fn get(
    mut store: StoreContextMut<'_, State>,
    (scope, key): (contract::Scope, String),
) -> wasmtime::Result<(Option<contract::Entry>,)> {
    charge(store.as_context_mut(), CALL_FUEL + key.len() as u64).await?;
    let place = store.data().place(scope, key);
    let Some(KvEntry { value, version, .. }) = find(&mut store, &place).await? else { return Ok((None,)) };
    charge(store, value.len() as u64).await?;
    Ok((Some(contract::Entry { value, version }),))
}

async fn set_value(
    mut store: StoreContextMut<'_, State>,
    (scope, key, value, expect, ttl_ms): Set,
) -> wasmtime::Result<(Result<(), contract::Error>,)> {
    charge(store.as_context_mut(), CALL_FUEL + (key.len() + value.len()) as u64).await?;
    let place = store.data().place(scope, key);
    if let Some(message) = oversize(&place.1, &value) {
        return Ok((Err(contract::Error::Limit(message)),));
    }
    let services = store.data().journal.services();
    let written_at = services.now();
    let expires_at = ttl_ms.map(|ttl_ms| written_at.plus_ms(ttl_ms));
    let entry = KvEntry { value, version: services.next_version(), written_at, expires_at };
    Ok((write(store, place, KvWrite { expect: expect.into(), entry: Some(entry) }).await?,))
}

async fn delete_value(
    mut store: StoreContextMut<'_, State>,
    (scope, key, expect): Delete,
) -> wasmtime::Result<(Result<(), contract::Error>,)> {
    charge(store.as_context_mut(), CALL_FUEL + key.len() as u64).await?;
    let place = store.data().place(scope, key);
    Ok((write(store, place, KvWrite { expect: expect.into(), entry: None }).await?,))
}

async fn list_keys(
    mut store: StoreContextMut<'_, State>,
    (scope, prefix, after, limit): List,
) -> wasmtime::Result<(Vec<String>,)> {
    charge(store.as_context_mut(), CALL_FUEL + prefix.len() as u64).await?;
    let limit = KvSize::LISTED_MAX.min(limit as usize);
    if limit == 0 {
        return Ok((Vec::new(),));
    }
    let (scope, prefix) = store.data().place(scope, prefix);
    let services = store.data().journal.services();
    let own = store.data().own_keys(scope, (&prefix, after.as_deref()));
    // As many more as its own writes may have taken away.
    let kept = services.list_keys(scope, (&prefix, after.as_deref()), limit + own.len()).await?;
    let mut keys: BTreeSet<String> = kept.into_iter().collect();
    for (key, is_there) in own {
        if is_there {
            keys.insert(key);
        } else {
            keys.remove(&key);
        }
    }
    let keys: Vec<String> = keys.into_iter().take(limit).collect();
    charge(store, keys.iter().map(|key| key.len() as u64).sum()).await?;
    Ok((keys,))
}

/// Where a value lies.
type Place = (KvScope, String);

/// What the attempt sees there: its own write, else what is kept.
async fn find(store: &mut StoreContextMut<'_, State>, place: &Place) -> wasmtime::Result<Option<KvEntry>> {
    let services = store.data().journal.services();
    let found = match store.data().own_write(place) {
        Some(write) => write.entry.clone(),
        None => services.find_value(place.0, &place.1).await?,
    };
    Ok(found.filter(|entry| entry.is_there(services.now())))
}

/// Notes what is to become of a key, if that may be.
async fn write(
    mut store: StoreContextMut<'_, State>,
    place: Place,
    write: KvWrite,
) -> wasmtime::Result<Result<(), contract::Error>> {
    let before = find(&mut store, &place).await?;
    if !write.expect.holds(before.as_ref().map(|before| before.version)) {
        return Ok(Err(contract::Error::Conflict));
    }
    let bytes_at = |entry: &KvEntry| (place.1.len() + entry.value.len()) as u64;
    let (bytes, before) = (write.entry.as_ref().map(bytes_at), before.as_ref().map(bytes_at));
    let kept_before = match store.data().kept {
        Some(kept) => kept,
        None => store.data().journal.services().kept().await?,
    };
    let kept = bytes.map_or_else(|| kept_before.without(before), |bytes| kept_before.with(bytes, before));
    let state = store.data_mut();
    let (used, allowed) = (state.kv_bytes + WRITE_BYTES + bytes.unwrap_or(place.1.len() as u64), state.limits.kv_bytes);
    // What takes something away is not refused for what others keep.
    let refusal = if used > allowed {
        Some(format!("the attempt would have written {used} bytes, and {allowed} is the most"))
    } else {
        kept.refusal(kept_before).filter(|_| write.entry.is_some())
    };
    if let Some(message) = refusal {
        return Ok(Err(contract::Error::Limit(message)));
    }
    (state.kv_bytes, state.kept) = (used, Some(kept));
    // What the first write expected is what was there before the attempt; later ones see what is its own.
    let writes = &mut state.effects.get_or_insert_default().writes;
    let expect = writes.get(&place).map_or(write.expect, |own| own.expect);
    writes.insert(place, KvWrite { expect, ..write });
    Ok(Ok(()))
}

fn oversize(key: &str, value: &[u8]) -> Option<String> {
    if key.is_empty() || key.len() > KvSize::KEY_BYTES_MAX {
        Some(format!("a key has 1 to {} bytes, this one has {}", KvSize::KEY_BYTES_MAX, key.len()))
    } else if value.len() > KvSize::VALUE_BYTES_MAX {
        Some(format!("a value has at most {} bytes, this one has {}", KvSize::VALUE_BYTES_MAX, value.len()))
    } else {
        None
    }
}

impl State {
    /// A run that no attachment caused has only the action's values.
    fn place(&self, scope: contract::Scope, key: String) -> Place {
        let scope = match scope {
            contract::Scope::Attachment if self.is_attached => KvScope::Attachment,
            contract::Scope::Attachment | contract::Scope::Action => KvScope::Action,
        };
        (scope, key)
    }

    fn own_write(&self, place: &Place) -> Option<&KvWrite> {
        self.effects.as_ref()?.writes.get(place)
    }

    /// The keys that the attempt wrote, and whether something is there now.
    fn own_keys(&self, scope: KvScope, (prefix, after): (&str, Option<&str>)) -> Vec<(String, bool)> {
        let Some(effects) = &self.effects else { return Vec::new() };
        let now = self.journal.services().now();
        let meant = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let own = effects.writes.iter().filter(|((of, key), _)| *of == scope && meant(key));
        own.map(|((_, key), write)| (key.clone(), write.entry.as_ref().is_some_and(|entry| entry.is_there(now))))
            .collect()
    }
}

impl From<contract::Expect> for KvExpect {
    fn from(expect: contract::Expect) -> KvExpect {
        match expect {
            contract::Expect::Anything => KvExpect::Anything,
            contract::Expect::Nothing => KvExpect::Nothing,
            contract::Expect::Version(version) => KvExpect::Version(version),
        }
    }
}
