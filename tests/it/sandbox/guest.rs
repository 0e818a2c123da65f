//! Components in text form, made around the body of a core module.

/// Where the context record has its payload: an address and a length.
pub(crate) const CONTEXT_PAYLOAD: u32 = 88;

const TYPES: &str = r#"
  (import "fusebox:action/types@0.1.0" (instance $types
    (type $json' string)
    (export "json" (type $json (eq $json')))
    (type $time' u64)
    (export "timestamp-ms" (type $time (eq $time')))
    (type $object-ref' (record (field "object-type" string) (field "object-id" string)))
    (export "object-ref" (type $object-ref (eq $object-ref')))
    (type $budget' (record (field "fuel" u64) (field "memory-bytes" u64) (field "deadline" $time)))
    (export "budget" (type $budget (eq $budget')))
    (type $chain' (record
      (field "root" string) (field "parent" (option string)) (field "depth" u32)
      (field "parent-outcome" (option $json))))
    (export "chain" (type $chain (eq $chain')))
    (type $context' (record
      (field "run-id" string) (field "attempt" u32) (field "event-id" string) (field "trigger" string)
      (field "event-time" $time) (field "tenant" string) (field "object" (option $object-ref))
      (field "scope" (option $object-ref)) (field "payload" $json) (field "params" $json) (field "input" $json)
      (field "chain" $chain) (field "budget" $budget) (field "now" $time) (field "seed" (tuple u64 u64))))
    (export "context" (type $context (eq $context')))
    (type $outcome' (record
      (field "output" (option $json)) (field "warnings" (list string)) (field "event" (option $json))))
    (export "outcome" (type $outcome (eq $outcome')))
    (type $retry' (record (field "message" string) (field "after-ms" (option u64))))
    (export "retry" (type $retry (eq $retry')))
    (type $reject' (record (field "message" string) (field "code" u32)))
    (export "reject" (type $reject (eq $reject')))
    (type $failure' (variant (case "retry" $retry) (case "reject" $reject)))
    (export "failure" (type $failure (eq $failure')))
  ))
  (alias export $types "json" (type $json))
  (alias export $types "context" (type $context'))
  (import "context" (type $context (eq $context')))
  (alias export $types "outcome" (type $outcome'))
  (import "outcome" (type $outcome (eq $outcome')))
  (alias export $types "failure" (type $failure'))
  (import "failure" (type $failure (eq $failure')))
"#;

const RUN: &str = r#"
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "realloc" (core func $realloc))
  (alias core export $main "run" (core func $run-core))
  (func $run (param "ctx" $context) (result (result $outcome (error $failure)))
    (canon lift (core func $run-core) (memory $memory) (realloc $realloc)))
  (export "run" (func $run))
"#;

/// What every core module here has: a memory whose first page is for data, results and strings, an allocator that
/// only goes forward, and ways to make a result.
///
/// `run` gets the address of the context and gives the address of a `result<outcome, failure>`, for which 1024 is used.
pub(crate) const PRELUDE: &str = r#"
    (global $heap (mut i32) (i32.const 4096))
    (func $realloc (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
        (result i32)
      (local $at i32)
      (global.set $heap (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (local.set $at (global.get $heap))
      (global.set $heap (i32.add (global.get $heap) (local.get $size)))
      (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
          (then (unreachable)))))
      (local.get $at))
    (func $output (param $at i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 1024) (i32.const 0))
      (i32.store8 (i32.const 1032) (i32.const 1))
      (i32.store (i32.const 1036) (local.get $at))
      (i32.store (i32.const 1040) (local.get $len))
      (i32.const 1024))
    (func $nothing (result i32)
      (i32.store8 (i32.const 1024) (i32.const 0))
      (i32.store8 (i32.const 1032) (i32.const 0))
      (i32.const 1024))
    (func $warnings (param $at i32) (param $len i32) (result i32)
      (i32.store (i32.const 1044) (local.get $at))
      (i32.store (i32.const 1048) (local.get $len))
      (i32.const 1024))
"#;

/// A component that only computes. `body` has functions of the core module, of which `run` is called with the address
/// of the context.
pub(crate) fn pure(body: &str) -> String {
    with_memory("(memory (export \"memory\") 2)", body)
}

/// The same with another memory.
pub(crate) fn with_memory(memory: &str, body: &str) -> String {
    format!(
        "(component {TYPES}
          (core module $Main {memory} {PRELUDE} {body})
          (core instance $main (instantiate $Main))
          {RUN})"
    )
}

/// A component that imports functions. `imports` are component-level imports and `canon lower`s of core functions;
/// `lowered` exports them to the core module as `(export "name" (func …))`, and `declared` imports them there.
pub(crate) fn importing(imports: &str, lowered: &str, declared: &str, body: &str) -> String {
    // Lowered functions that take strings need a memory, which exists before the module that uses them. What they
    // return goes to its second page, over and over again.
    format!(
        "(component {TYPES}
          (core module $Memory (memory (export \"memory\") 2)
            (global $heap (mut i32) (i32.const 65536))
            (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
              (local $at i32)
              (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
              (if (i32.gt_u (i32.add (local.get $at) (local.get 3)) (i32.const 131072))
                (then (local.set $at (i32.const 65536))))
              (global.set $heap (i32.add (local.get $at) (local.get 3)))
              (local.get $at)))
          (core instance $mem (instantiate $Memory))
          (alias core export $mem \"memory\" (core memory $shared))
          (alias core export $mem \"realloc\" (core func $shared-realloc))
          {imports}
          (core instance $host {lowered})
          (core module $Main
            (import \"mem\" \"memory\" (memory 2))
            {declared}
            (export \"memory\" (memory 0))
            {PRELUDE} {body})
          (core instance $main (instantiate $Main (with \"mem\" (instance $mem)) (with \"host\" (instance $host))))
          {RUN})"
    )
}

/// A component that can log: `(call $log level message-at message-len fields-at fields-len)`.
pub(crate) fn logging(body: &str) -> String {
    importing(
        r#"(import "fusebox:action/log@0.1.0" (instance $log
             (type $text string)
             (export "json" (type $json' (eq $text)))
             (type $level' (enum "trace" "debug" "info" "warn" "error"))
             (export "level" (type $level (eq $level')))
             (export "write" (func (param "level" $level) (param "message" string)
               (param "fields" (list (tuple string $json')))))))
           (core func $write (canon lower (func $log "write") (memory $shared)))"#,
        r#"(export "log" (func $write))"#,
        r#"(import "host" "log" (func $log (param i32 i32 i32 i32 i32)))"#,
        body,
    )
}

/// A component that prints: `(call $print message-at message-len)` to standard output, `(call $complain …)` to error.
pub(crate) fn printing(body: &str) -> String {
    let body = format!(
        "(global $out (mut i32) (i32.const 0))
         (global $err (mut i32) (i32.const 0))
         (func $print (param i32 i32)
           (if (i32.eqz (global.get $out)) (then (global.set $out (call $get-stdout))))
           (call $print-to (global.get $out) (local.get 0) (local.get 1)))
         (func $complain (param i32 i32)
           (if (i32.eqz (global.get $err)) (then (global.set $err (call $get-stderr))))
           (call $print-to (global.get $err) (local.get 0) (local.get 1)))
         (func $print-to (param i32 i32 i32)
           (call $write (local.get 0) (local.get 1) (local.get 2) (i32.const 2048)))
         {body}"
    );
    importing(
        r#"(import "wasi:io/error@0.2.6" (instance $io-error (export "error" (type (sub resource)))))
           (alias export $io-error "error" (type $error))
           (import "wasi:io/streams@0.2.6" (instance $streams
             (alias outer 1 $error (type $error'))
             (export "error" (type $error (eq $error')))
             (export "output-stream" (type $stream (sub resource)))
             (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
             (export "stream-error" (type $stream-error (eq $stream-error')))
             (export "[method]output-stream.write" (func (param "self" (borrow $stream)) (param "contents" (list u8))
               (result (result (error $stream-error)))))))
           (alias export $streams "output-stream" (type $output-stream))
           (import "wasi:cli/stdout@0.2.6" (instance $stdout
             (alias outer 1 $output-stream (type $stream'))
             (export "output-stream" (type $stream (eq $stream')))
             (export "get-stdout" (func (result (own $stream))))))
           (import "wasi:cli/stderr@0.2.6" (instance $stderr
             (alias outer 1 $output-stream (type $stream'))
             (export "output-stream" (type $stream (eq $stream')))
             (export "get-stderr" (func (result (own $stream))))))
           (core func $get-stdout (canon lower (func $stdout "get-stdout")))
           (core func $get-stderr (canon lower (func $stderr "get-stderr")))
           (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $shared)))"#,
        r#"(export "get-stdout" (func $get-stdout)) (export "get-stderr" (func $get-stderr))
           (export "write" (func $write))"#,
        r#"(import "host" "get-stdout" (func $get-stdout (result i32)))
           (import "host" "get-stderr" (func $get-stderr (result i32)))
           (import "host" "write" (func $write (param i32 i32 i32 i32)))"#,
        &body,
    )
}

/// A component that sleeps: `(call $sleep nanoseconds)` waits in the host.
pub(crate) fn sleeping(body: &str) -> String {
    let body = format!("(func $sleep (param i64) (call $block (call $subscribe (local.get 0)))) {body}");
    importing(
        r#"(import "wasi:io/poll@0.2.6" (instance $poll
             (export "pollable" (type $pollable (sub resource)))
             (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
             (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
             (alias outer 1 $pollable (type $pollable'))
             (export "pollable" (type $pollable (eq $pollable')))
             (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
           (core func $block (canon lower (func $poll "[method]pollable.block")))
           (core func $poll (canon lower (func $poll "poll") (memory $shared) (realloc $shared-realloc)))
           (core func $subscribe (canon lower (func $clock "subscribe-duration")))"#,
        r#"(export "block" (func $block)) (export "poll" (func $poll)) (export "subscribe" (func $subscribe))"#,
        r#"(import "host" "block" (func $block (param i32)))
           (import "host" "poll" (func $poll (param i32 i32 i32)))
           (import "host" "subscribe" (func $subscribe (param i64) (result i32)))"#,
        &body,
    )
}

/// A component that draws: `(call $random len result-at)`.
pub(crate) fn drawing(body: &str) -> String {
    importing(
        r#"(import "wasi:random/random@0.2.6" (instance $random
             (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
           (core func $draw (canon lower (func $random "get-random-bytes") (memory $shared) (realloc $shared-realloc)))"#,
        r#"(export "random" (func $draw))"#,
        r#"(import "host" "random" (func $random (param i64 i32)))"#,
        body,
    )
}

/// A component that ends itself: `(call $exit failed)`.
pub(crate) fn exiting(body: &str) -> String {
    importing(
        r#"(import "wasi:cli/exit@0.2.6" (instance $exit
             (export "exit" (func (param "status" (result))))))
           (core func $leave (canon lower (func $exit "exit")))"#,
        r#"(export "exit" (func $leave))"#,
        r#"(import "host" "exit" (func $exit (param i32)))"#,
        body,
    )
}

/// A program for WASI preview 1, as a core module: `(call $print at len)` to standard output, `(call $complain at len)` to
/// error, `(call $read)` puts all of standard input at 65536 and gives its length, `(call $exit status)` ends it;
/// `$random` and `$clock` are WASI's own.
/// `body` has its functions, of which `_start` is called.
pub(crate) fn program(body: &str) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_read" (func $fd-read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (memory (export "memory") 64)
          (func $write (param $to i32) (param $at i32) (param $len i32)
            (block $done (loop $more
              (br_if $done (i32.eqz (local.get $len)))
              (i32.store (i32.const 16) (local.get $at))
              (i32.store (i32.const 20) (local.get $len))
              (if (call $fd-write (local.get $to) (i32.const 16) (i32.const 1) (i32.const 24)) (then (unreachable)))
              (local.set $at (i32.add (local.get $at) (i32.load (i32.const 24))))
              (local.set $len (i32.sub (local.get $len) (i32.load (i32.const 24))))
              (br $more))))
          (func $print (param i32 i32) (call $write (i32.const 1) (local.get 0) (local.get 1)))
          (func $complain (param i32 i32) (call $write (i32.const 2) (local.get 0) (local.get 1)))
          (func $read (result i32)
            (local $len i32)
            (loop $more
              (i32.store (i32.const 16) (i32.add (i32.const 65536) (local.get $len)))
              (i32.store (i32.const 20) (i32.const 4096))
              (if (call $fd-read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)) (then (unreachable)))
              (local.set $len (i32.add (local.get $len) (i32.load (i32.const 24))))
              (br_if $more (i32.load (i32.const 24))))
            (local.get $len))
          {body})"#
    )
}

/// A core module that exports `run` as the contract has it and imports nothing, without a type section. `body` is as
/// in [`pure`].
pub(crate) fn untyped(body: &str) -> String {
    format!(r#"(module (memory (export "memory") 2) {PRELUDE} (export "cabi_realloc" (func $realloc)) {body})"#)
}
