//! `fusebox:action/http`: a request and its whole answer in one call.

use super::exchange::{Answer, send};
use super::gate::Gate;
use super::request::{HEADERS_BYTES_MAX, HEADERS_MAX, URL_BYTES_MAX, read_plain, shown_host};
use super::{CallError, State};
use crate::domain::HttpFault;
use crate::sandbox::bindings::fusebox::action::http as contract;
use crate::sandbox::host::charge;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{ComponentType, Lift, Linker, WasmList, WasmStr};
use wasmtime::{AsContextMut, StoreContextMut};

/// What a call costs besides a unit per byte: about the time that making a connection takes, in computing.
const CALL_FUEL: u64 = 100_000;

/// Its name, as components import it.
pub(in crate::sandbox) const INTERFACE: &str = "fusebox:action/http@0.1.0";

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async("send", |store, (request,): (Lent,)| Box::new(call(store, request)))
}

/// A request that lies in the guest's memory still: what is too large is refused without taking it over.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Lent {
    method: WasmStr,
    url: WasmStr,
    headers: WasmList<(WasmStr, WasmStr)>,
    body: WasmList<u8>,
    #[component(name = "timeout-ms")]
    timeout_ms: Option<u64>,
}

/// The same in the host's.
struct Asked {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    timeout: Option<Duration>,
}

type Answered = Result<contract::Response, contract::Error>;

async fn call(mut store: StoreContextMut<'_, State>, lent: Lent) -> wasmtime::Result<(Answered,)> {
    let gate = Arc::clone(store.data_mut().outgoing().gate());
    let asked = lent.take(store.as_context_mut(), &gate)?;
    let bytes = asked.url.len() + asked.body.len();
    charge(store.as_context_mut(), CALL_FUEL + bytes as u64).await?;
    let answer = answer(&gate, asked).await;
    let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
    charge(store, bytes as u64).await?;
    Ok((answer.map(contract::Response::from).map_err(contract::Error::from),))
}

async fn answer(gate: &Arc<Gate>, asked: Asked) -> Result<Answer, CallError> {
    let Asked { method, url, headers, body, timeout } = asked;
    let mut call = gate.begin(&method, shown_host(&url))?;
    let head = read_plain((&method, &url), &headers, &body).and_then(|head| fits(gate, &body).map(|()| head));
    match head {
        Ok(head) => send(&mut call, head, body, timeout).await,
        Err(error) => call.ended(Err(error)),
    }
}

/// Refuses at once what would break off in its middle.
fn fits(gate: &Gate, body: &Bytes) -> Result<(), CallError> {
    let granted = gate.reserve(body.len() as u64);
    gate.give_back(granted);
    if granted < body.len() as u64 { Err(gate.over_bytes()) } else { Ok(()) }
}

impl Lent {
    /// Takes over as much as may be, and one more of each: enough to see that it is too much.
    ///
    /// # Errors
    /// What the guest lent is not in its memory.
    fn take(self, mut store: StoreContextMut<'_, State>, gate: &Gate) -> wasmtime::Result<Asked> {
        let text = |text: &WasmStr, store: &StoreContextMut<'_, State>, bytes_max: usize| -> wasmtime::Result<String> {
            let text = text.to_str(store)?;
            Ok(text[..text.floor_char_boundary(bytes_max.saturating_add(4))].to_owned())
        };
        let method = text(&self.method, &store, 16)?;
        let url = text(&self.url, &store, URL_BYTES_MAX)?;
        let lent: Vec<(WasmStr, WasmStr)> =
            self.headers.iter(&mut store)?.take(HEADERS_MAX + 1).collect::<wasmtime::Result<_>>()?;
        let mut headers = Vec::with_capacity(lent.len());
        for (name, value) in lent {
            headers.push((text(&name, &store, HEADERS_BYTES_MAX)?, text(&value, &store, HEADERS_BYTES_MAX)?));
        }
        let body = self.body.as_le_slice(&store);
        let body = Bytes::copy_from_slice(&body[..body.len().min(gate.body_bytes_max())]);
        let timeout = self.timeout_ms.map(Duration::from_millis);
        Ok(Asked { method, url, headers, body, timeout })
    }
}

impl From<Answer> for contract::Response {
    fn from(Answer { status, headers, body }: Answer) -> contract::Response {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
        contract::Response { status: status.as_u16(), headers: headers.collect(), body: body.into() }
    }
}

impl From<CallError> for contract::Error {
    fn from(CallError { fault, message }: CallError) -> contract::Error {
        match fault {
            HttpFault::Denied => contract::Error::Denied(message),
            HttpFault::Invalid => contract::Error::Invalid(message),
            HttpFault::Limit => contract::Error::Limit(message),
            HttpFault::Timeout => contract::Error::Timeout(message),
            HttpFault::Failed | HttpFault::BrokenOff => contract::Error::Failed(message),
        }
    }
}
