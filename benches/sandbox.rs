//! What an attempt costs beside bare wasmtime, and what the engine's settings do.
//!
//! `cargo bench --bench sandbox` measures the sandbox as it is; `cargo bench --bench sandbox -- settings` prints the
//! table of `docs/sandbox-settings.md`.

#[path = "support/stub.rs"]
mod stub;

use criterion::Criterion;
use fusebox::domain::{
    AllowedHost, Chain, Context, Ending, Entropy, EventId, Ids, Json, LIMITS_WASM, LogLine, Reach, RunId, TenantId,
    Timestamp,
};
use fusebox::sandbox::{Config, HostServices, Invocation, Prepared, Sandbox};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stub::stub;
use wasmtime::component::{Component, Linker};
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

mod contract {
    wasmtime::component::bindgen!({
        path: "guest-sdk/wit",
        world: "fusebox:action/action",
        ownership: Borrowing { duplicate_if_necessary: true },
        exports: { default: async },
    });
}

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// As in the sandbox.
const SLICE_FUEL: u64 = 500_000;
const GUESTS: [&str; 2] = ["noop", "large"];

fn main() {
    if std::env::args().any(|argument| argument == "settings") {
        return settings();
    }
    let mut criterion = Criterion::default().configure_from_args();
    attempts(&mut criterion);
    first_load(&mut criterion);
    http_call(&mut criterion);
    criterion.final_summary();
}

fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/components").join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; see `cargo xtask guests`", path.display()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn config(folder: &Path) -> Config {
    Config::new(folder.join("artifacts"), [1; 32], PathBuf::from(env!("CARGO_BIN_EXE_fusebox")))
}

/// Median and 99th percentile of `times` runs, after as many to warm up as a tenth.
fn measure(times: usize, mut run: impl FnMut()) -> (Duration, Duration) {
    (0..times / 10).for_each(|_| run());
    let mut durations: Vec<Duration> = (0..times)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    durations.sort_unstable();
    (durations[times / 2], durations[times * 99 / 100])
}

// --- the sandbox ---

struct Silent;

impl HostServices for Silent {
    fn log(&self, _: LogLine) {}

    fn now(&self) -> Timestamp {
        NOW
    }

    fn reach(&self) -> Reach {
        let anywhere: Vec<AllowedHost> = vec!["private http://*:*".parse().expect("a rule")];
        Reach { of_action: anywhere.clone(), of_sink_type: anywhere, ..Reach::default() }
    }
}

fn context() -> Context {
    let ids = Ids::new(Arc::new(Entropy::new([3; 32])));
    let event_id = EventId::new(&ids, NOW);
    Context {
        run_id: RunId::new(&ids, NOW),
        attempt: 1,
        event_id,
        trigger: "booking_created".to_owned(),
        event_time: NOW,
        tenant: TenantId::shared(),
        object: None,
        scope: None,
        payload: Json::parse(r#"{"door":"north","from":"2024-01-01T10:00:00Z"}"#.to_owned()).expect("JSON"),
        params: Json::empty_object(),
        input: Json::empty_object(),
        chain: Chain { root: event_id, parent: None, depth: 0, parent_outcome: None },
        limits: LIMITS_WASM,
        now: NOW,
        seed: (1, 2),
    }
}

async fn attempt(sandbox: &Sandbox, prepared: &Prepared, host: &Arc<Silent>, context: &Context) {
    let invocation = Invocation { context: context.clone(), host: host.clone() };
    let attempted = sandbox.invoke(prepared, invocation).await;
    assert!(matches!(attempted.ending, Ending::Outcome(_)), "{:?}", attempted.ending);
    black_box(attempted);
}

/// An attempt beside the floor, taken in turns so that both see the same machine.
fn attempts(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(config(folder.path())).expect("a sandbox");
    let (host, context) = (Arc::new(Silent), context());
    for name in GUESTS {
        let digest = runtime.block_on(sandbox.inspect(wasm(name).into())).expect("an action").digest;
        let prepared = sandbox.find_prepared(&digest).expect("just prepared");
        let bare = Bare::new(&Settings::default(), &wasm(name));
        let (mut ours, mut floor, mut floor_sync) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..20 {
            ours.push(measure(500, || runtime.block_on(attempt(&sandbox, &prepared, &host, &context))).0);
            floor.push(measure(500, || runtime.block_on(bare.attempt())).0);
            floor_sync.push(measure(500, || bare.instantiate_only()).0);
        }
        let median = |durations: &mut Vec<Duration>| {
            durations.sort_unstable();
            durations[durations.len() / 2].as_secs_f64() * 1e6
        };
        let (ours, floor, instantiate) = (median(&mut ours), median(&mut floor), median(&mut floor_sync));
        println!(
            "{name}: attempt {ours:.2} µs, bare wasmtime {floor:.2} µs (of it instantiating {instantiate:.2}), \
             ratio {:.2}",
            ours / floor
        );
        let mut group = criterion.benchmark_group(name);
        group.bench_function("attempt", |bencher| {
            bencher.iter(|| runtime.block_on(attempt(&sandbox, &prepared, &host, &context)));
        });
        group.bench_function("bare", |bencher| bencher.iter(|| runtime.block_on(bare.attempt())));
        group.finish();
    }
}

/// What a request by HTTP costs beside the same request without a sandbox: a connection, a few bytes each way. An attempt of
/// the guest without one is taken off.
fn http_call(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(config(folder.path())).expect("a sandbox");
    let digest = runtime.block_on(sandbox.inspect(wasm("reach").into())).expect("an action").digest;
    let prepared = sandbox.find_prepared(&digest).expect("just prepared");
    let address = stub();
    let host = Arc::new(Silent);
    let asking = |via: &str, requests: usize| {
        let request = format!(r#"{{"url":"http://{address}/"}}"#);
        let requests = vec![request; requests].join(",");
        let payload = Json::parse(format!(r#"{{"via":"{via}","requests":[{requests}]}}"#)).expect("JSON");
        Context { payload, ..context() }
    };
    let bare = || {
        let mut connection = TcpStream::connect(address).expect("the stub");
        connection.write_all(b"GET / HTTP/1.1\r\nhost: stub\r\n\r\n").expect("the stub");
        connection.read_to_end(&mut Vec::new()).expect("an answer");
    };
    let us = |duration: Duration| duration.as_secs_f64() * 1e6;
    let floor = us(measure(1_000, bare).0);
    let mut group = criterion.benchmark_group("http");
    for via in ["fusebox", "wasi"] {
        let (none, one) = (asking(via, 0), asking(via, 1));
        let of =
            |context: &Context| us(measure(1_000, || runtime.block_on(attempt(&sandbox, &prepared, &host, context))).0);
        let call = of(&one) - of(&none);
        println!("a call by {via}: {call:.1} µs, without a sandbox {floor:.1} µs, ratio {:.2}", call / floor);
        group.bench_function(via, |bencher| {
            bencher.iter(|| runtime.block_on(attempt(&sandbox, &prepared, &host, &one)));
        });
    }
    group.bench_function("bare", |bencher| bencher.iter(bare));
    group.finish();
}

/// The first use of a module after a restart beside reading its artifact.
fn first_load(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = config(folder.path());
    settings.concurrency = 8;
    let sandbox = Sandbox::start(settings.clone()).expect("a sandbox");
    for name in GUESTS {
        let digest = runtime.block_on(sandbox.inspect(wasm(name).into())).expect("an action").digest;
        let artifact = folder.path().join("artifacts").join(digest.hex()).with_extension("cwasm");
        settings.compiler = "/nonexistent".into();
        let (load, _) = {
            let mut durations: Vec<Duration> = (0..30)
                .map(|_| {
                    let restarted = Sandbox::start(settings.clone()).expect("a sandbox");
                    let started = Instant::now();
                    let prepare = restarted.prepare(digest, || Err("it is there".into()));
                    runtime.block_on(prepare).expect("its artifact");
                    started.elapsed()
                })
                .collect();
            durations.sort_unstable();
            (durations[15], durations[29])
        };
        let (read, _) = measure(100, || drop(black_box(std::fs::read(&artifact).expect("the artifact"))));
        let size = std::fs::metadata(&artifact).expect("the artifact").len();
        println!("{name}: first load {load:?} of an artifact of {size} bytes, reading it {read:?}");
        criterion.bench_function(&format!("{name}/read-artifact"), |bencher| {
            bencher.iter(|| black_box(std::fs::read(&artifact).expect("the artifact")));
        });
    }
}

// --- bare wasmtime ---

#[derive(Clone, Copy)]
struct Settings {
    pool: bool,
    cow: bool,
    keep_resident: usize,
    pagemap_scan: bool,
    fuel: bool,
    epochs: bool,
    nan: bool,
}

/// Those of the sandbox without what it adds to bare wasmtime: fuel.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            pool: true,
            cow: true,
            keep_resident: 1 << 20,
            pagemap_scan: true,
            fuel: false,
            epochs: false,
            nan: true,
        }
    }
}

impl Settings {
    fn engine(&self) -> Engine {
        let mut config = wasmtime::Config::new();
        config
            .concurrency_support(false)
            .memory_init_cow(self.cow)
            .consume_fuel(self.fuel)
            .epoch_interruption(self.epochs)
            .cranelift_nan_canonicalization(self.nan)
            .generate_address_map(false);
        if self.pool {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(256)
                .total_stacks(256)
                .total_core_instances(1_024)
                .total_memories(256)
                .total_tables(512)
                .table_elements(65_536)
                .linear_memory_keep_resident(self.keep_resident)
                .table_keep_resident(self.keep_resident)
                .pagemap_scan(if self.pagemap_scan { Enabled::Auto } else { Enabled::No });
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Engine::new(&config).expect("an engine")
    }
}

struct Bare {
    settings: Settings,
    engine: Engine,
    action: contract::ActionPre<()>,
}

impl Bare {
    fn new(settings: &Settings, wasm: &[u8]) -> Bare {
        let engine = settings.engine();
        let component = Component::new(&engine, wasm).expect("a component");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).expect("imports");
        let linked = linker.instantiate_pre(&component).expect("linked");
        Bare { settings: *settings, engine, action: contract::ActionPre::new(linked).expect("an action") }
    }

    fn store(&self) -> Store<()> {
        let mut store = Store::new(&self.engine, ());
        if self.settings.fuel {
            store.set_fuel(1_000_000_000).expect("fuel");
            store.fuel_async_yield_interval(Some(SLICE_FUEL)).expect("fuel");
        }
        if self.settings.epochs {
            store.set_epoch_deadline(1);
            store.epoch_deadline_async_yield_and_update(1);
        }
        store
    }

    fn instantiate_only(&self) {
        let mut store = Store::new(&self.engine, ());
        black_box(self.action.instantiate(&mut store).expect("an instance"));
    }

    async fn attempt(&self) {
        let mut store = self.store();
        let instance = self.action.instantiate_async(&mut store).await.expect("an instance");
        let id = "018bcfe5-6800-7000-8000-000000000000";
        let context = contract::Context {
            run_id: id,
            attempt: 1,
            event_id: id,
            trigger: "booking_created",
            event_time: 1_700_000_000_000,
            tenant: "",
            object: None,
            scope: None,
            payload: r#"{"door":"north","from":"2024-01-01T10:00:00Z"}"#,
            params: "{}",
            input: "{}",
            chain: contract::fusebox::action::types::Chain { root: id, parent: None, depth: 0, parent_outcome: None },
            budget: contract::fusebox::action::types::Budget { fuel: 1, memory_bytes: 1, deadline: 1 },
            now: 1_700_000_000_000,
            seed: (1, 2),
        };
        let returned = instance.call_run(&mut store, context).await.expect("a result");
        black_box(returned).expect("an outcome");
    }
}

// --- the table ---

fn settings() {
    let usual = Settings::default();
    let rows = [
        ("pool, CoW, keep 1 MiB, pagemap scan", usual),
        ("… keep 64 KiB", Settings { keep_resident: 64 << 10, ..usual }),
        ("… keep 0", Settings { keep_resident: 0, ..usual }),
        ("… keep 1 MiB without pagemap scan", Settings { pagemap_scan: false, ..usual }),
        ("… keep 64 KiB without pagemap scan", Settings { keep_resident: 64 << 10, pagemap_scan: false, ..usual }),
        ("… without CoW", Settings { cow: false, ..usual }),
        ("no pool", Settings { pool: false, ..usual }),
        ("pool …, fuel", Settings { fuel: true, ..usual }),
        ("pool …, epochs", Settings { epochs: true, ..usual }),
        ("pool …, fuel and epochs", Settings { fuel: true, epochs: true, ..usual }),
        ("pool …, fuel, NaNs as they come", Settings { fuel: true, nan: false, ..usual }),
    ];
    let runtime = runtime();
    println!("| settings | {} | integers | floats |", GUESTS.map(|name| format!("{name}, µs")).join(" | "));
    println!("| --- | --- | --- | --- | --- |");
    for (name, settings) in rows {
        let attempts = GUESTS.map(|guest| {
            let bare = Bare::new(&settings, &wasm(guest));
            let (median, slow) = measure(5_000, || runtime.block_on(bare.attempt()));
            format!("{:.1} (p99 {:.1})", median.as_secs_f64() * 1e6, slow.as_secs_f64() * 1e6)
        });
        let computing = [INTEGERS, FLOATS]
            .map(|text| format!("{:.1} ms", computing(&settings, text, &runtime).as_secs_f64() * 1e3));
        println!("| {name} | {} | {} |", attempts.join(" | "), computing.join(" | "));
    }
    slices(&runtime);
    let (wasi, _) = measure(10_000, || {
        black_box((wasmtime_wasi::WasiCtx::builder().build(), wasmtime::component::ResourceTable::new()));
    });
    println!("a WASI context: {wasi:?}");
}

/// A hash over a page of memory, ten million steps.
const INTEGERS: &str = r#"(module (memory 1)
    (func (export "run") (result i64) (local $i i32) (local $h i64)
      (loop $again
        (local.set $h (i64.mul (i64.xor (local.get $h)
          (i64.load8_u (i32.and (local.get $i) (i32.const 65535)))) (i64.const 1099511628211)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 10000000))))
      (local.get $h)))"#;

/// A sum of products, ten million steps.
const FLOATS: &str = r#"(module (memory 1)
    (func (export "run") (result i64) (local $i i32) (local $x f64)
      (local.set $x (f64.const 0.5))
      (loop $again
        (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.999)) (f64.load
          (i32.and (local.get $i) (i32.const 65528)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 10000000))))
      (i64.reinterpret_f64 (local.get $x))))"#;

fn computing(settings: &Settings, text: &str, runtime: &tokio::runtime::Runtime) -> Duration {
    let engine = settings.engine();
    let module = wasmtime::Module::new(&engine, wat::parse_str(text).expect("a text")).expect("a module");
    let mut store = Store::new(&engine, ());
    if settings.epochs {
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
    }
    if settings.fuel {
        store.fuel_async_yield_interval(Some(SLICE_FUEL)).expect("fuel");
    }
    runtime.block_on(async {
        let instance = wasmtime::Instance::new_async(&mut store, &module, &[]).await.expect("an instance");
        let run = instance.get_typed_func::<(), i64>(&mut store, "run").expect("a function");
        let mut durations = Vec::new();
        for _ in 0..15 {
            if settings.fuel {
                store.set_fuel(u64::MAX / 2).expect("fuel");
            }
            let started = Instant::now();
            black_box(run.call_async(&mut store, ()).await.expect("a result"));
            durations.push(started.elapsed());
        }
        // The least is what it takes; more is what the machine did besides.
        durations.into_iter().min().unwrap_or_default()
    })
}

/// How long a guest computes between two yields.
fn slices(runtime: &tokio::runtime::Runtime) {
    let settings = Settings { fuel: true, ..Settings::default() };
    let engine = settings.engine();
    for (name, text) in [("integers", INTEGERS), ("floats", FLOATS)] {
        let module = wasmtime::Module::new(&engine, wat::parse_str(text).expect("a text")).expect("a module");
        let mut polls = runtime.block_on(async {
            let mut store = Store::new(&engine, ());
            store.set_fuel(u64::MAX / 2).expect("fuel");
            store.fuel_async_yield_interval(Some(SLICE_FUEL)).expect("fuel");
            let instance = wasmtime::Instance::new_async(&mut store, &module, &[]).await.expect("an instance");
            let run = instance.get_typed_func::<(), i64>(&mut store, "run").expect("a function");
            let mut call = std::pin::pin!(run.call_async(&mut store, ()));
            let mut polls = Vec::new();
            std::future::poll_fn(|task| {
                let started = Instant::now();
                let polled = call.as_mut().poll(task);
                polls.push(started.elapsed());
                polled
            })
            .await
            .expect("a result");
            polls
        });
        polls.sort_unstable();
        println!("{name}: {} slices of 500,000 fuel, median {:?}", polls.len(), polls[polls.len() / 2]);
    }
}
