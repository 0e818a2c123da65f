//! Compiled components on disk: found after a restart, never trusted unless this installation made them.

use super::guest::pure;
use super::{Bench, DEFAULT, Listener, config, context, outcome};
use bytes::Bytes;
use fusebox::domain::Digest;
use fusebox::sandbox::{Invocation, PrepareError, Sandbox, StartError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn answer(number: u32) -> String {
    pure(&format!(
        r#"(data (i32.const 0) "{number}")
           (func $run (export "run") (param i32) (result i32) (call $output (i32.const 0) (i32.const 1)))"#
    ))
}

fn path(bench: &Bench, digest: &Digest, extension: &str) -> PathBuf {
    bench.folder.path().join("artifacts").join(digest.hex()).with_extension(extension)
}

/// The same folder, another process: a compiler that cannot run unless it is asked for.
fn restarted(bench: &Bench, compiles: Compiles) -> Sandbox {
    let mut config = config(bench.folder.path());
    if compiles == Compiles::No {
        config.compiler = "/nonexistent/fusebox".into();
    }
    Sandbox::start(config).unwrap()
}

#[derive(PartialEq)]
enum Compiles {
    Yes,
    No,
}

async fn ask(sandbox: &Sandbox, digest: Digest, wasm: Bytes) -> String {
    let prepared = sandbox.prepare(digest, move || Ok(wasm)).await.unwrap();
    let invocation = Invocation { context: context(DEFAULT), host: Arc::new(Listener::default()) };
    let attempted = sandbox.invoke(&prepared, invocation).await;
    outcome(&attempted).output.as_ref().unwrap().as_str().to_owned()
}

#[tokio::test]
async fn after_a_restart_a_module_is_loaded_without_compiling() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    let again = restarted(&bench, Compiles::No);
    assert!(again.find_prepared(&inspected.digest).is_none());
    let prepared = again.prepare(inspected.digest, || panic!("the artifact is there")).await.unwrap();
    assert_eq!(prepared.digest(), inspected.digest);
    assert!(again.find_prepared(&inspected.digest).is_some());
}

#[tokio::test]
async fn an_artifact_that_was_touched_is_compiled_again_and_never_loaded() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    let other = bench.sandbox.inspect(Bytes::from(answer(2))).await.unwrap();
    let (artifact, mac) = (path(&bench, &inspected.digest, "cwasm"), path(&bench, &inspected.digest, "mac"));
    let whole = std::fs::read(&artifact).unwrap();
    let whole_mac = std::fs::read(&mac).unwrap();
    let with = |artifact_bytes: &[u8], mac_bytes: &[u8]| {
        replace(&artifact, artifact_bytes);
        replace(&mac, mac_bytes);
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let foreign = std::fs::read(path(&bench, &other.digest, "cwasm")).unwrap();
    let foreign_mac = std::fs::read(path(&bench, &other.digest, "mac")).unwrap();
    for (what, artifact_bytes, mac_bytes) in [
        ("one bit is another", &flipped[..], &whole_mac[..]),
        ("torn", &whole[..whole.len() / 2], &whole_mac),
        ("empty", &[], &whole_mac),
        ("another module's", &foreign, &whole_mac),
        ("another module's with its MAC", &foreign, &foreign_mac),
        ("a short MAC", &whole, &whole_mac[..31]),
        ("no MAC", &whole, &[]),
    ] {
        with(artifact_bytes, mac_bytes);
        let refuses = restarted(&bench, Compiles::No);
        let wasm = inspected.wasm.clone();
        let failed = refuses.prepare(inspected.digest, move || Ok(wasm)).await.map(|_| ()).unwrap_err();
        assert!(matches!(failed, PrepareError::Failed(_)), "{what}: {failed}");
        let compiles = restarted(&bench, Compiles::Yes);
        assert_eq!(ask(&compiles, inspected.digest, inspected.wasm.clone()).await, "1", "{what}");
        // The new artifact is in place.
        assert_eq!(ask(&restarted(&bench, Compiles::No), inspected.digest, Bytes::new()).await, "1", "{what}");
    }
}

/// As an attacker with a text editor would: under the same name, not in place, since it may be mapped.
fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn an_artifact_of_another_installation_is_not_loaded() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    let mut config = config(bench.folder.path());
    config.artifact_key = [8; 32];
    config.compiler = "/nonexistent/fusebox".into();
    let other = Sandbox::start(config).unwrap();
    let failed = other.prepare(inspected.digest, move || Ok(inspected.wasm)).await.map(|_| ()).unwrap_err();
    assert!(matches!(failed, PrepareError::Failed(_)), "{failed}");
}

#[tokio::test]
async fn what_an_interrupted_compiling_left_is_removed_at_the_next_start() {
    let bench = Bench::new();
    let left = bench.folder.path().join("artifacts").join("abc.tmp");
    std::fs::write(&left, b"half").unwrap();
    restarted(&bench, Compiles::No);
    assert!(!left.exists());
}

#[tokio::test]
async fn a_module_whose_bytes_cannot_be_read_says_so() {
    let bench = Bench::new();
    let failed =
        bench.sandbox.prepare(Digest::of(b""), || Err("the disk is gone".into())).await.map(|_| ()).unwrap_err();
    assert!(matches!(&failed, PrepareError::Wasm(_)));
    assert_eq!(failed.to_string(), "the module could not be read: the disk is gone");
}

#[tokio::test]
async fn a_module_that_is_no_longer_accepted_says_why() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    bench.sandbox.forget(&inspected.digest).unwrap();
    let mut config = config(bench.folder.path());
    config.memory_bytes_max = 1 << 16;
    let tighter = Sandbox::start(config).unwrap();
    let failed = tighter.prepare(inspected.digest, move || Ok(inspected.wasm)).await.map(|_| ()).unwrap_err();
    assert!(matches!(failed, PrepareError::Refused(_)), "{failed}");
}

#[tokio::test]
async fn a_forgotten_module_is_gone_and_what_runs_it_goes_on() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    let prepared = bench.sandbox.find_prepared(&inspected.digest).unwrap();
    bench.sandbox.forget(&inspected.digest).unwrap();
    bench.sandbox.forget(&inspected.digest).unwrap();
    assert!(bench.sandbox.find_prepared(&inspected.digest).is_none());
    assert!(!path(&bench, &inspected.digest, "cwasm").exists());
    let invocation = Invocation { context: context(DEFAULT), host: Arc::new(Listener::default()) };
    outcome(&bench.sandbox.invoke(&prepared, invocation).await);
}

#[tokio::test]
async fn a_bounded_number_of_modules_is_kept_in_memory_the_idle_go_first() {
    let bench = Bench::with(|config| config.prepared_max = 2);
    let first = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    let second = bench.sandbox.inspect(Bytes::from(answer(2))).await.unwrap();
    let third = bench.sandbox.inspect(Bytes::from(answer(3))).await.unwrap();
    let kept = |digest: &Digest| bench.sandbox.find_prepared(digest).is_some();
    assert!(kept(&third.digest));
    let survivor = if kept(&first.digest) { &first } else { &second };
    let evicted = if kept(&first.digest) { &second } else { &first };
    assert!(!kept(&evicted.digest));
    // The survivor was just asked for; the third too: one of them goes, the newest stays.
    let fourth = bench.sandbox.inspect(Bytes::from(answer(4))).await.unwrap();
    assert!(kept(&fourth.digest));
    assert_eq!([survivor, &third].iter().filter(|module| kept(&module.digest)).count(), 1);
    // What went is loaded again from its artifact.
    bench.sandbox.prepare(evicted.digest, || panic!("the artifact is there")).await.unwrap();
}

#[tokio::test]
async fn many_that_prepare_the_same_module_load_it_once() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(answer(1))).await.unwrap();
    std::fs::remove_dir_all(bench.folder.path().join("artifacts")).unwrap();
    std::fs::create_dir(bench.folder.path().join("artifacts")).unwrap();
    let fresh = restarted(&bench, Compiles::Yes);
    let reads = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let preparing = (0..20).map(|_| {
        let (reads, wasm) = (Arc::clone(&reads), inspected.wasm.clone());
        fresh.prepare(inspected.digest, move || {
            reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(wasm)
        })
    });
    for prepared in futures_util::future::join_all(preparing).await {
        prepared.unwrap();
    }
    assert_eq!(reads.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for concurrency in [0, 2_049] {
        let mut config = config(folder.path());
        config.concurrency = concurrency;
        assert!(matches!(Sandbox::start(config), Err(StartError::Concurrency { asked, .. }) if asked == concurrency));
    }
    let mut config = config(folder.path());
    config.artifacts = folder.path().join("file");
    std::fs::write(&config.artifacts, b"").unwrap();
    assert!(matches!(Sandbox::start(config), Err(StartError::Artifacts(_))));
}
