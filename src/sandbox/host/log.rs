//! `fusebox:action/log`: levelled lines with fields.

use super::{State, Stop, charge};
use crate::domain::{Json, Level, Reason};
use crate::sandbox::bindings::fusebox::action::log as contract;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

/// What a line costs besides a unit per byte: about the time it takes, in computing.
const LINE_FUEL: u64 = 2_000;

type Write = (contract::Level, String, Vec<(String, String)>);

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .instance("fusebox:action/log@0.1.0")?
        .func_wrap_async("write", |store, line: Write| Box::new(write(store, line)))
}

async fn write(store: StoreContextMut<'_, State>, (level, message, fields): Write) -> wasmtime::Result<()> {
    let bytes = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let fields = fields.into_iter().map(check_field).collect::<Result<_, Stop>>()?;
    store.data().journal.write(level.into(), message, fields)?;
    charge(store, LINE_FUEL + bytes as u64).await
}

fn check_field((name, value): (String, String)) -> Result<(String, Json), Stop> {
    match Json::parse(value) {
        Ok(value) => Ok((name, value)),
        Err(error) => {
            let message = format!("the log field `{name:.80}` is {error}");
            Err(Stop { reason: Reason::GuestError, message })
        }
    }
}

impl From<contract::Level> for Level {
    fn from(level: contract::Level) -> Level {
        match level {
            contract::Level::Trace => Level::Trace,
            contract::Level::Debug => Level::Debug,
            contract::Level::Info => Level::Info,
            contract::Level::Warn => Level::Warn,
            contract::Level::Error => Level::Error,
        }
    }
}
