//! What needs somebody's attention: what waits for a hand, and what cannot work as it is.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::extract::Query;
use super::page::{self, List};
use super::parameter::unset_secret;
use crate::dispatch::{is_taken, sink_types, sinks};
use crate::domain::{EntryName, EventTypeName, Parameter, TenantId, Timestamp};
use crate::store::Catalogue;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Things of one kind that are named; the rest is counted.
const NAMED_MAX: usize = 10;
/// Held events of one type are counted up to this.
const HELD_MAX: usize = 1_000;
/// A schedule that is due for so long has missed its time. What fires comes within the second.
const LATE_MS: u64 = 60_000;

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Matter {
    /// A sink that takes no runs.
    SinkOffline,
    /// Runs wait, and no sink is online that takes their sink type.
    QueueWithoutSink,
    /// An event type whose events are held until it is resumed.
    PausedEventType,
    /// A schedule that should have fired and has not.
    ScheduleLate,
    /// A schedule that fires what is disabled, so that its events are skipped.
    ScheduleOfDisabled,
    /// An action that is disabled though an event type names it or it is attached.
    DisabledActionBound,
    /// An action that takes a secret which is not set: its runs end without it.
    ActionWithoutSecret,
    /// The same of an event type.
    EventTypeWithoutSecret,
}

/// Things of one kind that need attention for the same cause.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttentionOut {
    pub(crate) matter: Matter,
    /// How many there are.
    pub(crate) count: usize,
    /// At most ten of them.
    pub(crate) things: Vec<AttentionThing>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttentionThing {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whose it is; empty for the platform's.
    pub(crate) owner_id: String,
    /// What there is to know of it.
    pub(crate) detail: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttentionQuery {
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
}

/// List what needs attention
///
/// The most pressing first; what is in order is not in the list.
#[utoipa::path(get, path = "/attention", tag = "operation", params(AttentionQuery), responses((status = 200, body = page::Envelope<Vec<AttentionOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(query): Query<AttentionQuery>,
) -> Result<List<AttentionOut>, Problem> {
    let (tenant, looking) = (caller.tenant().clone(), api.clone());
    let look = move || Look { catalogue: looking.catalogue(), api: looking, tenant, only: query.owner_id }.all();
    Ok(List { items: api.computing(look).await, next: None })
}

struct Look {
    api: Api,
    catalogue: Arc<Catalogue>,
    tenant: TenantId,
    only: Option<TenantId>,
}

/// Counts everything, and keeps the first few.
#[derive(Default)]
struct Found {
    count: usize,
    things: Vec<AttentionThing>,
}

impl Found {
    fn add(&mut self, (id, name, owner): (impl ToString, impl ToString, &TenantId), detail: impl FnOnce() -> String) {
        self.count += 1;
        if self.things.len() < NAMED_MAX {
            let (id, name, owner_id) = (id.to_string(), name.to_string(), owner.to_string());
            self.things.push(AttentionThing { id, name, owner_id, detail: detail() });
        }
    }
}

impl Look {
    fn all(&self) -> Vec<AttentionOut> {
        let found = [
            (Matter::QueueWithoutSink, self.queues_without_sink()),
            (Matter::SinkOffline, self.sinks_offline()),
            (Matter::PausedEventType, self.paused()),
            (Matter::ScheduleLate, self.late_schedules()),
            (Matter::ScheduleOfDisabled, self.schedules_of_disabled()),
            (Matter::ActionWithoutSecret, self.actions_without_secret()),
            (Matter::EventTypeWithoutSecret, self.event_types_without_secret()),
            (Matter::DisabledActionBound, self.disabled_and_bound()),
        ];
        let some = found.into_iter().filter(|(_, found)| found.count > 0);
        some.map(|(matter, Found { count, things })| AttentionOut { matter, count, things }).collect()
    }

    /// Whether what this tenant owns is looked at: what is shared is the platform's to put in order, but runs for all.
    fn is_seen(&self, owner: &TenantId) -> bool {
        self.tenant.sees(owner) && self.only.as_ref().is_none_or(|only| only == owner)
    }

    /// The same of what only its owner may look at.
    fn is_own(&self, owner: &TenantId) -> bool {
        self.tenant.may_change(owner) && self.only.as_ref().is_none_or(|only| only == owner)
    }

    fn queues_without_sink(&self) -> Found {
        let of = self.only.as_ref().or_else(|| (!self.tenant.is_shared()).then_some(&self.tenant));
        let (mut found, queues) = (Found::default(), self.api.dispatch().queues(of));
        for sink_type in sink_types(&self.catalogue).filter(|found| self.tenant.sees(&found.header.owner_id)) {
            let queued = queues.get(&sink_type.profile()).copied().unwrap_or_default();
            if queued > 0 && !is_taken(&self.catalogue, sink_type.profile()) {
                let header = &sink_type.header;
                found.add((header.id, &header.name, &header.owner_id), || match queued {
                    1 => "1 run waits".to_owned(),
                    many => format!("{many} runs wait"),
                });
            }
        }
        found
    }

    fn sinks_offline(&self) -> Found {
        let mut found = Found::default();
        for sink in sinks(&self.catalogue).filter(|sink| !sink.enabled && self.is_seen(&sink.header.owner_id)) {
            let seen = self.api.dispatch().last_seen(sink.header.id);
            let detail = || seen.map_or_else(|| "not seen since the start".to_owned(), |at| format!("last seen {at}"));
            found.add((sink.header.id, &sink.header.name, &sink.header.owner_id), detail);
        }
        found
    }

    fn paused(&self) -> Found {
        let mut found = Found::default();
        let paused = self.catalogue.event_types().filter(|event_type| event_type.paused);
        for event_type in paused.filter(|event_type| self.is_seen(&event_type.owner_id)) {
            let of = (!self.tenant.is_shared()).then_some(&self.tenant);
            let held = || match self.api.dispatch().held_of(event_type.id, of, HELD_MAX) {
                HELD_MAX => format!("{HELD_MAX} events or more are held"),
                1 => "1 event is held".to_owned(),
                held => format!("{held} events are held"),
            };
            found.add((event_type.id, &event_type.display_name, &event_type.owner_id), held);
        }
        found
    }

    fn late_schedules(&self) -> Found {
        let (mut found, now) = (Found::default(), self.api.now());
        let is_late = |at: Timestamp| now.ms_since(at) > LATE_MS;
        let due = self.catalogue.schedules_by_time().take_while(|(at, _)| is_late(*at));
        for (at, schedule) in due.filter(|(_, schedule)| self.is_own(&schedule.header.owner_id)) {
            let header = &schedule.header;
            found.add((header.id, &header.name, &header.owner_id), || format!("due since {at}"));
        }
        found
    }

    fn schedules_of_disabled(&self) -> Found {
        let mut found = Found::default();
        let waiting = self.catalogue.schedules_by_time().filter(|(_, found)| self.is_own(&found.header.owner_id));
        for (_, schedule) in waiting {
            let header = &schedule.header;
            let event_type = self.catalogue.event_type_named(&header.owner_id, &schedule.event_type);
            if event_type.is_some_and(|event_type| !event_type.enabled) {
                let name: &EventTypeName = &schedule.event_type;
                found.add((header.id, &header.name, &header.owner_id), || format!("{name} is disabled"));
            }
        }
        found
    }

    fn disabled_and_bound(&self) -> Found {
        let mut found = Found::default();
        let disabled = self.catalogue.actions().filter(|action| !action.enabled && self.is_seen(&action.owner_id));
        for action in disabled {
            let linked = self.catalogue.event_types_linking(action.id).any(|by| self.tenant.sees(&by.owner_id));
            let attached = self.catalogue.attachments_of(action.id).filter(|on| self.tenant.sees(&on.owner_id)).count();
            if linked || attached > 0 {
                let detail = || match (linked, attached) {
                    (true, 0) => "an event type names it".to_owned(),
                    (true, many) => format!("an event type names it, and it is attached {many} times"),
                    (false, 1) => "it is attached once".to_owned(),
                    (false, many) => format!("it is attached {many} times"),
                };
                found.add((action.id, &action.name, &action.owner_id), detail);
            }
        }
        found
    }

    fn actions_without_secret(&self) -> Found {
        let mut found = Found::default();
        for action in self.catalogue.actions().filter(|action| action.enabled && self.is_own(&action.owner_id)) {
            // The secrets of what others attach are others' to set.
            let unset = if action.public { None } else { self.unset(&action.owner_id, &action.parameters) };
            if let Some(unset) = unset {
                found.add((action.id, &action.name, &action.owner_id), || unset);
            }
        }
        found
    }

    /// A secret that is not set. Of what is shared each tenant may set its own: there it is one that nobody has.
    fn unset(&self, owner: &TenantId, parameters: &[Parameter]) -> Option<String> {
        let unset = unset_secret(&self.catalogue, owner, parameters)?;
        let keys: Vec<&EntryName> = parameters.iter().filter_map(Parameter::secret).collect();
        let is_set =
            |key: &EntryName| self.catalogue.secrets().iter().any(|secret| secret.header.name.folded() == key.folded());
        (!owner.is_shared() || !keys.into_iter().all(is_set)).then_some(unset)
    }

    fn event_types_without_secret(&self) -> Found {
        let mut found = Found::default();
        let own = self.catalogue.event_types().filter(|it| it.enabled && self.is_own(&it.owner_id));
        for event_type in own {
            if let Some(unset) = self.unset(&event_type.owner_id, &event_type.parameters) {
                found.add((event_type.id, &event_type.display_name, &event_type.owner_id), || unset);
            }
        }
        found
    }
}
