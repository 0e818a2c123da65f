//! Which keys a plan asks for, and what of one event stands for the rest of it.

use super::resolve::plan;
use super::resolve_tests::{TRIGGERS, action, attachment, catalogue_of, event_type, module, object, record};
use super::testing;
use crate::domain::{Action, DedupMode, Entropy, Ids, Parameter, Reason, Run, Sameness, State, TenantId};
use crate::store::Change;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys are asked for only where something may be in flight, and chains ask for none.
#[test]
fn a_plan_asks_for_the_keys_by_which_the_same_is_found() {
    let shared = TenantId::shared();
    let once = Action { dedup_mode: DedupMode::PerAction, ..action(0, &shared) };
    let changes = |once: Action| {
        let actions = [once, action(1, &shared), Action { enabled: false, ..action(2, &shared) }];
        let attached = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1), (4, 2, 0)];
        let attached = attached.map(|(number, action, on)| attachment(number, action, on, &shared));
        let begin = [module(), Change::PutObject(Arc::new(record(1, &shared, [0])))].into_iter();
        let begin = begin.chain(actions.map(|action| Change::PutAction(Arc::new(action))));
        begin.chain(attached.map(|attachment| Change::PutAttachment(Arc::new(attachment))))
    };
    let ids = Ids::new(Arc::new(Entropy::new([1; 32])));
    let mut event = testing::event();
    event.object = Some(object(1));
    let planned = |once: Action, sameness: Option<&Sameness>| {
        let catalogue = catalogue_of(changes(once));
        let runs = plan(&catalogue, &event_type(TRIGGERS[0], None), &event, &ids, sameness).unwrap().runs;
        let number = |run: &Run| run.attachment_id.unwrap().as_bytes()[0] - 1;
        runs.into_iter().map(|run| (number(&run), run)).collect::<BTreeMap<u8, Run>>()
    };
    let keyed = planned(once.clone(), Some(&Sameness::Content));
    let key = |number: u8| keyed[&number].dedup_key;
    assert!(key(0).is_some() && key(0) == key(1), "per action there is one");
    assert!(
        key(2).is_some() && key(3).is_some() && key(2) != key(3) && key(2) != key(0),
        "per attachment each has its own"
    );
    assert_eq!((key(4), keyed[&4].state), (None, State::Skipped), "what does not run asks for nothing");

    let unkeyed = planned(once.clone(), None);
    assert!(unkeyed.values().all(|run| run.dedup_key.is_none()));
    let (first, second) = (&unkeyed[&1], &unkeyed[&0]);
    assert_eq!((first.state, second.state), (State::Queued, State::Skipped), "one event runs it once in any case");
    assert_eq!((second.reason, second.duplicate_of), (Some(Reason::Duplicate), Some(first.id)));
    assert!(unkeyed[&2].state == State::Queued && unkeyed[&3].state == State::Queued);

    let needs: Parameter =
        serde_json::from_value(serde_json::json!({ "name": "who", "type": "DATA", "value": "/who" })).unwrap();
    let refused = planned(Action { parameters: vec![needs], ..once }, None);
    let reasons = [&refused[&1], &refused[&0]].map(|run| (run.reason, run.duplicate_of));
    assert_eq!(reasons, [(Some(Reason::ParamMissing), None); 2], "what did not get as far as to run stands for nobody");
}
