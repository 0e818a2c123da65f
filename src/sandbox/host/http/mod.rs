//! Outgoing HTTP: one gate behind `fusebox:action/http` and `wasi:http`.
//!
//! A request is counted (`gate`), read (`request`), allowed or denied (`domain::Reach`), given the secrets that the guest
//! does not see (`hidden`), and sent to an address that was looked at (`connect`) over a connection whose bytes are counted
//! (`counted`). HTTP/1.1, a connection for each call, no redirects, no proxies. Whatever a peer does costs its call only.

mod action;
mod connect;
mod counted;
mod exchange;
mod gate;
mod hidden;
mod network;
mod played;
mod request;
mod wasi;

pub(in crate::sandbox) use action::INTERFACE;
pub(in crate::sandbox) use gate::Http;
pub(in crate::sandbox) use network::Network;
pub use network::{Names, Peers};
pub use played::Answering;
pub(super) use wasi::Hooks;
pub(in crate::sandbox) use wasi::INTERFACE as WASI_INTERFACE;

use super::State;
use crate::domain::HttpFault;
use wasmtime::component::Linker;

/// Everything that can be offered of HTTP.
pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    action::offer(linker)?;
    wasi::offer(linker)
}

/// Why a call did not come to its end: a value for the guest, and a line in the attempt's record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CallError {
    fault: HttpFault,
    message: String,
}

impl CallError {
    fn new(fault: HttpFault, message: impl Into<String>) -> CallError {
        CallError { fault, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> CallError {
        CallError::new(HttpFault::Invalid, message)
    }
}
