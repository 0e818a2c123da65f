//! A chain of 16 events with an action each that does nothing, beside 16 attempts back to back. `cargo bench --bench chains`

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use fusebox::dispatch::{self, Dispatch, Fire, Permits, Producer, Secrets};
use fusebox::domain::{
    Action, ActionId, Chain, ChainLimits, Clock, Context, Entropy, Event, EventId, EventTypeId, Flow, Ids, Json,
    Keyring, Kind, LIMITS_WASM, LogLine, Module, ModuleRef, Origin, RunId, State, TenantId, Timestamp,
};
use fusebox::sandbox::{self, HostServices, Invocation, Prepared, Sandbox};
use fusebox::server::SystemClock;
use fusebox::store::{Change, Config, Store, Subject, Transition, Watched};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::catalogue::{action, event_type};
use support::{NOOP, median};

const STEPS: usize = 16;
const ROUNDS: usize = 300;

struct Silent;

impl HostServices for Silent {
    fn log(&self, _: LogLine) {}

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

struct Bench {
    store: Store,
    sandbox: Sandbox,
    dispatch: Dispatch,
    ids: Arc<Ids>,
    prepared: Prepared,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::start(folder.path()));
    let (mut attempts, mut commits, mut alone, mut chains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // In turns, so that all see the same machine.
    for round in 0..ROUNDS + ROUNDS / 10 {
        let taken = runtime.block_on(async {
            [
                bench.attempts().await,
                bench.commit().await,
                bench.chain("alone", 1).await,
                bench.chain("s0", STEPS).await,
            ]
        });
        if round >= ROUNDS / 10 {
            for (all, one) in [&mut attempts, &mut commits, &mut alone, &mut chains].into_iter().zip(taken) {
                all.push(one.as_secs_f64() * 1000.0);
            }
        }
    }
    let (attempts, commit, alone, chain) = (median(attempts), median(commits), median(alone), median(chains));
    println!("{STEPS} attempts back to back:                {attempts:.3} ms");
    println!("one commit alone:                       {commit:.3} ms");
    println!("one event from its fire to its end:     {alone:.3} ms, on the disk");
    println!("a chain of {STEPS} from its fire to its end: {chain:.3} ms, on the disk");
    println!("on top of the attempts: {:.2} commits (target 3)", (chain - attempts) / commit);
    runtime.block_on(bench.dispatch.stop());
    bench.store.close();
}

impl Bench {
    async fn start(folder: &Path) -> Bench {
        let path = folder.join("bench.redb");
        let store = Store::open(Config { path, cache_bytes: 64 << 20, first_notice: 1 }).unwrap();
        let compiler = env!("CARGO_BIN_EXE_fusebox").into();
        let sandbox = Sandbox::start(sandbox::Config::new(folder.join("artifacts"), [1; 32], compiler)).unwrap();
        let digest = sandbox.inspect(NOOP.into()).await.unwrap().digest;
        let prepared = sandbox.find_prepared(&digest).unwrap();
        let entropy = Arc::new(Entropy::new([3; 32]));
        let ids = Arc::new(Ids::new(Arc::clone(&entropy)));
        let config = dispatch::Config {
            permits: Permits { total: 128, per_tenant: 32 },
            queue_per_tenant: 1_000_000,
            chain: ChainLimits::default(),
            hosts_of_wasm: Vec::new(),
            keep: dispatch::Keep::days(30, 365),
            grace: Duration::from_secs(5),
        };
        let secrets = Secrets::new(Keyring::new([4; 32]), Box::new(|_| Ok(())), Arc::clone(&entropy));
        let randomness = (Arc::clone(&ids), entropy, secrets);
        let started = Dispatch::start(config, store.clone(), sandbox.clone(), Arc::new(SystemClock), randomness).await;
        let bench = Bench { store, sandbox, dispatch: started.unwrap(), ids, prepared };
        bench.fill(digest).await;
        bench
    }

    /// `s0` to `s15`, each of which fires the next, and `alone`.
    async fn fill(&self, digest: fusebox::domain::Digest) {
        let now = SystemClock.now();
        let module = Module {
            digest,
            owner_id: TenantId::shared(),
            kind: Kind::Action,
            size_bytes: NOOP.len() as u64,
            imports: Vec::new(),
            wrapped: None,
            names: Vec::new(),
            created_at: now,
            created_by: "bench".to_owned(),
        };
        let module = Change::PutModule(Arc::new(module), NOOP.into());
        self.store.commit(Transition::of([module])).await.unwrap();
        let names: Vec<String> = (0..STEPS).map(|number| format!("s{number}")).chain(["alone".to_owned()]).collect();
        // What follows must be there before what it follows.
        for (place, name) in names.iter().enumerate().rev() {
            let next = names.get(place + 1).filter(|next| *next != "alone").map(|next| next.parse().unwrap());
            let id = ActionId::new(&self.ids, now);
            let action = action(id, name, Some(ModuleRef::Digest(digest)), now);
            let action = Action { on_success: next, ..action };
            let event_type = event_type(EventTypeId::new(&self.ids, now), name, id, now);
            let changes = [Change::PutAction(Arc::new(action)), Change::PutEventType(Arc::new(event_type))];
            self.store.commit(Transition::of(changes)).await.unwrap();
        }
    }

    async fn attempts(&self) -> Duration {
        let host = Arc::new(Silent);
        let begun = Instant::now();
        for _ in 0..STEPS {
            let invocation = Invocation { context: self.context(), host: Arc::<Silent>::clone(&host) };
            std::hint::black_box(self.sandbox.invoke(&self.prepared, invocation).await);
        }
        begun.elapsed()
    }

    /// Of one event that has ended.
    async fn commit(&self) -> Duration {
        let now = SystemClock.now();
        let id = EventId::new(&self.ids, now);
        let event = Event {
            id,
            owner_id: TenantId::shared(),
            event_type_id: EventTypeId::from_bytes([1; 16]),
            event_type: "bench".to_owned(),
            object: None,
            cloudevent: None,
            flow: Flow::default(),
            payload: payload(),
            run_at: None,
            origin: Origin::Api,
            cause: None,
            state: State::Success,
            reason: None,
            message: String::new(),
            parent_id: None,
            root_id: id,
            depth: 0,
            lineage: None,
            created_by: "bench".to_owned(),
            source_id: None,
            created_at: now,
            started_at: Some(now),
            ended_at: Some(now),
            runs: Vec::new(),
        };
        let begun = Instant::now();
        self.store.commit(Transition::of([Change::Event(Arc::new(event))])).await.unwrap();
        begun.elapsed()
    }

    /// From the fire until `steps` events have ended and are on the disk.
    async fn chain(&self, event_type: &str, steps: usize) -> Duration {
        let changes = self.store.changes();
        let mut from = changes.next();
        let fire = Fire {
            event_type: event_type.parse().unwrap(),
            object: None,
            flow: Flow::default(),
            payload: payload(),
            sameness: None,
            once: None,
            cloudevent: None,
            run_at: None,
            tenant: TenantId::shared(),
            origin: Origin::Api,
            cause: None,
            by: Producer::Exempt,
            created_by: "bench".to_owned(),
        };
        let begun = Instant::now();
        let fired = self.dispatch.fire(fire);
        let ended = async {
            let mut ended = 0;
            while ended < steps {
                let Watched::Notices { notices, next } = changes.since(from, 1_000).await else { panic!("missed") };
                let is_end = |subject: &Subject| matches!(subject, Subject::Event(_, State::Success));
                ended += notices.iter().filter(|notice| is_end(&notice.subject)).count();
                from = next;
            }
            begun.elapsed()
        };
        let (fired, taken) = tokio::join!(fired, ended);
        fired.unwrap();
        taken
    }

    fn context(&self) -> Context {
        let now = SystemClock.now();
        let event_id = EventId::new(&self.ids, now);
        Context {
            run_id: RunId::new(&self.ids, now),
            attempt: 1,
            event_id,
            trigger: "s0".to_owned(),
            event_time: now,
            tenant: TenantId::shared(),
            object: None,
            scope: None,
            payload: payload(),
            params: Json::empty_object(),
            input: Json::empty_object(),
            chain: Chain { root: event_id, parent: None, depth: 0, parent_outcome: None },
            limits: LIMITS_WASM,
            now,
            seed: (1, 2),
        }
    }
}

fn payload() -> Json {
    Json::parse(r#"{"booking":"bk_2f6c1d7e","seats":4}"#.to_owned()).unwrap()
}
