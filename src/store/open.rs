//! Opening the store, and the handle to it.

use super::batch::{Batch, Open};
use super::bounds::CatalogueBounds;
use super::catalogue::Catalogue;
use super::changes::Changes;
use super::codec::{Key, decode, last_id, state_byte};
use super::tally::{EventCount, Grain, Tally};
use super::transition::{Change, CommitError, Transition};
use super::writer::{Counters, OnCommit, Queue, Writer, WriterStats};
use super::{ReadError, named, schema};
use crate::domain::{
    Action, Attachment, EventId, EventType, Module, ObjectRecord, Run, RunId, State, Tenant, TenantId, Timestamp, Token,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The layout of the file. A newer binary opens an older file; an older binary refuses a newer one.
const FORMAT: u32 = 1;

#[derive(Clone, Debug)]
pub struct Config {
    /// The file; made when it is not there.
    pub path: PathBuf,
    /// Memory for pages of the file.
    pub cache_bytes: usize,
    /// Where the numbers of change notices begin; different at every start.
    pub first_notice: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process has {0} open; stop it first")]
    InUse(PathBuf),
    #[error("{path} has format {format}, which is newer than this program: use a newer fusebox")]
    TooNew { path: PathBuf, format: u32 },
    #[error("{path} cannot be opened: {error}")]
    Disk { path: PathBuf, error: Box<redb::Error> },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the catalogue in the file contradicts itself: {0}")]
    Catalogue(#[from] super::Conflict),
    #[error("the writer's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A handle to the open store; clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    db: Arc<Database>,
    queue: Arc<Queue>,
    catalogue: Arc<ArcSwap<Catalogue>>,
    changes: Arc<Changes>,
    tally: Arc<Tally>,
    counters: Arc<Counters>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the file, reads the catalogue, and starts the writer's thread.
    ///
    /// # Errors
    /// The file is in use, newer than this program, damaged, or cannot be read.
    pub fn open(config: Config) -> Result<Store, OpenError> {
        let opened = Database::builder().set_cache_size(config.cache_bytes).create(&config.path);
        let db = opened.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(config.path.clone()),
            error => OpenError::Disk { path: config.path.clone(), error: Box::new(error.into()) },
        })?;
        Store::on(db, &config)
    }

    /// Opens a store whose bytes lie wherever `medium` puts them; `config.path` is only a name for it then.
    /// For tests that pull the plug.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[doc(hidden)]
    pub fn open_on(medium: impl redb::StorageBackend, config: &Config) -> Result<Store, OpenError> {
        let opened = Database::builder().set_cache_size(config.cache_bytes).create_with_backend(medium);
        let disk =
            |error: redb::DatabaseError| OpenError::Disk { path: config.path.clone(), error: Box::new(error.into()) };
        Store::on(opened.map_err(disk)?, config)
    }

    fn on(db: Database, config: &Config) -> Result<Store, OpenError> {
        prepare(&db, &config.path)?;
        Ok(Store { shared: Arc::new(start(db, config.first_notice)?) })
    }

    pub(super) fn db(&self) -> &Database {
        &self.shared.db
    }

    /// The catalogue as of the last commit.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.shared.catalogue.load_full()
    }

    /// Bounds the catalogue otherwise than by default, from the next transition on. What is there already stays.
    pub fn bound(&self, bounds: CatalogueBounds) {
        self.shared.catalogue.rcu(|catalogue| Arc::new(catalogue.bounded(bounds)));
    }

    /// What changed lately.
    pub fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }

    /// The events of a tenant, or of all, by when they were fired: stretches of `grain` that begin in the minute of the first
    /// time or later and before the second, in order, without those in which nothing happened.
    pub fn count_events(
        &self,
        tenant: Option<&TenantId>,
        grain: Grain,
        between: (Timestamp, Timestamp),
    ) -> Vec<(Timestamp, EventCount)> {
        self.shared.tally.read(tenant, grain, between)
    }

    /// What the writer did since the store was opened.
    pub fn writer_stats(&self) -> WriterStats {
        self.shared.counters.read()
    }

    /// Whether the disk failed: nothing more is taken until the store is opened anew.
    pub fn is_broken(&self) -> bool {
        self.shared.queue.is_closed()
    }

    /// Hands in a transition and waits until it is on the disk.
    ///
    /// # Errors
    /// A conflict: nothing of it was applied. A broken store: whether it was applied is unknown until it is opened anew.
    pub async fn commit(&self, transition: Transition) -> Result<(), CommitError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(transition, Some(Box::new(move |result| drop(sender.send(result)))));
        receiver.await.unwrap_or_else(|_| Err(CommitError::Broken("its writer has ended".into())))
    }

    /// Hands in a transition without waiting; transitions take effect in the order in which they were handed in.
    pub fn submit(&self, transition: Transition, on_commit: Option<OnCommit>) {
        self.shared.queue.push(transition, on_commit);
    }

    /// Writes what was handed in and ends the writer. Blocks until it is done; later transitions are refused.
    pub fn close(&self) {
        self.shared.queue.close();
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has said so already.
            drop(writer.join());
        }
    }

    /// Shows every run that is not terminal, oldest first: what a start resumes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn visit_open_runs(&self, mut visit: impl FnMut(Run)) -> Result<(), ReadError> {
        let tx = self.db().begin_read()?;
        let records = tx.open_table(schema::RUNS)?;
        let mut keys = open_keys(&tx, schema::RUNS_BY_STATE)?;
        keys.sort_unstable_by_key(|(_, key)| last_id(key));
        for (state, key) in keys {
            let record = records.get(&key[1..])?;
            let missing = || ReadError::Corrupt { table: "runs", detail: format!("an open run ({state}) is missing") };
            visit(decode("runs", record.ok_or_else(missing)?.value())?);
        }
        Ok(())
    }
}

/// Creates what is not there yet and checks that the file is one we can read.
fn prepare(db: &Database, path: &std::path::Path) -> Result<(), OpenError> {
    let disk = |error: redb::Error| OpenError::Disk { path: path.to_owned(), error: Box::new(error) };
    let make = || -> Result<Option<u32>, redb::Error> {
        let tx = db.begin_write()?;
        let mut meta = tx.open_table(schema::META)?;
        let found =
            meta.get(b"format".as_slice())?.and_then(|value| value.value().try_into().ok().map(u32::from_be_bytes));
        if found.is_some_and(|format| format > FORMAT) {
            // Its tables may be others than ours: nothing of it is touched.
            drop(meta);
            tx.abort()?;
            return Ok(found);
        }
        if found.is_none() {
            meta.insert(b"format".as_slice(), FORMAT.to_be_bytes().as_slice())?;
        }
        drop(meta);
        for table in schema::ALL {
            tx.open_table(table)?;
        }
        tx.commit()?;
        Ok(found)
    };
    match make().map_err(disk)? {
        Some(format) if format > FORMAT => Err(OpenError::TooNew { path: path.to_owned(), format }),
        _ => Ok(()),
    }
}

fn start(db: Database, first_notice: u64) -> Result<Shared, OpenError> {
    let catalogue = Arc::new(ArcSwap::from_pointee(load_catalogue(&db)?));
    let (open, tally) = (load_open(&db)?, Arc::new(Tally::of(&db)?));
    let (db, queue, changes) = (Arc::new(db), Arc::new(Queue::default()), Arc::new(Changes::new(first_notice)));
    let counters = Arc::new(Counters::default());
    let writer = Writer {
        counters: Arc::clone(&counters),
        db: Arc::clone(&db),
        queue: Arc::clone(&queue),
        catalogue: Arc::clone(&catalogue),
        changes: Arc::clone(&changes),
        tally: Arc::clone(&tally),
        batch: Batch::new(open),
    };
    let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        // A writer that panicked may have left memory and disk apart. Going on could lose what was acknowledged, so
        // the process ends and the next start reads what the disk has.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run())).is_err() {
            tracing::error!("the store's writer panicked; the process ends so that nothing wrong is acknowledged");
            std::process::abort();
        }
    })?;
    Ok(Shared { db, queue, catalogue, changes, tally, counters, writer: Mutex::new(Some(thread)) })
}

fn load_catalogue(db: &Database) -> Result<Catalogue, OpenError> {
    let mut catalogue = Catalogue::default();
    for entry in named::load(|table| records(db, table))? {
        catalogue.insert_named(&entry)?;
    }
    for module in load::<Module>(db, schema::MODULES, "modules")? {
        catalogue.apply(&Change::PutModule(Arc::new(module), Bytes::new()))?;
    }
    for action in load::<Action>(db, schema::ACTIONS, "actions")? {
        catalogue.insert_action(&Arc::new(action))?;
    }
    for event_type in load::<EventType>(db, schema::EVENT_TYPES, "event_types")? {
        catalogue.insert_event_type(&Arc::new(event_type))?;
    }
    for token in load::<Token>(db, schema::TOKENS, "tokens")? {
        catalogue.apply(&Change::PutToken(Arc::new(token)))?;
    }
    for record in load::<ObjectRecord>(db, schema::OBJECTS, "objects")? {
        catalogue.insert_object(&Arc::new(record));
    }
    let versions =
        db.begin_read().map_err(ReadError::from)?.open_table(schema::ACTION_VERSIONS).map_err(ReadError::from)?;
    for attachment in load::<Attachment>(db, schema::ATTACHMENTS, "attachments")? {
        if let Some(pin) = attachment.pin {
            let key = Key::default().and(attachment.action_id.as_bytes()).and(&pin.version.to_be_bytes()).done();
            if let Some(record) = versions.get(key.as_slice()).map_err(ReadError::from)? {
                catalogue.recall(pin, Arc::new(decode("action_versions", record.value())?));
            }
        }
        catalogue.insert_attachment(&Arc::new(attachment))?;
    }
    // Last: what is there may be more than a quota that came later.
    for tenant in load::<Tenant>(db, schema::TENANTS, "tenants")? {
        catalogue.apply(&Change::PutTenant(Arc::new(tenant)))?;
    }
    catalogue.count_all();
    Ok(catalogue)
}

fn records(db: &Database, table: schema::Table) -> Result<Vec<Vec<u8>>, ReadError> {
    let table = db.begin_read()?.open_table(table)?;
    table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
}

fn load<T: DeserializeOwned>(db: &Database, table: schema::Table, name: &'static str) -> Result<Vec<T>, ReadError> {
    let table = db.begin_read()?.open_table(table)?;
    table.iter()?.map(|entry| decode(name, entry?.1.value())).collect()
}

fn load_open(db: &Database) -> Result<Open, ReadError> {
    let tx = db.begin_read()?;
    let ids = |keys: Vec<(State, Vec<u8>)>| {
        keys.into_iter().filter_map(|(state, key)| last_id(&key).map(|id| (state, id))).collect::<Vec<_>>()
    };
    let events = ids(open_keys(&tx, schema::EVENTS_BY_STATE)?);
    let runs = ids(open_keys(&tx, schema::RUNS_BY_STATE)?);
    Ok(Open {
        events: events.into_iter().map(|(state, id)| (EventId::from_bytes(id), state)).collect(),
        runs: runs.into_iter().map(|(state, id)| (RunId::from_bytes(id), state)).collect(),
    })
}

/// The keys of an index by state whose state is not terminal.
fn open_keys(tx: &redb::ReadTransaction, index: schema::Table) -> Result<Vec<(State, Vec<u8>)>, ReadError> {
    let index = tx.open_table(index)?;
    let mut keys = Vec::new();
    for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
        let (from, to) = ([state_byte(state)], [state_byte(state) + 1]);
        for entry in index.range::<&[u8]>(from.as_slice()..to.as_slice())? {
            keys.push((state, entry?.0.value().to_vec()));
        }
    }
    Ok(keys)
}
