//! What names an event type: what its end would leave without one.

use super::find;
use crate::api::Api;
use crate::api::auth::{Caller, Read};
use crate::api::error::Problem;
use crate::domain::{Action, Schedule};
use crate::store::Mention;
use std::sync::Arc;

/// By what each does with it; what the caller does not see is left out.
pub(crate) struct Users {
    /// It runs them where they are attached.
    pub(crate) triggered: Vec<Arc<Action>>,
    /// They fire it on success.
    pub(crate) on_success: Vec<Arc<Action>>,
    /// They fire it on failure.
    pub(crate) on_failure: Vec<Arc<Action>>,
    /// They fire it by time.
    pub(crate) schedules: Vec<Arc<Schedule>>,
}

/// Found by the same indexes that keep an event type from being deleted.
pub(crate) fn users(api: &Api, caller: &Caller<Read>, id: &str) -> Result<Users, Problem> {
    let event_type = find(api, caller.tenant(), id)?;
    let catalogue = api.catalogue();
    let naming = |mention| {
        let actions = catalogue.actions_naming(&event_type, mention);
        actions.filter(|action| caller.tenant().sees(&action.owner_id)).cloned().collect()
    };
    let schedules = catalogue.schedules_firing(&event_type);
    let schedules = schedules.filter(|schedule| caller.tenant().may_change(&schedule.header.owner_id));
    Ok(Users {
        triggered: naming(Mention::Trigger),
        on_success: naming(Mention::OnSuccess),
        on_failure: naming(Mention::OnFailure),
        schedules: schedules.cloned().collect(),
    })
}
