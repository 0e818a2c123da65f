//! Deletes that take other things with them: whenever the power goes, all of one is there or nothing.

use crate::crash::until;
use crate::power_cut::{Disk, commit, config};
use crate::store::{NOW, action, event_type, module};
use crate::support::{Serving, wat_with};
use fusebox::domain::{
    Action, ActionId, Attachment, AttachmentId, EventType, EventTypeId, Header, Json, ObjectRef, Schedule, ScheduleId,
    TenantId, Timing,
};
use fusebox::store::{Catalogue, Change, Expectation, NamedId, Store, Transition};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::mpsc;

const ROUNDS: u8 = 4;
const ATTACHMENTS: u8 = 5;

/// What a round makes and deletes, by its number.
struct Round(u8);

impl Round {
    fn id(&self, kind: u8, number: u8) -> [u8; 16] {
        let mut id = [kind; 16];
        (id[14], id[15]) = (self.0, number);
        id
    }

    /// What is deleted first, and what is linked to it and is deleted next.
    fn action(&self) -> ActionId {
        ActionId::from_bytes(self.id(1, 0))
    }

    fn event_type(&self) -> EventTypeId {
        EventTypeId::from_bytes(self.id(2, 0))
    }

    /// Fires the event type when it has succeeded.
    fn firing(&self) -> ActionId {
        ActionId::from_bytes(self.id(1, 1))
    }

    fn name(&self) -> String {
        format!("t{}", self.0)
    }

    fn typed(&self, version: u64, action: Option<ActionId>) -> Change {
        match event_type(self.event_type(), &TenantId::shared(), &self.name(), action) {
            Change::PutEventType(made) => {
                Change::PutEventType(Arc::new(EventType { version, ..made.as_ref().clone() }))
            }
            other => other,
        }
    }

    fn fires(&self, version: u64, follows: bool) -> Change {
        match action(self.firing(), &TenantId::shared(), &format!("firing {}", self.0), "m", version) {
            Change::PutAction(made) => Change::PutAction(Arc::new(Action {
                on_success: follows.then(|| self.name().parse().unwrap()),
                ..made.as_ref().clone()
            })),
            other => other,
        }
    }

    fn schedule(&self, version: u64, enabled: bool) -> Schedule {
        let id = ScheduleId::from_bytes(self.id(4, 0));
        let header = Header::new((id, TenantId::shared(), format!("s{}", self.0).parse().unwrap()), "test", NOW);
        Schedule {
            header: Header { version, ..header },
            event_type: self.name().parse().unwrap(),
            object: None,
            payload: Json::empty_object(),
            enabled,
            timing: Timing::Cron { expression: "* * * * *".to_owned(), timezone: "UTC".to_owned() },
            next_at: enabled.then_some(NOW),
            last: None,
        }
    }

    fn attached(&self, number: u8) -> Change {
        Change::PutAttachment(Arc::new(Attachment {
            id: AttachmentId::from_bytes(self.id(3, number)),
            action_id: self.action(),
            object: ObjectRef::new("room".to_owned(), number.to_string()).unwrap(),
            owner_id: TenantId::shared(),
            input: Json::empty_object(),
            reason: String::new(),
            priority: 0,
            inherits: true,
            pin: None,
            version: 1,
            created_by: "test".to_owned(),
            created_at: NOW,
            updated_at: NOW,
        }))
    }

    /// All there is, then `DELETE /action/{id}?force=true`, then `DELETE /event-type/{id}?force=true`.
    fn transitions(&self) -> [Transition; 3] {
        let made = [
            self.typed(1, None),
            action(self.action(), &TenantId::shared(), &format!("linked {}", self.0), "m", 1),
            self.typed(1, Some(self.action())),
            self.fires(1, true),
            Change::Put(self.schedule(1, true).into()),
        ];
        let made = Transition::of(made.into_iter().chain((0..ATTACHMENTS).map(|number| self.attached(number))));
        let unlinked = Transition::of([self.typed(2, None), Change::DeleteAction(self.action())])
            .expecting(Expectation::ActionVersion(self.action(), 1))
            .expecting(Expectation::EventTypeVersion(self.event_type(), 1));
        let disabled = self.schedule(2, false);
        let expected = Expectation::Version(NamedId::Schedule(disabled.header.id), 1);
        let blanked = [self.fires(2, false), Change::Put(disabled.into()), Change::DeleteEventType(self.event_type())];
        let blanked = Transition::of(blanked)
            .expecting(Expectation::ActionVersion(self.firing(), 1))
            .expecting(Expectation::EventTypeVersion(self.event_type(), 2))
            .expecting(expected);
        [made, unlinked, blanked]
    }

    /// How many of the transitions are there, each of them whole.
    fn stage(&self, catalogue: &Catalogue, cut: usize) -> usize {
        let typed = catalogue.event_type(self.event_type());
        let firing = catalogue.action(self.firing());
        let schedule = catalogue.schedules().get(ScheduleId::from_bytes(self.id(4, 0)));
        let seen = (
            catalogue.action(self.action()).is_some(),
            catalogue.attachments_of(self.action()).count(),
            typed.map(|found| (found.version, found.action.is_some())),
            firing.map(|found| (found.version, found.on_success.is_some())),
            schedule.map(|found| (found.header.version, found.enabled)),
        );
        match seen {
            (false, 0, None, None, None) => 0,
            (true, count, Some((1, true)), Some((1, true)), Some((1, true))) if count == usize::from(ATTACHMENTS) => 1,
            (false, 0, Some((2, false)), Some((1, true)), Some((1, true))) => 2,
            (false, 0, None, Some((2, false)), Some((2, false))) => 3,
            half => panic!("cut at sync {cut}: round {} is half there: {half:?}", self.0),
        }
    }
}

/// Gives how many transitions were acknowledged.
fn cascades(store: &Store) -> usize {
    let Ok(()) = commit(store, Transition::of([module(&TenantId::shared(), b"x", &[("m", "1")])])) else { return 0 };
    let all = (0..ROUNDS).flat_map(|round| Round(round).transitions());
    all.take_while(|transition| commit(store, transition.clone()).is_ok()).count()
}

#[test]
fn a_delete_and_all_that_goes_with_it_are_there_together_or_not_at_all() {
    let whole = Disk::dying_at(None);
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    assert_eq!(cascades(&store), usize::from(ROUNDS) * 3);
    store.close();
    let mut stages = [0; 4];
    for cut in opening + 1..=whole.syncs() {
        let disk = Disk::dying_at(Some(cut));
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        let acknowledged = cascades(&store);
        store.close();
        drop(store);
        let mixtures: [fn(usize) -> bool; 4] = [|_| false, |_| true, |n| n % 2 == 0, |n| n % 3 == 1];
        for survives in mixtures {
            let store = Store::open_on(disk.after_the_cut(survives), &config()).unwrap();
            let catalogue = store.catalogue();
            let seen: Vec<usize> = (0..ROUNDS).map(|round| Round(round).stage(&catalogue, cut)).collect();
            seen.iter().for_each(|stage| stages[*stage] += 1);
            // One after the other, each whole; the last of them may be there without having been acknowledged.
            let there: usize = seen.iter().sum();
            assert!(there == acknowledged || there == acknowledged + 1, "cut at sync {cut}: {seen:?}");
            assert!(seen.windows(2).all(|pair| pair[0] == 3 || pair[1] == 0), "cut at sync {cut}: {seen:?}");
            assert_eq!(store.check().unwrap(), [""; 0], "cut at sync {cut}");
            store.close();
        }
    }
    assert!(stages.iter().all(|seen| *seen > 5), "{stages:?}");
}

/// Actions that are linked and attached, for one round of deleting.
fn document(round: u32, actions: u32) -> Value {
    let numbers = || (0..actions).map(move |number| format!("a{round}.{number}"));
    let made = numbers().map(|name| json!({ "name": name, "module": "m@1", "trigger": "booked" }));
    let typed = numbers().flat_map(|name| {
        (0..3).map(move |linked| json!({ "display_name": format!("{name}.{linked}"), "action": name }))
    });
    let attached =
        numbers().flat_map(|name| (0..8).map(move |room| json!({ "action": name, "object": format!("room/{room}") })));
    let typed: Vec<Value> = typed.chain([json!({ "display_name": "booked" })]).collect();
    let (made, attached): (Vec<Value>, Vec<Value>) = (made.collect(), attached.collect());
    json!({ "actions": made, "event_types": typed, "attachments": attached })
}

/// Kills the server while several delete actions by force.
#[test]
fn a_kill_while_actions_are_deleted_leaves_each_with_all_that_is_its_own_or_without() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut serving = Serving::start(&data, &[]);
    let token = serving.token.clone().unwrap();
    let wasm = wat_with(3, "run");
    serving.client(&token).request("POST", "/module?name=m&version=1").bytes(wasm).send().expect(201);
    for round in 0..3 {
        let client = serving.client(&token);
        client.post("/apply", &document(round, 24)).expect(200);
        let actions = client.pages(&format!("/action?q=a{round}."));
        assert_eq!(actions.len(), 24);
        let ids: Vec<&str> = actions.iter().map(|action| action["id"].as_str().unwrap()).collect();
        let (sender, receiver) = mpsc::channel();
        let acknowledged: Vec<&str> = std::thread::scope(|scope| {
            for part in ids.chunks(6) {
                let (client, sender) = (&client, sender.clone());
                scope.spawn(move || {
                    for id in part {
                        match client.request("DELETE", &format!("/action/{id}?force=true")).try_send() {
                            Some(200) => sender.send(*id).unwrap(),
                            Some(status) => panic!("answered {status}"),
                            None => return,
                        }
                    }
                });
            }
            drop(sender);
            // In the middle of it: others are on their way.
            let mut acknowledged: Vec<&str> = receiver.iter().take(5 + 3 * round as usize).collect();
            serving.kill();
            acknowledged.extend(receiver.iter());
            acknowledged
        });
        serving = Serving::start(&data, &[]);
        let client = serving.client(&token);
        until(|| (client.get("/readyz").status == 200).then_some(()));
        let (types, rooms) = (client.pages(&format!("/event-type?q=a{round}.")), client.pages("/room/0/action"));
        assert_eq!(types.len(), 24 * 3, "no event type goes with an action");
        let mut gone = 0;
        for action in &actions {
            let (id, name) = (action["id"].as_str().unwrap(), action["name"].as_str().unwrap());
            let is_there = client.get(&format!("/action/{id}")).status == 200;
            assert!(!is_there || !acknowledged.contains(&id), "{name} came back");
            let linked = types.iter().filter(|found| found["action"] == id).count();
            let here = rooms.iter().filter(|attached| attached["action_id"] == id).count();
            assert_eq!((linked, here), if is_there { (3, 1) } else { (0, 0) }, "{name} is half there");
            if is_there {
                assert_eq!(client.get(&format!("/action/{id}/object")).body["count"], 8, "{name}");
            }
            gone += usize::from(!is_there);
        }
        assert!(gone >= acknowledged.len() && gone <= acknowledged.len() + 4, "{gone} of {}", acknowledged.len());
    }
}
