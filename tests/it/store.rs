//! The store by its own door: what a transition promises, what a reopening gives back, and pages beside a naive model.

use bytes::Bytes;
use fusebox::domain::{
    Action, ActionId, Attempt, DedupMode, DedupWindow, Digest, Entropy, Event, EventId, EventType, EventTypeId, Flow,
    Ids, Json, Kind, Level, LimitsPatch, LogLine, LogSource, Module, ModuleName, ModuleNaming, ModuleRef, Origin,
    Reason, RetryPolicy, Rights, Run, RunId, State, TenantId, Timestamp, Token, TokenHash, TokenId, Usage,
};
use fusebox::store::{
    Change, CommitError, Config, Conflict, Expectation, LogChunk, OpenError, Query, Store, Subject, Transition, Watched,
};
use proptest::prelude::*;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

/// A store with a folder of its own, and ids that are the same every time.
struct Bench {
    folder: TempDir,
    store: Option<Store>,
    ids: Ids,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(open(folder.path().join("store.redb")).unwrap());
        Bench { folder, store, ids: Ids::new(Arc::new(Entropy::new([5; 32]))) }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store.take().unwrap().close();
        self.store = Some(open(self.folder.path().join("store.redb")).unwrap());
    }

    fn commit(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), Conflict> {
        commit(self.store(), Transition::of(changes))
    }

    /// An event of a tenant with one run, both in `state`.
    fn history(&self, tenant: &TenantId, state: State) -> (Event, Run) {
        let (event_type, action) = (EventTypeId::from_bytes([2; 16]), ActionId::from_bytes([3; 16]));
        let mut event = event(EventId::new(&self.ids, NOW), tenant, event_type, state);
        let run = run(RunId::new(&self.ids, NOW), &event, action, state);
        event.runs = vec![run.id];
        (event, run)
    }
}

pub(crate) fn open(path: std::path::PathBuf) -> Result<Store, OpenError> {
    Store::open(Config { path, cache_bytes: 8 << 20, first_notice: 100 })
}

pub(crate) fn commit(store: &Store, transition: Transition) -> Result<(), Conflict> {
    let (sender, receiver) = std::sync::mpsc::channel();
    store.submit(transition, Some(Box::new(move |result| sender.send(result).unwrap())));
    match receiver.recv().unwrap() {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(conflict)) => Err(conflict),
        Err(CommitError::Broken(why)) => panic!("{why}"),
    }
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn event(id: EventId, owner_id: &TenantId, event_type_id: EventTypeId, state: State) -> Event {
    Event {
        id,
        owner_id: owner_id.clone(),
        event_type_id,
        event_type: "tested".to_owned(),
        object: None,
        cloudevent: None,
        flow: Flow::default(),
        payload: Json::empty_object(),
        run_at: None,
        origin: Origin::Api,
        cause: None,
        state,
        reason: None,
        message: String::new(),
        parent_id: None,
        root_id: id,
        depth: 0,
        lineage: None,
        created_by: "test".to_owned(),
        source_id: None,
        created_at: NOW,
        started_at: None,
        ended_at: None,
        runs: Vec::new(),
    }
}

pub(crate) fn run(id: RunId, event: &Event, action_id: ActionId, state: State) -> Run {
    Run {
        action: "tested".to_owned(),
        module: Digest::of(b"module"),
        state,
        reason: (state == State::Error).then_some(Reason::Trap),
        ..Run::queued(id, event.id, event.owner_id.clone(), action_id, NOW)
    }
}

pub(crate) fn module(owner_id: &TenantId, bytes: &'static [u8], names: &[(&str, &str)]) -> Change {
    let naming =
        |(name, version): &(&str, &str)| ModuleNaming { name: ModuleName::new(name, version).unwrap(), since: NOW };
    let module = Module {
        digest: Digest::of(bytes),
        owner_id: owner_id.clone(),
        kind: Kind::Action,
        size_bytes: bytes.len() as u64,
        imports: Vec::new(),
        exports: Vec::new(),
        wrapped: None,
        names: names.iter().map(naming).collect(),
        created_at: NOW,
        created_by: "test".to_owned(),
    };
    Change::PutModule(Arc::new(module), Bytes::from_static(bytes))
}

pub(crate) fn action(id: ActionId, owner_id: &TenantId, name: &str, module: &str, version: u64) -> Change {
    Change::PutAction(Arc::new(Action {
        id,
        owner_id: owner_id.clone(),
        name: name.parse().unwrap(),
        description: String::new(),
        module: Some(module.parse::<ModuleRef>().unwrap()),
        source: None,
        enabled: true,
        trigger: None,
        public: false,
        dedup_mode: DedupMode::default(),
        input: None,
        continue_on_fail: false,
        on_success: None,
        on_failure: None,
        parameters: Vec::new(),
        retry: RetryPolicy::default(),
        limits: LimitsPatch::default(),
        allowed_hosts: Vec::new(),
        when: None,
        version,
        created_by: "test".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        updated_by: "test".to_owned(),
    }))
}

pub(crate) fn event_type(id: EventTypeId, owner_id: &TenantId, name: &str, action: Option<ActionId>) -> Change {
    Change::PutEventType(Arc::new(EventType {
        id,
        owner_id: owner_id.clone(),
        display_name: name.parse().unwrap(),
        description: String::new(),
        sink_type: "wasm".to_owned(),
        source_type: None,
        action,
        enabled: true,
        paused: false,
        flow: Flow::default(),
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: "test".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }))
}

pub(crate) fn token(id: u8, text: &str) -> Token {
    Token {
        id: TokenId::from_bytes([id; 16]),
        name: "t".to_owned(),
        owner_id: TenantId::shared(),
        rights: Rights::ALL,
        hash: TokenHash::of(text),
        created_at: NOW,
        created_by: "test".to_owned(),
    }
}

pub(crate) fn log(run: &Run, attempt: u32, number: u32, messages: &[&str]) -> Change {
    let line = |message: &&str| LogLine {
        at: NOW,
        level: Level::Info,
        source: LogSource::Log,
        message: (*message).to_owned(),
        fields: vec![("n".to_owned(), Json::parse("1".to_owned()).unwrap())],
    };
    let lines = Arc::new(messages.iter().map(line).collect());
    Change::Log(LogChunk { tenant: run.owner_id.clone(), run: run.id, attempt, number, lines })
}

const ACTION: ActionId = ActionId::from_bytes([1; 16]);
const EVENT_TYPE: EventTypeId = EventTypeId::from_bytes([2; 16]);

#[test]
fn a_transition_with_a_conflict_changes_nothing() {
    let bench = Bench::new();
    let shared = TenantId::shared();
    bench.commit([module(&shared, b"a", &[("m", "1")]), action(ACTION, &shared, "a", "m", 1)]).unwrap();
    let before = bench.store().dump().unwrap();
    let next = bench.store().changes().next();
    let (new_event, new_run) = bench.history(&shared, State::Queued);
    // All that is good about it comes first; what is wrong comes last.
    let good = || {
        let token = token(9, "x");
        vec![
            Change::Event(Arc::new(new_event.clone())),
            Change::Run(Arc::new(new_run.clone())),
            log(&new_run, 1, 0, &["line"]),
            module(&shared, b"b", &[("m", "2")]),
            event_type(EVENT_TYPE, &shared, "t", Some(ACTION)),
            Change::PutToken(Arc::new(token)),
        ]
    };
    let other = ActionId::from_bytes([8; 16]);
    for (bad, expected) in [
        (action(other, &shared, "A", "m", 1), Conflict::NameTaken { article: "an action", name: "A".to_owned() }),
        (action(other, &shared, "b", "nobody", 1), Conflict::NoSuchModule { reference: "nobody".to_owned() }),
        (Change::DeleteAction(ACTION), Conflict::InUse { by: vec!["the event type `t`".to_owned()] }),
        (Change::DeleteAction(other), Conflict::Gone { what: "action", id: other.to_string() }),
        (
            event_type(EventTypeId::from_bytes([7; 16]), &shared, "T", None),
            Conflict::NameTaken { article: "an event type", name: "T".to_owned() },
        ),
        (
            event_type(EventTypeId::from_bytes([7; 16]), &shared, "u", Some(other)),
            Conflict::NoSuchAction { id: other.to_string() },
        ),
        (
            module(&shared, b"c", &[("m", "1")]),
            Conflict::ModuleNameTaken { name: "m@1".to_owned(), digest: Digest::of(b"a") },
        ),
        (
            Change::DeleteModule(shared.clone(), Digest::of(b"z")),
            Conflict::Gone { what: "module", id: Digest::of(b"z").to_string() },
        ),
        (
            Change::DeleteToken(TokenId::from_bytes([7; 16])),
            Conflict::Gone { what: "token", id: TokenId::from_bytes([7; 16]).to_string() },
        ),
        (
            Change::DeleteEventType(EventTypeId::from_bytes([7; 16])),
            Conflict::Gone { what: "event type", id: EventTypeId::from_bytes([7; 16]).to_string() },
        ),
    ] {
        let mut changes = good();
        changes.push(bad);
        assert_eq!(bench.commit(changes), Err(expected));
        assert_eq!(bench.store().dump().unwrap(), before);
        assert_eq!(bench.store().changes().next(), next, "it was told to watchers");
        assert!(bench.store().catalogue().token(TokenId::from_bytes([9; 16])).is_none());
    }
    let expecting = Transition::of(good()).expecting(Expectation::ActionVersion(ACTION, 2));
    assert_eq!(commit(bench.store(), expecting), Err(Conflict::Version { what: "action", expected: 2, actual: 1 }));
    let gone = Transition::of(good()).expecting(Expectation::EventTypeVersion(EVENT_TYPE, 1));
    assert_eq!(commit(bench.store(), gone), Err(Conflict::Gone { what: "event type", id: EVENT_TYPE.to_string() }));
    assert_eq!(bench.store().dump().unwrap(), before);
    bench.commit(good()).unwrap();
    assert_eq!(bench.store().check().unwrap(), [""; 0]);
}

#[test]
fn of_many_transitions_at_once_each_gets_its_own_answer() {
    let bench = Bench::new();
    let shared = TenantId::shared();
    let (sender, receiver) = std::sync::mpsc::channel();
    let count = 2_000_u32;
    for number in 0..count {
        let (event, run) = bench.history(&shared, State::Queued);
        let mut transition = Transition::of([Change::Event(Arc::new(event)), Change::Run(Arc::new(run))]);
        if number % 3 == 0 {
            transition.expect.push(Expectation::ActionVersion(ACTION, 1)); // There is none.
        }
        let sender = sender.clone();
        bench.store().submit(transition, Some(Box::new(move |result| sender.send((number, result)).unwrap())));
    }
    let mut answers: Vec<(u32, bool)> =
        receiver.iter().take(count as usize).map(|(n, result)| (n, result.is_ok())).collect();
    answers.sort_unstable();
    assert_eq!(answers, (0..count).map(|number| (number, number % 3 != 0)).collect::<Vec<_>>());
    let all =
        Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: usize::MAX };
    let kept = bench.store().list_events(&all, None, |_| true).unwrap().items.len();
    assert_eq!(kept, (0..count).filter(|number| number % 3 != 0).count());
    assert_eq!(bench.store().check().unwrap(), [""; 0]);
}

#[test]
fn later_transitions_of_one_batch_see_the_earlier_ones() {
    let bench = Bench::new();
    let shared = TenantId::shared();
    let (sender, receiver) = std::sync::mpsc::channel();
    let batch = [
        vec![module(&shared, b"a", &[("m", "1")])],
        vec![action(ACTION, &shared, "a", "m", 1)],
        vec![action(ActionId::from_bytes([5; 16]), &shared, "A", "m", 1)], // Taken by the one before.
        vec![Change::DeleteAction(ACTION)],
        vec![action(ActionId::from_bytes([5; 16]), &shared, "A", "m", 1)],
    ];
    for (number, changes) in batch.into_iter().enumerate() {
        let sender = sender.clone();
        bench.store().submit(
            Transition::of(changes),
            Some(Box::new(move |result| sender.send((number, result.is_ok())).unwrap())),
        );
    }
    // What conflicts is answered at once, the others when they are on the disk.
    let mut answers: Vec<(usize, bool)> = receiver.iter().take(5).collect();
    answers.sort_unstable();
    assert_eq!(answers, [(0, true), (1, true), (2, false), (3, true), (4, true)]);
}

#[test]
fn what_was_committed_is_there_when_the_store_is_opened_again() {
    let mut bench = Bench::new();
    let (shared, a) = (TenantId::shared(), tenant("a"));
    bench
        .commit([
            module(&shared, b"a", &[("m", "1"), ("m", "2")]),
            module(&a, b"a", &[]),
            module(&a, b"b", &[("m", "1")]),
        ])
        .unwrap();
    bench.commit([action(ACTION, &a, "x", "m", 1), event_type(EVENT_TYPE, &a, "t", Some(ACTION))]).unwrap();
    bench.commit([action(ACTION, &a, "y", "m@1", 2), Change::PutToken(Arc::new(token(1, "secret")))]).unwrap();
    let (event, run) = bench.history(&a, State::Running);
    bench
        .commit([
            Change::Event(Arc::new(event.clone())),
            Change::Run(Arc::new(run.clone())),
            log(&run, 1, 0, &["one", "two"]),
            log(&run, 1, 2, &["three"]),
            log(&run, 2, 0, &["again"]),
        ])
        .unwrap();
    let before = bench.store().dump().unwrap();
    assert!(!before.contains("secret"));
    bench.reopen();
    let store = bench.store();
    assert_eq!(store.dump().unwrap(), before);
    assert_eq!(store.check().unwrap(), [""; 0]);
    let catalogue = store.catalogue();
    assert_eq!(catalogue.action(ACTION).unwrap().name.as_str(), "y");
    assert_eq!(
        catalogue.module(&a, &"m".parse().unwrap()).unwrap().digest,
        Digest::of(b"b"),
        "its own comes before the shared"
    );
    assert_eq!(catalogue.module(&tenant("b"), &"m@1".parse().unwrap()).unwrap().digest, Digest::of(b"a"));
    assert_eq!(catalogue.token_hashed(&TokenHash::of("secret")).unwrap().name, "t");
    assert!(catalogue.token_hashed(&TokenHash::of("guess")).is_none());
    assert_eq!(catalogue.event_type_named(&a, &"T".parse().unwrap()).unwrap().id, EVENT_TYPE);
    assert!(catalogue.event_type_named(&tenant("b"), &"t".parse().unwrap()).is_none());
    assert_eq!(store.module_bytes(Digest::of(b"b")).unwrap().unwrap(), Bytes::from_static(b"b"));
    let versions: Vec<_> =
        store.action_versions(ACTION).unwrap().iter().map(|v| (v.version, v.name.to_string())).collect();
    assert_eq!(versions, [(1, "x".to_owned()), (2, "y".to_owned())]);
    assert_eq!(store.event(Some(&a), event.id).unwrap(), Some(event.clone()));
    assert_eq!(store.event(None, event.id).unwrap(), Some(event.clone()));
    assert_eq!(store.event(Some(&shared), event.id).unwrap(), None);
    let chunks: Vec<(u32, u32, usize)> =
        store.log(&a, run.id).unwrap().iter().map(|(at, n, lines)| (*at, *n, lines.len())).collect();
    assert_eq!(chunks, [(1, 0, 2), (1, 2, 1), (2, 0, 1)]);
    assert_eq!(store.log_chunk(&a, run.id, 1, 2).unwrap()[0].message, "three");
    let mut open_runs = Vec::new();
    store.visit_open_runs(|run| open_runs.push(run)).unwrap();
    assert_eq!(open_runs, [run]);
}

/// Event types name actions and actions name event types: whichever is read first, the other is not there yet.
#[test]
fn an_action_that_fires_the_event_type_it_is_linked_from_is_there_when_the_store_is_opened_again() {
    let mut bench = Bench::new();
    let shared = TenantId::shared();
    let firing = |name: &str| match action(ACTION, &shared, "a", "m", 1) {
        Change::PutAction(action) => Change::PutAction(Arc::new(Action {
            on_success: Some("T".parse().unwrap()),
            on_failure: Some(name.parse().unwrap()),
            ..action.as_ref().clone()
        })),
        other => other,
    };
    let linked = || event_type(EVENT_TYPE, &shared, "t", Some(ACTION));
    bench.commit([module(&shared, b"x", &[("m", "1")]), event_type(EVENT_TYPE, &shared, "t", None)]).unwrap();
    let missing = Conflict::NoSuch { what: "event type", name: "u".to_owned(), field: "/on_failure" };
    assert_eq!(bench.commit([firing("u")]), Err(missing));
    bench.commit([firing("t"), linked()]).unwrap();
    bench.reopen();
    let by = vec!["the action `a`, which fires it on success", "the action `a`, which fires it on failure"];
    let in_use = Conflict::InUse { by: by.into_iter().map(str::to_owned).collect() };
    assert_eq!(bench.commit([Change::DeleteEventType(EVENT_TYPE)]), Err(in_use));
    let unlinked = event_type(EVENT_TYPE, &shared, "t", None);
    bench.commit([unlinked, Change::DeleteAction(ACTION), Change::DeleteEventType(EVENT_TYPE)]).unwrap();
}

#[test]
fn the_bytes_of_a_module_go_with_its_last_owner() {
    let bench = Bench::new();
    let (a, b) = (tenant("a"), tenant("b"));
    bench.commit([module(&a, b"x", &[]), module(&b, b"x", &[])]).unwrap();
    let digest = Digest::of(b"x");
    bench.commit([Change::DeleteModule(a, digest)]).unwrap();
    assert!(bench.store().module_bytes(digest).unwrap().is_some());
    bench.commit([Change::DeleteModule(b, digest)]).unwrap();
    assert!(bench.store().module_bytes(digest).unwrap().is_none());
}

#[test]
fn a_module_has_at_most_a_thousand_names() {
    let bench = Bench::new();
    let versions: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    let names: Vec<(&str, &str)> = versions.iter().map(|version| ("m", version.as_str())).collect();
    let full = Conflict::Full { what: "names of this module", limit: 1_000 };
    assert_eq!(bench.commit([module(&TenantId::shared(), b"x", &names)]), Err(full));
    bench.commit([module(&TenantId::shared(), b"x", &names[..1_000])]).unwrap();
}

#[test]
fn the_users_of_a_module_are_told_up_to_ten() {
    let bench = Bench::new();
    let shared = TenantId::shared();
    bench.commit([module(&shared, b"x", &[("m", "1")])]).unwrap();
    bench.commit((10..30).map(|n| action(ActionId::from_bytes([n; 16]), &shared, &format!("a{n}"), "m", 1))).unwrap();
    match bench.commit([Change::DeleteModule(shared, Digest::of(b"x"))]) {
        Err(Conflict::InUse { by }) => assert_eq!((by.len(), by[0].as_str()), (10, "the action `a10`")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn commits_are_told_in_their_order_and_after_a_close_nothing_is_taken() {
    let bench = Bench::new();
    let (event, run) = bench.history(&tenant("a"), State::Queued);
    let changes = bench.store().changes();
    let (id, run_id) = (event.id, run.id);
    bench
        .store()
        .commit(Transition::of([
            Change::Event(Arc::new(event.clone())),
            Change::Run(Arc::new(run.clone())),
            log(&run, 1, 0, &["x"]),
        ]))
        .await
        .unwrap();
    let Watched::Notices { notices, next } = changes.since(100, 10).await else { panic!("no notices") };
    let subjects: Vec<Subject> = notices.iter().map(|notice| notice.subject).collect();
    assert_eq!(
        subjects,
        [Subject::Log(run_id, 1, 0), Subject::Run(run_id, State::Queued), Subject::Event(id, State::Queued)]
    );
    assert_eq!(next, 103);
    let store = bench.store().clone();
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();
    assert!(bench.store().is_broken());
    let refused = bench.store().commit(Transition::of([Change::Event(Arc::new(event))])).await;
    assert!(matches!(refused, Err(CommitError::Broken(_))), "{refused:?}");
    assert_eq!(changes.since(103, 10).await, Watched::Ended);
}

#[test]
fn a_file_is_opened_once_at_a_time_and_only_when_it_is_a_store() {
    let bench = Bench::new();
    let path = bench.folder.path().join("store.redb");
    assert!(matches!(open(path), Err(OpenError::InUse(_))));
    let other = bench.folder.path().join("other");
    std::fs::write(&other, "this is no store at all, and longer than any header".repeat(100)).unwrap();
    assert!(matches!(open(other.clone()), Err(OpenError::Disk { .. })));
    assert!(open(other).err().unwrap().to_string().contains("other cannot be opened"));
    assert!(matches!(open(bench.folder.path().join("no/such/folder")), Err(OpenError::Disk { .. })));
}

/// A run that a test walks through its states, and what the model remembers of it.
#[derive(Clone, Debug)]
struct Step {
    tenant: usize,
    event_type: u8,
    states: Vec<usize>,
    payload: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_usize, 0..3_u8, prop::collection::vec(0..8_usize, 1..4), 0..4_u8)
        .prop_map(|(tenant, event_type, states, payload)| Step { tenant, event_type, states, payload });
    prop::collection::vec(step, 1..40)
}

/// What a page is asked for: tenant, state, type, payload, direction, size.
type Asked = (Option<usize>, Option<usize>, Option<u8>, Option<u8>, bool, usize);

fn asked() -> impl Strategy<Value = Asked> {
    let tenant = prop::option::of(0..3_usize);
    (
        tenant,
        prop::option::of(0..8_usize),
        prop::option::of(0..3_u8),
        prop::option::of(0..4_u8),
        any::<bool>(),
        1..9_usize,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random histories, of which every page must be what a naive model says, before and after a reopening.
    #[test]
    fn pages_are_what_a_naive_model_says(steps in steps(), questions in prop::collection::vec(asked(), 12)) {
        let mut bench = Bench::new();
        let tenants = [TenantId::shared(), tenant("a"), tenant("ab")];
        let mut model: Vec<(Event, Run)> = Vec::new();
        for step in &steps {
            let id = EventId::new(&bench.ids, NOW);
            let of_type = EventTypeId::from_bytes([step.event_type; 16]);
            let mut event = event(id, &tenants[step.tenant], of_type, State::Queued);
            event.payload = Json::parse(step.payload.to_string()).unwrap();
            let mut run = run(RunId::new(&bench.ids, NOW), &event, ActionId::from_bytes([step.event_type; 16]), State::Queued);
            event.runs = vec![run.id];
            // Through its states, of which the last stays; what is terminal is final.
            for state in &step.states {
                if run.state.is_terminal() {
                    break;
                }
                run.state = State::ALL[*state];
                event.state = run.state;
                bench.store().submit(Transition::of([Change::Event(Arc::new(event.clone())), Change::Run(Arc::new(run.clone()))]), None);
            }
            model.push((event, run));
        }
        bench.commit([]).unwrap(); // Everything before it is on the disk.
        for reopened in [false, true] {
            if reopened {
                bench.reopen();
            }
            prop_assert_eq!(bench.store().check().unwrap(), Vec::<String>::new());
            for asked in &questions {
                ask(bench.store(), &tenants, &model, asked)?;
            }
            let mut open_runs = Vec::new();
            bench.store().visit_open_runs(|run| open_runs.push(run)).unwrap();
            let expected: Vec<Run> = model.iter().map(|(_, run)| run.clone()).filter(|run| !run.state.is_terminal()).collect();
            prop_assert_eq!(open_runs, expected);
        }
    }
}

/// Reads all pages of one question and compares them with the model.
fn ask(store: &Store, tenants: &[TenantId], model: &[(Event, Run)], asked: &Asked) -> Result<(), TestCaseError> {
    let (of_tenant, state, of_type, payload, oldest_first, limit) = *asked;
    let of_tenant = of_tenant.map(|place| tenants[place].clone());
    let state = state.map(|place| State::ALL[place]);
    let (event_type, action) =
        (of_type.map(|id| EventTypeId::from_bytes([id; 16])), of_type.map(|id| ActionId::from_bytes([id; 16])));
    let wanted = |event: &Event| payload.is_none_or(|payload| event.payload.as_str() == payload.to_string());
    let mut expected: Vec<&(Event, Run)> = model
        .iter()
        .filter(|(event, _)| of_tenant.as_ref().is_none_or(|tenant| event.owner_id == *tenant))
        .filter(|(event, _)| state.is_none_or(|state| event.state == state))
        .filter(|(event, _)| event_type.is_none_or(|id| event.event_type_id == id))
        .collect();
    if !oldest_first {
        expected.reverse();
    }
    let mut query = Query { tenant: of_tenant, state, after: None, oldest_first, between: (None, None), limit };
    let mut runs = Vec::new();
    loop {
        let page = store.list_runs(&query, action, |_| true).unwrap();
        prop_assert!(page.items.len() <= limit);
        runs.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    prop_assert_eq!(runs.iter().collect::<Vec<_>>(), expected.iter().map(|(_, run)| run).collect::<Vec<_>>());
    let mut events = Vec::new();
    loop {
        let page = store.list_events(&query, event_type, wanted).unwrap();
        prop_assert!(page.items.len() <= limit);
        events.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected: Vec<&Event> = expected.iter().map(|(event, _)| event).filter(|event| wanted(event)).collect();
    prop_assert_eq!(events.iter().collect::<Vec<_>>(), expected);
    Ok(())
}

/// An attempt that has ended, for histories that should have some.
pub(crate) fn attempt(number: u32, state: State, reason: Option<Reason>) -> Attempt {
    Attempt {
        number,
        started_at: NOW,
        ended_at: Some(NOW.plus_ms(5)),
        state,
        reason,
        message: reason.map(|reason| reason.to_string()).unwrap_or_default(),
        usage: Usage {
            fuel: 1,
            memory_bytes: 2,
            wall_us: 3,
            cpu_us: 4,
            output_bytes: 5,
            log_bytes: 6,
            ..Usage::default()
        },
        seed: (7, 8),
        http: Vec::new(),
    }
}
