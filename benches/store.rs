//! Durable transitions beside the floor: one fdatasync per commit on the same disk. `cargo bench --bench store`

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use fusebox::domain::{Entropy, Event, EventId, EventTypeId, Flow, Ids, Json, Origin, State, TenantId, Timestamp};
use fusebox::store::{Change, Config, Store, Transition};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::median;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Transitions under way at once: a busy server with runs that all settle.
const UNDER_WAY: usize = 4_096;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Config { path: folder.path().join("bench.redb"), cache_bytes: 64 << 20, first_notice: 1 });
    let store = store.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ids = Arc::new(Ids::new(Arc::new(Entropy::new([1; 32]))));
    println!("{UNDER_WAY} transitions under way, {ROUNDS} rounds of {} s", ROUND.as_secs());
    let (mut per_commit, mut latency) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = store.writer_stats();
        runtime.block_on(load(&store, &ids));
        let after = store.writer_stats();
        let commits = (after.commits - before.commits) as f64;
        let batch = (after.transitions - before.transitions) as f64 / commits;
        let commit_ms = (after.commit_us - before.commit_us) as f64 / commits / 1000.0;
        // What a commit of the same bytes costs without any store.
        let bytes = batch as usize * 600;
        let floor_ms = fdatasync_ms(folder.path(), bytes);
        let alone_ms = fdatasync_ms(folder.path(), 4096);
        println!(
            "{:>8.0} transitions/s  {batch:>6.0} per commit  commit {commit_ms:.2} ms  write and fdatasync of as many bytes {floor_ms:.2} ms, of 4 KiB {alone_ms:.2} ms",
            batch * commits / ROUND.as_secs_f64(),
        );
        per_commit.push(batch);
        latency.push(commit_ms / floor_ms);
    }
    println!("transitions per commit: {:.0} (target 1000)", median(per_commit));
    println!("commit under load / write and fdatasync of as many bytes: {:.2}", median(latency));
    // One at a time: what a single caller waits for.
    let begun = Instant::now();
    const ALONE: u32 = 200;
    runtime.block_on(async {
        for _ in 0..ALONE {
            store.commit(transition(&ids)).await.unwrap();
        }
    });
    let commit_ms = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(ALONE);
    let floor_ms = fdatasync_ms(folder.path(), 4096);
    println!(
        "one transition at a time: {commit_ms:.2} ms, fdatasync of 4 KiB {floor_ms:.2} ms, ratio {:.2} (target 2)",
        commit_ms / floor_ms
    );
    store.close();
}

async fn load(store: &Store, ids: &Arc<Ids>) {
    let until = Instant::now() + ROUND;
    let tasks: Vec<_> = (0..UNDER_WAY)
        .map(|_| {
            let (store, ids) = (store.clone(), Arc::clone(ids));
            tokio::spawn(async move {
                while Instant::now() < until {
                    store.commit(transition(&ids)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn transition(ids: &Ids) -> Transition {
    let now = Timestamp::from_ms(1_800_000_000_000);
    let id = EventId::new(ids, now);
    let event = Event {
        id,
        owner_id: TenantId::shared(),
        event_type_id: EventTypeId::from_bytes([1; 16]),
        event_type: "bench".to_owned(),
        object: None,
        cloudevent: None,
        flow: Flow::default(),
        payload: Json::parse(r#"{"booking":"bk_2f6c1d7e","seats":4}"#.to_owned()).unwrap(),
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
    Transition::of([Change::Event(Arc::new(event))])
}

/// Median of writing `bytes` over old bytes of a file and syncing them.
fn fdatasync_ms(folder: &Path, bytes: usize) -> f64 {
    let mut file = File::create(folder.join("floor")).unwrap();
    let block = vec![7_u8; bytes];
    file.write_all(&block).unwrap();
    file.sync_all().unwrap();
    let times = (0..41).map(|_| {
        file.rewind().unwrap();
        let begun = Instant::now();
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        begun.elapsed().as_secs_f64() * 1000.0
    });
    median(times.collect())
}
