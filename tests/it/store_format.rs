//! Files that older versions wrote open with this one, and files of newer versions are refused.
//!
//! A file of each format is checked in beside this one. When the format changes, `make_the_file_of_this_format` makes
//! the next; those of before stay as they are.

use crate::store::{NOW, action, attempt, commit, event, event_type, log, module, open, run, tenant, token};
use fusebox::domain::{
    Action, ActionId, Digest, Event, EventId, EventType, EventTypeId, Json, LimitsPatch, ObjectRef, Parameter, Reason,
    Run, RunId, State, TenantId,
};
use fusebox::store::{Change, OpenError, Transition};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn golden(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/formats/{format}.redb"))
}

/// Events and runs in every state, of three tenants, with all fields that a record may have.
fn history() -> Vec<Change> {
    let tenants = [TenantId::shared(), tenant("a"), tenant("b")];
    let mut changes = Vec::new();
    for (place, state) in (1_u8..).zip(State::ALL) {
        let owner = &tenants[usize::from(place) % 3];
        let of_type = EventTypeId::from_bytes([2; 16]);
        let mut event: Event = event(EventId::from_bytes([place; 16]), owner, of_type, state);
        let mut run: Run = run(RunId::from_bytes([place; 16]), &event, ActionId::from_bytes([1; 16]), state);
        event.runs = vec![run.id];
        event.payload = Json::parse(format!("{{ \"place\":  {place} }}")).unwrap();
        event.object = Some(ObjectRef::new("public.bookable".to_owned(), place.to_string()).unwrap());
        event.parent_id = (place > 4).then(|| EventId::from_bytes([1; 16]));
        (event.started_at, event.ended_at) = (Some(NOW), state.is_terminal().then(|| NOW.plus_ms(9)));
        run.scope = event.object.clone();
        run.attempts = vec![attempt(1, State::Error, Some(Reason::Timeout)), attempt(2, state, run.reason)];
        run.messages = vec!["a message".to_owned()];
        run.output = Some(Json::parse("[1, {}]".to_owned()).unwrap());
        run.chained = Some(Json::null());
        run.due_at = (state == State::Waiting).then(|| NOW.plus_ms(1_000));
        run.interruptions = u32::from(place % 2);
        changes.push(log(&run, 1, 0, &["first", "second"]));
        changes.push(log(&run, 2, 0, &["third"]));
        changes.extend([Change::Event(Arc::new(event)), Change::Run(Arc::new(run))]);
    }
    changes
}

fn catalogue() -> Vec<Change> {
    let (shared, a) = (TenantId::shared(), tenant("a"));
    vec![
        module(&shared, b"a component", &[("tested", "1.0.0"), ("tested", "1.1.0")]),
        module(&a, b"a component", &[]),
        module(&a, b"another", &[("own", "1")]),
        action(ActionId::from_bytes([1; 16]), &shared, "Shared", "tested", 1),
        action(ActionId::from_bytes([1; 16]), &shared, "Shared", "tested@1.0.0", 2),
        action(ActionId::from_bytes([4; 16]), &a, "own", &Digest::of(b"another").to_string(), 1),
        event_type(EventTypeId::from_bytes([2; 16]), &shared, "tested", Some(ActionId::from_bytes([1; 16]))),
        event_type(EventTypeId::from_bytes([3; 16]), &a, "own", None),
        full(action(ActionId::from_bytes([5; 16]), &a, "full", "own", 1)),
        full(event_type(EventTypeId::from_bytes([4; 16]), &a, "full", None)),
        Change::PutToken(Arc::new(token(1, "a token"))),
    ]
}

/// The same with all that such a record may have.
fn full(change: Change) -> Change {
    let parameters: Vec<Parameter> = serde_json::from_value(serde_json::json!([
        { "name": "given", "type": "STATIC", "value": { "list": [1, -2, 0.5, null, true] }, "locked": true },
        { "name": "read", "type": "DATA", "value": "/a/b", "required": false },
        { "name": "usual", "type": "DATA", "value": "a", "default": "b" },
    ]))
    .unwrap();
    match change {
        Change::PutAction(action) => Change::PutAction(Arc::new(Action {
            parameters,
            limits: LimitsPatch { fuel: Some(5), log_bytes: Some(6), ..LimitsPatch::default() },
            ..action.as_ref().clone()
        })),
        Change::PutEventType(event_type) => Change::PutEventType(Arc::new(EventType {
            parameters,
            payload_schema: Some(Json::parse("{ \"type\":  \"object\" }".to_owned()).unwrap()),
            ..event_type.as_ref().clone()
        })),
        other => panic!("{other:?} has no more"),
    }
}

#[test]
fn a_file_of_format_1_opens_with_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("store.redb");
    std::fs::copy(golden(1), &copy).unwrap();
    let store = open(copy).unwrap();
    assert_eq!(store.check().unwrap(), [""; 0]);
    insta::assert_snapshot!("format_1", store.dump().unwrap());
    for change in history() {
        match change {
            Change::Event(event) => assert_eq!(store.event(None, event.id).unwrap(), Some(Arc::unwrap_or_clone(event))),
            Change::Run(run) => assert_eq!(store.run(None, run.id).unwrap(), Some(Arc::unwrap_or_clone(run))),
            _ => {}
        }
    }
    // It can be written to as well.
    let late = event(EventId::from_bytes([99; 16]), &tenant("a"), EventTypeId::from_bytes([3; 16]), State::Queued);
    commit(&store, Transition::of([Change::Event(Arc::new(late))])).unwrap();
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

/// What this version writes differs from the file of its format only in what defaults express: that fields which have nothing
/// to say are left out, and that an attempt's limits are its run's. Any other change of the records is noticed here.
#[test]
fn this_version_writes_format_1() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    commit(&store, Transition::of(catalogue())).unwrap();
    commit(&store, Transition::of(history())).unwrap();
    insta::assert_snapshot!("format_1_as_written", store.dump().unwrap());
}

/// All tables of this version were made in it before its format was looked at; had one of the newer format another
/// type, the refusal would have been about that instead.
#[test]
fn a_file_of_a_newer_format_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let table: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("meta");
    let newer = redb::Database::create(&path).unwrap();
    let tx = newer.begin_write().unwrap();
    tx.open_table(table).unwrap().insert(b"format".as_slice(), 2_u32.to_be_bytes().as_slice()).unwrap();
    tx.commit().unwrap();
    drop(newer);
    let Err(refused) = open(path.clone()) else { panic!("it was opened") };
    assert!(matches!(refused, OpenError::TooNew { format: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("use a newer fusebox"), "{refused}");
    let tables = redb::ReadOnlyDatabase::open(&path).unwrap();
    let tables: Vec<String> = {
        use redb::{ReadableDatabase, TableHandle};
        tables.begin_read().unwrap().list_tables().unwrap().map(|table| table.name().to_owned()).collect()
    };
    assert_eq!(tables, ["meta"], "a refused file was changed");
}

#[test]
#[ignore = "makes the file that is checked in; run it once when the format changes"]
fn make_the_file_of_this_format() {
    let path = golden(1);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(std::fs::remove_file(&path));
    let store = open(path.clone()).unwrap();
    commit(&store, Transition::of(catalogue())).unwrap();
    commit(&store, Transition::of(history())).unwrap();
    store.close();
    drop(store);
    // Without the room that the database keeps free.
    let mut database = redb::Database::open(&path).unwrap();
    while database.compact().unwrap() {}
}
