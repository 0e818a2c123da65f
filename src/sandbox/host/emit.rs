//! `fusebox:action/emit`: further events, kept here until the attempt has succeeded.

use super::{EmitRefusal, State, charge};
use crate::domain::{Emitted, EventTypeName, Json, ObjectRef};
use crate::sandbox::bindings::fusebox::action::{emit as contract, types};
use wasmtime::component::Linker;
use wasmtime::{AsContextMut, StoreContextMut};

pub(in crate::sandbox) const INTERFACE: &str = "fusebox:action/emit@0.1.0";
const CALL_FUEL: u64 = 20_000;
/// Of each byte of the payload, which is parsed and held against a schema.
const BYTE_FUEL: u64 = 8;

type Event = (String, String, Option<types::ObjectRefResult>);

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async("event", |store, event: Event| Box::new(emit(store, event)))
}

async fn emit(
    mut store: StoreContextMut<'_, State>,
    (event_type, payload, object): Event,
) -> wasmtime::Result<(Result<(), contract::Error>,)> {
    charge(store.as_context_mut(), CALL_FUEL + BYTE_FUEL * payload.len() as u64).await?;
    let state = store.data_mut();
    let answer = state.emit(&event_type, payload, object).map_err(|refusal| match refusal {
        EmitRefusal::Refused(message) => contract::Error::Refused(message),
        EmitRefusal::Limit(message) => contract::Error::Limit(message),
    });
    Ok((answer,))
}

impl State {
    fn emit(
        &mut self,
        event_type: &str,
        payload: String,
        object: Option<types::ObjectRefResult>,
    ) -> Result<(), EmitRefusal> {
        let allowed = self.limits.emitted_events;
        let emitted = self.effects.as_ref().map_or(0, |effects| effects.events.len() as u64);
        if emitted >= allowed {
            return Err(EmitRefusal::Limit(format!("{emitted} events were emitted, and {allowed} is the most")));
        }
        let (output_bytes, allowed) = (self.output_bytes + payload.len() as u64, self.limits.output_bytes);
        if output_bytes > allowed {
            let message = format!("its payload makes {output_bytes} bytes of output, and {allowed} is the most");
            return Err(EmitRefusal::Limit(message));
        }
        let refused = |what: &dyn std::fmt::Display| EmitRefusal::Refused(what.to_string());
        let event_type: EventTypeName = event_type.parse().map_err(|error| refused(&error))?;
        let payload = Json::parse(payload).map_err(|error| refused(&format!("its payload is {error}")))?;
        let object = object.map(|object| ObjectRef::new(object.object_type, object.object_id));
        let object = object.transpose().map_err(|error| refused(&error))?;
        let emitted = Emitted { event_type, payload, object };
        self.journal.services().check_emitted(&emitted)?;
        self.output_bytes = output_bytes;
        self.effects.get_or_insert_default().events.push(emitted);
        Ok(())
    }
}
