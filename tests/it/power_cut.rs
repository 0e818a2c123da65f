//! The plug is pulled at every sync of a workload: what was acknowledged before is there, and all of it agrees.

use crate::store::{NOW, event, event_type, run};
use fusebox::dispatch::Secrets;
use fusebox::domain::{
    AcceptedOnce, ActionId, Cause, DedupKey, Entropy, EntryName, Event, EventId, EventTypeId, Firing, Header, Ids,
    Json, Keyring, Level, Lineage, LogLine, LogSource, OnceKey, ParentOutcome, RequestDigest, Run, RunId, Schedule,
    ScheduleId, SecretId, SecretText, State, TenantId, Timestamp, Timing,
};
use fusebox::store::{Change, CommitError, Config, Expectation, Forget, LogChunk, Query, Store, Transition};
use std::io;
use std::sync::{Arc, Mutex};

/// A disk that keeps only what was synced, and dies at a chosen sync.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

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
    pub(crate) fn after_the_cut(&self, mut survives: impl FnMut(usize) -> bool) -> Disk {
        let platter = self.0.lock().unwrap();
        let mut safe = platter.safe.clone();
        for (number, (from, data)) in platter.loose.iter().enumerate() {
            if survives(number) && from + data.len() <= safe.len() {
                safe[*from..from + data.len()].copy_from_slice(data);
            }
        }
        Disk(Arc::new(Mutex::new(Platter { seen: safe.clone(), safe, ..Platter::default() })))
    }

    pub(crate) fn dying_at(sync: Option<usize>) -> Disk {
        Disk(Arc::new(Mutex::new(Platter { dies_at: sync, ..Platter::default() })))
    }

    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }
}

pub(crate) fn config() -> Config {
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
        // Each is the same as the one before, which has ended: there are never two of them in flight.
        run.dedup_key = Some(DedupKey::from_bytes([1; 16]));
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
            let mut changes =
                vec![Change::Event(Arc::new(event.clone())), Change::Run(Arc::new(run.clone())), Change::Log(log)];
            if state == State::Queued {
                changes.push(Change::RememberOnce(Arc::new(accepted_once(event.id))));
            }
            if commit(store, Transition::of(changes)).is_err() {
                return acknowledged;
            }
            acknowledged.retain(|(id, _)| *id != event.id);
            acknowledged.push((event.id, state));
        }
    }
    acknowledged
}

/// The whole history, the oldest first.
const EVERYTHING: Query =
    Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: usize::MAX };

/// Of the request that made an event.
fn accepted_once(event_id: EventId) -> AcceptedOnce {
    AcceptedOnce {
        owner_id: TenantId::shared(),
        key: OnceKey::of("test", &[&event_id.to_string()]),
        request: RequestDigest::of("{}", &[]),
        event_id,
        expires_at: NOW,
    }
}

pub(crate) fn commit(store: &Store, transition: Transition) -> Result<(), CommitError> {
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
            let events = store.list_events(&EVERYTHING, None, |_| true).unwrap().items;
            for root in events.iter().filter(|event| event.depth == 0) {
                let run = store.run(None, root.runs[0]).unwrap().unwrap();
                let family = store.list_family(&EVERYTHING, root.id, |_| true).unwrap().items;
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
                let once = accepted_once(*id);
                assert_eq!(store.accepted_once(&once.owner_id, once.key).unwrap(), Some(once), "cut at sync {cut}");
                assert!(store.run(Some(&TenantId::shared()), found.runs[0]).unwrap().is_some(), "cut at sync {cut}");
            }
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            store.close();
        }
    }
}

/// Old events, some of them in chains, and then their forgetting, some in one commit; the ids of those whose forgetting was
/// acknowledged.
fn forgetting(store: &Store) -> Option<Vec<EventId>> {
    let ids = Ids::new(Arc::new(Entropy::new([8; 32])));
    let (tenant, of_type, action) =
        (TenantId::shared(), EventTypeId::from_bytes([2; 16]), ActionId::from_bytes([3; 16]));
    let mut made = Vec::new();
    let mut changes = Vec::new();
    for number in 0..9 {
        let mut event = event(EventId::new(&ids, NOW), &tenant, of_type, State::Error);
        if number % 3 > 0 {
            (event.root_id, event.depth) = (made[number - number % 3], 1);
        }
        event.ended_at = Some(NOW);
        for _ in 0..2 {
            let run = run(RunId::new(&ids, NOW), &event, action, State::Error);
            event.runs.push(run.id);
            changes.push(crate::store::log(&run, 1, 0, &["said"]));
            changes.push(Change::Run(Arc::new(run)));
        }
        made.push(event.id);
        changes.push(Change::Event(Arc::new(event)));
    }
    commit(store, Transition::of(changes)).ok()?;
    let mut forgotten = Vec::new();
    for events in made.chunks(2) {
        let forget = Forget { tenant: tenant.clone(), events: events.to_vec(), ended_by: NOW };
        if commit(store, Transition::of([Change::Forget(forget)])).is_err() {
            break;
        }
        forgotten.extend(events);
    }
    Some(forgotten)
}

#[test]
fn an_event_is_forgotten_with_all_that_is_its_own_or_not_at_all() {
    let whole = Disk::dying_at(None);
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    assert_eq!(forgetting(&store).unwrap().len(), 9);
    store.close();
    let mut seen = std::collections::BTreeSet::new();
    for cut in opening + 1..=whole.syncs() {
        let disk = Disk::dying_at(Some(cut));
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        let forgotten = forgetting(&store).unwrap_or_default();
        store.close();
        drop(store);
        let mixtures: [fn(usize) -> bool; 3] = [|_| false, |n| n % 2 == 0, |_| true];
        for survives in mixtures {
            let store = Store::open_on(disk.after_the_cut(survives), &config()).unwrap();
            let events = store.list_events(&EVERYTHING, None, |_| true).unwrap().items;
            let runs = store.list_runs(&EVERYTHING, None, |_| true).unwrap().items;
            assert!(events.iter().all(|event| !forgotten.contains(&event.id)), "cut at sync {cut}");
            let of_events: Vec<RunId> = events.iter().flat_map(|event| event.runs.clone()).collect();
            assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), of_events, "cut at sync {cut}");
            for run in &of_events {
                assert_eq!(store.log(&TenantId::shared(), *run).unwrap().len(), 1, "cut at sync {cut}");
            }
            assert_eq!(store.dump().unwrap().matches("said").count(), of_events.len(), "cut at sync {cut}");
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            seen.insert(events.len());
            store.close();
        }
    }
    assert!(seen.is_superset(&[1, 3, 5, 7, 9].into()), "{seen:?}");
}

/// Secrets in the store; a rotation takes several commits for them.
const SECRETS: usize = 230;

/// The file of keys: every text it had, with how often the disk of the store had synced by then.
type KeyFile = Arc<Mutex<Vec<(usize, Keyring)>>>;

fn secrets_over(disk: &Disk, file: &KeyFile) -> Secrets {
    let last = file.lock().unwrap().last().unwrap().1.clone();
    let (disk, file) = (disk.clone(), Arc::clone(file));
    let save = move |keyring: &Keyring| {
        disk.0.lock().unwrap().check_power()?;
        file.lock().unwrap().push((disk.syncs(), keyring.clone()));
        Ok(())
    };
    let seed = file_seed(&last);
    Secrets::new(last, Box::new(save), Arc::new(Entropy::new(seed)))
}

/// A start draws another seed than the ones before it; so must one of this test, which knows no chance.
fn file_seed(keyring: &Keyring) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(keyring.current().to_string().as_bytes());
    seed
}

fn text_of(key: &EntryName) -> String {
    format!("the value of {key}")
}

/// Sets secrets and changes the key twice, until the power goes.
async fn rotate_twice(store: &Store, secrets: &Secrets) -> Option<()> {
    let ids = Ids::new(Arc::new(Entropy::new([9; 32])));
    let sealing = secrets.sealing().await;
    let sealed = (0..SECRETS).map(|number| {
        let key: EntryName = format!("key{number}").parse().unwrap();
        let text = SecretText::new(text_of(&key)).unwrap();
        let header = Header::new((SecretId::new(&ids, NOW), TenantId::shared(), key), "test", NOW);
        Change::Put(sealing.seal(&text, header).into())
    });
    store.commit(Transition::of(sealed)).await.ok()?;
    drop(sealing);
    for _ in 0..2 {
        secrets.rotate(store).await.ok()?;
    }
    Some(())
}

fn assert_all_open(store: &Store, keyring: &Keyring, cut: usize) -> usize {
    let catalogue = store.catalogue();
    Secrets::check(Some(keyring), &catalogue).unwrap_or_else(|lost| panic!("cut at sync {cut}: {lost}"));
    for secret in catalogue.secrets().iter() {
        let text = keyring.open(&secret.sealed, &secret.header);
        let text = text.unwrap_or_else(|error| panic!("cut at sync {cut}: {}: {error}", secret.header.name));
        assert_eq!(text.expose(), text_of(&secret.header.name));
    }
    catalogue.secrets().iter().count()
}

#[test]
fn every_secret_opens_whenever_the_power_goes_while_the_key_is_changed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let new_file = || KeyFile::new(Mutex::new(vec![(0, Keyring::new([1; 32]))]));
    let (whole, file) = (Disk::dying_at(None), new_file());
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    runtime.block_on(rotate_twice(&store, &secrets_over(&whole, &file))).unwrap();
    store.close();
    let syncs = whole.syncs();
    assert_eq!(file.lock().unwrap().len(), 5, "each rotation writes the file twice");

    let mut cut_between = 0;
    for cut in opening + 1..=syncs {
        let (disk, file) = (Disk::dying_at(Some(cut)), new_file());
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        assert!(runtime.block_on(rotate_twice(&store, &secrets_over(&disk, &file))).is_none());
        store.close();
        drop(store);
        let saved = file.lock().unwrap().clone();
        let last = saved.len() - 1;
        let mixtures: [fn(usize) -> bool; 3] = [|_| false, |_| true, |n| n % 2 == 0];
        let mut cuts = mixtures.map(|survives| (survives, last)).to_vec();
        if saved[last].0 + 1 == cut && last > 0 {
            // Nothing reached the disk after the last write of the file: the power may have gone before that one.
            cuts.push((mixtures[0], last - 1));
        }
        for (survives, kept) in cuts {
            let disk = disk.after_the_cut(survives);
            let store = Store::open_on(disk.clone(), &config()).unwrap();
            let found = assert_all_open(&store, &saved[kept].1, cut);
            cut_between += usize::from(found > 0);
            // The next rotation takes up what was left over.
            let file = KeyFile::new(Mutex::new(saved[..=kept].to_vec()));
            let secrets = secrets_over(&disk, &file);
            assert_eq!(runtime.block_on(secrets.rotate(&store)).unwrap().secrets, found);
            let keyring = file.lock().unwrap().last().unwrap().1.clone();
            assert_eq!(format!("{keyring:?}"), format!("{{{}}}", keyring.current()), "no older key is left");
            assert_eq!(assert_all_open(&store, &keyring, cut), found);
            store.close();
        }
    }
    assert!(cut_between >= 18, "only {cut_between} cuts were among the commits of a rotation");
}

/// A schedule that fires 12 times, one commit each; gives the times whose commits were acknowledged.
fn firings(store: &Store) -> Vec<Timestamp> {
    let ids = Ids::new(Arc::new(Entropy::new([9; 32])));
    let tenant = TenantId::shared();
    let header = (ScheduleId::from_bytes([1; 16]), tenant.clone(), "often".parse().unwrap());
    let mut schedule = Schedule {
        header: Header::new(header, "test", NOW),
        event_type: "tested".parse().unwrap(),
        object: None,
        payload: Json::empty_object(),
        enabled: true,
        timing: Timing::Cron { expression: "* * * * *".to_owned(), timezone: "UTC".to_owned() },
        next_at: Some(NOW),
        last: None,
    };
    let (id, of_type) = (schedule.header.id, EventTypeId::from_bytes([2; 16]));
    let made = [event_type(of_type, &tenant, "tested", None), Change::Put(schedule.clone().into())];
    let mut acknowledged = Vec::new();
    if commit(store, Transition::of(made)).is_err() {
        return acknowledged;
    }
    for _ in 0..12 {
        let due_at = schedule.next_at.unwrap();
        let mut event = event(EventId::new(&ids, NOW), &tenant, of_type, State::Success);
        event.cause = Some(Cause::Schedule { id, due_at });
        schedule.next_at = Some(due_at.plus_ms(60_000));
        schedule.last = Some(Firing { at: due_at, event_id: event.id });
        let fired = Transition::of([Change::Event(Arc::new(event)), Change::Put(schedule.clone().into())]);
        if commit(store, fired.expecting(Expectation::Unfired(id, 1, Some(due_at)))).is_err() {
            return acknowledged;
        }
        acknowledged.push(due_at);
    }
    acknowledged
}

#[test]
fn a_schedule_fires_for_each_time_once_whenever_the_power_goes() {
    let whole = Disk::dying_at(None);
    let store = Store::open_on(whole.clone(), &config()).unwrap();
    let opening = whole.syncs();
    assert_eq!(firings(&store).len(), 12);
    store.close();
    for cut in opening + 1..=whole.syncs() {
        let disk = Disk::dying_at(Some(cut));
        let store = Store::open_on(disk.clone(), &config()).unwrap();
        let acknowledged = firings(&store);
        store.close();
        drop(store);
        let mixtures: [fn(usize) -> bool; 3] = [|_| false, |_| true, |n| n % 2 == 0];
        for survives in mixtures {
            let store = Store::open_on(disk.after_the_cut(survives), &config()).unwrap();
            let everything =
                Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: 100 };
            let events = store.list_events(&everything, None, |_| true).unwrap().items;
            let fired: Vec<Timestamp> = events
                .iter()
                .map(|event| match event.cause {
                    Some(Cause::Schedule { due_at, .. }) => due_at,
                    _ => panic!("{event:?}"),
                })
                .collect();
            // Each time from the first, without a gap, and the schedule waits for the one after the last.
            let expected: Vec<Timestamp> = (0..fired.len() as u64).map(|n| NOW.plus_ms(n * 60_000)).collect();
            assert_eq!(fired, expected, "cut at sync {cut}");
            assert!(fired.starts_with(&acknowledged), "cut at sync {cut}");
            let catalogue = store.catalogue();
            if let Some((next_at, schedule)) = catalogue.schedules_by_time().next() {
                assert_eq!(next_at, NOW.plus_ms(fired.len() as u64 * 60_000), "cut at sync {cut}");
                assert_eq!(schedule.last.map(|last| last.at), fired.last().copied(), "cut at sync {cut}");
            } else {
                assert!(fired.is_empty(), "cut at sync {cut}");
            }
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            store.close();
        }
    }
}
