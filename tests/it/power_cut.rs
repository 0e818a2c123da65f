//! The plug is pulled at every sync of a workload: what was acknowledged before is there, and all of it agrees.

use crate::store::{NOW, event, run};
use fusebox::domain::{
    ActionId, Entropy, Event, EventId, EventTypeId, Ids, Level, Lineage, LogLine, LogSource, ParentOutcome, Run, RunId,
    State, TenantId,
};
use fusebox::store::{Change, CommitError, Config, LogChunk, Query, Store, Transition};
use std::io;
use std::sync::{Arc, Mutex};

/// A disk that keeps only what was synced, and dies at a chosen sync.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What is read back while the power is on.
    seen: Vec<u8>,
    /// What is there when the power comes back.
    safe: Vec<u8>,
    /// Writes since the last sync: any of them may or may not have reached the platter.
    loose: Vec<(usize, Vec<u8>)>,
    syncs: usize,
    dies_at: Option<usize>,
}

impl Platter {
    fn check_power(&self) -> io::Result<()> {
        match self.dies_at {
            Some(sync) if self.syncs >= sync => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let bytes = platter.seen.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.check_power()?;
        let len = usize::try_from(len).unwrap();
        platter.seen.resize(len, 0);
        // Growing is safe at once in this disk; what is written there is not.
        if platter.safe.len() < len {
            platter.safe.resize(len, 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.check_power()?;
        platter.syncs += 1;
        platter.check_power()?;
        platter.safe = platter.seen.clone();
        platter.loose.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.check_power()?;
        let from = usize::try_from(offset).unwrap();
        platter.seen[from..from + data.len()].copy_from_slice(data);
        platter.loose.push((from, data.to_vec()));
        Ok(())
    }
}

impl Disk {
    /// The disk after the power cut: the loose writes for which `survives` says so made it, the others did not.
    fn after_the_cut(&self, mut survives: impl FnMut(usize) -> bool) -> Disk {
        let platter = self.0.lock().unwrap();
        let mut safe = platter.safe.clone();
        for (number, (from, data)) in platter.loose.iter().enumerate() {
            if survives(number) && from + data.len() <= safe.len() {
                safe[*from..from + data.len()].copy_from_slice(data);
            }
        }
        Disk(Arc::new(Mutex::new(Platter { seen: safe.clone(), safe, ..Platter::default() })))
    }

    fn dying_at(sync: Option<usize>) -> Disk {
        Disk(Arc::new(Mutex::new(Platter { dies_at: sync, ..Platter::default() })))
    }

    fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }
}

fn config() -> Config {
    Config { path: "a disk of the test".into(), cache_bytes: 1 << 20, first_notice: 1 }
}

/// Events that are accepted, run and settle, one commit each; gives those whose commits were acknowledged, with the
/// state they were acknowledged in.
fn workload(store: &Store) -> Vec<(EventId, State)> {
    let ids = Ids::new(Arc::new(Entropy::new([9; 32])));
    let tenant = TenantId::shared();
    let mut acknowledged = Vec::new();
    for _ in 0..12 {
        let mut event = event(EventId::new(&ids, NOW), &tenant, EventTypeId::from_bytes([2; 16]), State::Queued);
        let mut run = run(RunId::new(&ids, NOW), &event, ActionId::from_bytes([3; 16]), State::Queued);
        event.runs = vec![run.id];
        for state in [State::Queued, State::Running, State::Warning] {
            (event.state, run.state) = (state, state);
            let line = LogLine {
                at: NOW,
                level: Level::Info,
                source: LogSource::Log,
                message: format!("now {state}"),
                fields: Vec::new(),
            };
            let number = u32::from(state == State::Running);
            let lines = Arc::new(vec![line]);
            let log = LogChunk { tenant: tenant.clone(), run: run.id, attempt: 1, number, lines };
            let changes =
                [Change::Event(Arc::new(event.clone())), Change::Run(Arc::new(run.clone())), Change::Log(log)];
            if commit(store, Transition::of(changes)).is_err() {
                return acknowledged;
            }
            acknowledged.retain(|(id, _)| *id != event.id);
            acknowledged.push((event.id, state));
        }
    }
    acknowledged
}

fn commit(store: &Store, transition: Transition) -> Result<(), CommitError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    store.submit(transition, Some(Box::new(move |result| drop(sender.send(result)))));
    receiver.recv().unwrap()
}

/// Events whose run ends and fires a child, one commit each.
fn chains(store: &Store) {
    let ids = Ids::new(Arc::new(Entropy::new([7; 32])));
    let (tenant, of_type, action) =
        (TenantId::shared(), EventTypeId::from_bytes([2; 16]), ActionId::from_bytes([3; 16]));
    for _ in 0..6 {
        let mut parent = event(EventId::new(&ids, NOW), &tenant, of_type, State::Queued);
        let mut parents_run = run(RunId::new(&ids, NOW), &parent, action, State::Queued);
        parent.runs = vec![parents_run.id];
        let records =
            |event: &Event, run: &Run| [Change::Event(Arc::new(event.clone())), Change::Run(Arc::new(run.clone()))];
        if commit(store, Transition::of(records(&parent, &parents_run))).is_err() {
            return;
        }
        let mut child = event(EventId::new(&ids, NOW), &tenant, of_type, State::Queued);
        let childs_run = run(RunId::new(&ids, NOW), &child, action, State::Queued);
        let lineage = Lineage {
            parent_run_id: parents_run.id,
            parent_outcome: ParentOutcome::of(&parents_run),
            event_types: vec![of_type],
        };
        child = Event {
            parent_id: Some(parent.id),
            root_id: parent.id,
            depth: 1,
            lineage: Some(Box::new(lineage)),
            runs: vec![childs_run.id],
            ..child
        };
        (parent.state, parents_run.state) = (State::Success, State::Success);
        parents_run.child_event_id = Some(child.id);
        let settling = records(&parent, &parents_run).into_iter().chain(records(&child, &childs_run));
        if commit(store, Transition::of(settling)).is_err() {
            return;
        }
    }
}

#[test]
fn a_run_that_has_ended_and_the_child_it_fired_are_there_together_or_not_at_all() {
    let whole = Disk::dying_at(None);
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    chains(&store);
    store.close();
    let mut families = [0, 0];
    for cut in opening + 1..=whole.syncs() {
        let disk = Disk::dying_at(Some(cut));
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        chains(&store);
        store.close();
        drop(store);
        let mixtures: [fn(usize) -> bool; 3] = [|_| false, |n| n % 2 == 0, |_| true];
        for survives in mixtures {
            let store = Store::open_on(disk.after_the_cut(survives), &config()).unwrap();
            let query = Query { tenant: None, state: None, after: None, oldest_first: true, limit: usize::MAX };
            let events = store.list_events(&query, None, |_| true).unwrap().items;
            for root in events.iter().filter(|event| event.depth == 0) {
                let run = store.run(None, root.runs[0]).unwrap().unwrap();
                let family = store.list_family(&query, root.id, |_| true).unwrap().items;
                let ended = usize::from(root.state == State::Success);
                assert_eq!((family.len(), run.state), (1 + ended, root.state), "cut at sync {cut}");
                assert_eq!(run.child_event_id, family.get(1).map(|child| child.id), "cut at sync {cut}");
                assert_eq!(store.count_family(&root.owner_id, root.id, 9).unwrap() as usize, family.len());
                families[ended] += 1;
            }
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            store.close();
        }
    }
    assert!(families.iter().all(|seen| *seen > 5), "{families:?}");
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_power_goes() {
    let whole = Disk::dying_at(None);
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    assert_eq!(workload(&store).len(), 12);
    store.close();
    let syncs = whole.syncs();
    assert!(syncs >= opening + 36, "each commit is synced: {syncs} syncs");

    for cut in opening + 1..=syncs {
        let disk = Disk::dying_at(Some(cut));
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        let acknowledged = workload(&store);
        store.close();
        drop(store);
        // Of what was not synced nothing, everything, or any mixture reached the platter.
        let mixtures: [fn(usize) -> bool; 4] = [|_| false, |_| true, |n| n % 2 == 0, |n| n % 3 == 1];
        for survives in mixtures {
            let store = Store::open_on(disk.after_the_cut(survives), &config()).unwrap();
            for (id, state) in &acknowledged {
                let found = store.event(Some(&TenantId::shared()), *id).unwrap();
                let found = found.unwrap_or_else(|| panic!("cut at sync {cut}: an acknowledged event is gone"));
                // The next commit may have reached the disk without being acknowledged; an older state may not.
                assert!(
                    found.state >= *state,
                    "cut at sync {cut}: {} was acknowledged, {} is there",
                    state,
                    found.state
                );
                assert!(store.run(Some(&TenantId::shared()), found.runs[0]).unwrap().is_some(), "cut at sync {cut}");
            }
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            store.close();
        }
    }
}
