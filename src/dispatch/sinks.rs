//! Sinks and sink types: who executes, under which limits, and how many at once (DESIGN §3.10).
//!
//! Every sink is this process, so one is online while it is enabled. What no sink takes stays queued, and goes on as
//! soon as one does.

use super::capacity::Profile;
use super::scheduler::Dispatch;
use crate::domain::{
    AllowedHost, EntryName, EventType, Reach, Reason, Run, Sink, SinkId, SinkType, State, TenantId, Timestamp,
};
use crate::store::Catalogue;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

static WASM: LazyLock<Arc<SinkType>> = LazyLock::new(|| Arc::new(SinkType::wasm()));
static LOCAL: LazyLock<Arc<Sink>> = LazyLock::new(|| Arc::new(Sink::local()));

/// Every sink type, the built-in one first.
pub fn sink_types(catalogue: &Catalogue) -> impl Iterator<Item = &Arc<SinkType>> {
    std::iter::once(&*WASM).chain(catalogue.sink_types().iter())
}

/// The sink type with this id, or of this name, that the tenant sees.
pub fn find_sink_type<'a>(catalogue: &'a Catalogue, tenant: &TenantId, name: &str) -> Option<&'a Arc<SinkType>> {
    if name.eq_ignore_ascii_case(SinkType::WASM) {
        return Some(&WASM);
    }
    let id = name.parse().ok();
    let by_id = id.and_then(|id| if id == SinkType::WASM_ID { Some(&*WASM) } else { catalogue.sink_types().get(id) });
    let found = by_id.or_else(|| catalogue.sink_types().named(tenant, &name.parse().ok()?));
    found.filter(|found| tenant.sees(&found.header.owner_id))
}

/// What the runs of an event type run under.
pub(super) fn sink_type_of<'a>(catalogue: &'a Catalogue, event_type: &EventType) -> &'a Arc<SinkType> {
    // The catalogue refuses to lose what an event type names.
    find_sink_type(catalogue, &event_type.owner_id, &event_type.sink_type).unwrap_or(&WASM)
}

/// What a run that was planned under this name counts as. A sink type that was deleted since is like the built-in one.
pub(super) fn profile_of(catalogue: &Catalogue, tenant: &TenantId, name: Option<&EntryName>) -> Profile {
    Some(catalogue.sink_types().named(tenant, name?)?.header.id)
}

/// Every sink, the built-in one first.
pub fn sinks(catalogue: &Catalogue) -> impl Iterator<Item = &Arc<Sink>> {
    let local = if catalogue.sinks().get(Sink::LOCAL_ID).is_none() { Some(&*LOCAL) } else { None };
    local.into_iter().chain(catalogue.sinks().iter())
}

/// Whether runs that count as this begin anywhere.
pub fn is_taken(catalogue: &Catalogue, profile: Profile) -> bool {
    let sink_type = profile.and_then(|id| catalogue.sink_types().get(id)).unwrap_or(&WASM);
    sinks(catalogue).any(|sink| sink.takes(sink_type))
}

/// What a run waits for that no time and no other run brings; such runs say so when they are read.
pub fn waits_for(catalogue: &Catalogue, run: &Run) -> Option<Reason> {
    let may_begin = matches!(run.state, State::Queued | State::Waiting);
    if may_begin && catalogue.is_switched_off(&run.owner_id) {
        return Some(Reason::Disabled);
    }
    if run.state != State::Queued {
        return None;
    }
    let profile = profile_of(catalogue, &run.owner_id, run.sink_type.as_ref());
    (!is_taken(catalogue, profile)).then_some(Reason::NoSink)
}

/// Lets a run say so if it waits for a sink, or for its tenant to be switched on. It is no change of the run: it goes on by
/// itself.
pub fn explain_wait(catalogue: &Catalogue, run: &mut Run) {
    let Some(reason) = waits_for(catalogue, run) else { return };
    run.message = match reason {
        Reason::Disabled => {
            format!("the tenant `{}` is switched off; it does not go on before that is over", run.owner_id)
        }
        _ => {
            let name = run.sink_type.as_ref().map_or(SinkType::WASM, EntryName::as_str);
            format!("no sink is online that takes the sink type `{name}`; it goes on as soon as one is")
        }
    };
    run.reason = Some(reason);
}

/// How many of these may run at once, where `total` may run in all.
pub(super) fn limit_of(catalogue: &Catalogue, profile: Profile, total: u32) -> u32 {
    if !is_taken(catalogue, profile) {
        return 0;
    }
    let own = profile.and_then(|id| catalogue.sink_types().get(id)).and_then(|found| found.concurrency);
    own.unwrap_or(total).min(total)
}

/// When each sink was last seen by this process.
#[derive(Default)]
pub(super) struct Heartbeat(Mutex<HashMap<SinkId, Timestamp>>);

impl Heartbeat {
    fn lock(&self) -> MutexGuard<'_, HashMap<SinkId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are online are seen.
    pub(super) fn beat(&self, catalogue: &Catalogue, now: Timestamp) {
        let mut seen = self.lock();
        seen.extend(sinks(catalogue).filter(|sink| sink.enabled).map(|sink| (sink.header.id, now)));
        if seen.len() > catalogue.sinks().iter().count() + 1 {
            seen.retain(|id, _| *id == Sink::LOCAL_ID || catalogue.sinks().get(*id).is_some());
        }
    }
}

impl Dispatch {
    /// What the built-in sink type lets be reached, as this server was started.
    pub fn hosts_of_wasm(&self) -> &[AllowedHost] {
        &self.shared.config.hosts_of_wasm
    }

    /// What an attempt of a run that begins now may reach. What the action allows was planned with the run; what its sink
    /// type allows is asked anew, so that taking a host away holds at once.
    pub(super) fn reach_of(&self, run: &Run) -> Reach {
        let catalogue = self.store().catalogue();
        let named = run.sink_type.as_ref().and_then(|name| catalogue.sink_types().named(&run.owner_id, name));
        let of_sink_type = match (&run.sink_type, named) {
            (_, Some(found)) => found.allowed_hosts.clone(),
            (None, None) => self.hosts_of_wasm().to_vec(),
            // It was deleted meanwhile.
            (Some(_), None) => Vec::new(),
        };
        Reach {
            action: run.action.clone(),
            of_action: run.allowed_hosts.clone(),
            sink_type: run.sink_type.as_ref().map_or_else(|| SinkType::WASM.to_owned(), ToString::to_string),
            of_sink_type,
            hidden: Vec::new(),
        }
    }

    /// To be called when sinks or sink types were changed: what may start because of it starts.
    pub fn permits_changed(&self) {
        self.shared.heartbeat.beat(&self.store().catalogue(), self.now());
        if !self.is_stopping() {
            let mut desk = self.lock_desk();
            // Looked at under the lock, so that of two changes the later one is what stays.
            let begun = desk.adjust(&self.store().catalogue());
            drop(desk);
            begun.into_iter().for_each(|job| self.begin(job));
        }
    }

    /// When this process last saw that the sink was online.
    pub fn last_seen(&self, sink: SinkId) -> Option<Timestamp> {
        self.shared.heartbeat.lock().get(&sink).copied()
    }

    /// By sink type how many run and how many wait for a permit; what is not there has neither.
    pub fn loads(&self) -> HashMap<Profile, (u32, usize)> {
        self.lock_desk().loads().map(|(profile, running, queued)| (profile, (running, queued))).collect()
    }

    /// By sink type how many wait for a permit, of a tenant or of all; what is not there has none.
    pub fn queues(&self, tenant: Option<&TenantId>) -> HashMap<Profile, usize> {
        let desk = self.lock_desk();
        match tenant {
            Some(tenant) => desk.queues_of(tenant).collect(),
            None => desk.loads().map(|(profile, _, queued)| (profile, queued)).collect(),
        }
    }

    /// Runs at once in all: no sink type can have more.
    pub fn permits_total(&self) -> u32 {
        self.shared.config.permits.total
    }
}
