;; WASI preview 1 for modules whose memory is all theirs. See preview1.rs for why this is not the stock adapter.
;;
;; It keeps nothing in memory. Where an interface of WASI 0.2 answers through memory, the first 16 bytes are borrowed for the
;; length of that call and put back.
;;
;; There are no files, sockets, arguments and variables: descriptors 0 to 2 are the standard streams, and there are no others.
;; Numbers of errors: 8 badf, 21 fault, 28 inval, 29 io, 52 nosys, 70 spipe.
(module
  (import "env" "memory" (memory 0))
  (import "__main_module__" "_start" (func $start))
  (import "wasi:cli/stdin@0.2.12" "get-stdin" (func $get-stdin (result i32)))
  (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi:cli/stderr@0.2.12" "get-stderr" (func $get-stderr (result i32)))
  (import "wasi:cli/exit@0.2.12" "exit-with-code" (func $exit (param i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/error@0.2.12" "[resource-drop]error" (func $drop-error (param i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop-pollable (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $monotonic-now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.12" "resolution" (func $monotonic-resolution (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.12" "now" (func $wall-now (param i32)))
  (import "wasi:clocks/wall-clock@0.2.12" "resolution" (func $wall-resolution (param i32)))
  (import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
  ;; Whether the module is in its `cabi_realloc`, which may call nothing outside
  (import "__main_module__" "in_realloc" (global $in-realloc (mut i32)))

  ;; The standard streams, once they were asked for; 0 is no handle.
  (global $stdin (mut i32) (i32.const 0))
  (global $stdout (mut i32) (i32.const 0))
  (global $stderr (mut i32) (i32.const 0))
  ;; The last times that were read, for when they cannot be.
  (global $last-wall (mut i64) (i64.const 0))
  (global $last-monotonic (mut i64) (i64.const 0))
  ;; Where the next list goes that comes back from a call.
  (global $target (mut i32) (i32.const 0))

  ;; The only lists that come back are those of `blocking-read`, no longer than what was asked for.
  (func (export "cabi_import_realloc") (param i32 i32 i32 i32) (result i32) (global.get $target))

  (func (export "wasi:cli/run@0.2.12#run") (result i32) (call $start) (i32.const 0))

  (func (export "proc_exit") (param $status i32)
    (call $exit (i32.and (local.get $status) (i32.const 255)))
    (unreachable))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; What there is none of
  (func (export "args_get") (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "args_sizes_get") (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))

  ;; Time, in nanoseconds
  (func $wall (param $resolution i32) (result i64)
    (local $low i64) (local $high i64) (local $ns i64)
    (local.set $low (i64.load (i32.const 0)))
    (local.set $high (i64.load (i32.const 8)))
    (if (local.get $resolution)
      (then (call $wall-resolution (i32.const 0)))
      (else (call $wall-now (i32.const 0))))
    (local.set $ns (i64.add
      (i64.mul (i64.load (i32.const 0)) (i64.const 1000000000))
      (i64.load32_u (i32.const 8))))
    (i64.store (i32.const 0) (local.get $low))
    (i64.store (i32.const 8) (local.get $high))
    (local.get $ns))
  ;; Clocks are 0, of the day, and 1, which only goes forward. Both stand still where they cannot be read.
  (func $now (param $clock i32) (result i64)
    (if (i32.eqz (global.get $in-realloc))
      (then
        (if (local.get $clock)
          (then (global.set $last-monotonic (call $monotonic-now)))
          (else (global.set $last-wall (call $wall (i32.const 0)))))))
    (select (global.get $last-monotonic) (global.get $last-wall) (local.get $clock)))
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 1)) (then (return (i32.const 28))))
    (i64.store (local.get $to) (call $now (local.get $clock)))
    (i32.const 0))
  (func (export "clock_res_get") (param $clock i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 1)) (then (return (i32.const 28))))
    (i64.store (local.get $to)
      (if (result i64) (local.get $clock)
        (then (call $monotonic-resolution))
        (else (call $wall (i32.const 1)))))
    (i32.const 0))

  (func (export "random_get") (param $to i32) (param $len i32) (result i32)
    (local $drawn i64)
    (block $words-done
      (loop $words
        (br_if $words-done (i32.lt_u (local.get $len) (i32.const 8)))
        (i64.store (local.get $to) (call $random))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $len (i32.sub (local.get $len) (i32.const 8)))
        (br $words)))
    (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
    (local.set $drawn (call $random))
    (loop $bytes
      (i64.store8 (local.get $to) (local.get $drawn))
      (local.set $drawn (i64.shr_u (local.get $drawn) (i64.const 8)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br_if $bytes (local.tee $len (i32.sub (local.get $len) (i32.const 1)))))
    (i32.const 0))

  ;; The handle of standard output or standard error; 0 of any other descriptor
  (func $output (param $fd i32) (result i32)
    (if (i32.eq (local.get $fd) (i32.const 1))
      (then
        (if (i32.eqz (global.get $stdout)) (then (global.set $stdout (call $get-stdout))))
        (return (global.get $stdout))))
    (if (i32.eq (local.get $fd) (i32.const 2))
      (then
        (if (i32.eqz (global.get $stderr)) (then (global.set $stderr (call $get-stderr))))
        (return (global.get $stderr))))
    (i32.const 0))

  ;; Writes at most the 4096 bytes that one call takes; an error, or 0
  (func $write-some (param $stream i32) (param $from i32) (param $len i32) (result i32)
    (local $low i64) (local $high i64) (local $failed i32) (local $closed i32) (local $error i32)
    (local.set $low (i64.load (i32.const 0)))
    (local.set $high (i64.load (i32.const 8)))
    (call $write (local.get $stream) (local.get $from) (local.get $len) (i32.const 0))
    (local.set $failed (i32.load8_u (i32.const 0)))
    (local.set $closed (i32.load8_u (i32.const 4)))
    (local.set $error (i32.load (i32.const 8)))
    (i64.store (i32.const 0) (local.get $low))
    (i64.store (i32.const 8) (local.get $high))
    (if (i32.eqz (local.get $failed)) (then (return (i32.const 0))))
    (if (i32.eqz (local.get $closed)) (then (call $drop-error (local.get $error))))
    (i32.const 29))

  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32) (param $told i32) (result i32)
    (local $stream i32) (local $from i32) (local $len i32) (local $piece i32) (local $written i32) (local $error i32)
    (if (i32.eqz (local.tee $stream (call $output (local.get $fd)))) (then (return (i32.const 8))))
    (block $done
      (loop $part
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $from (i32.load (local.get $parts)))
        (local.set $len (i32.load offset=4 (local.get $parts)))
        (block $part-done
          (loop $more
            (br_if $part-done (i32.eqz (local.get $len)))
            (local.set $piece (select
              (local.get $len) (i32.const 4096) (i32.lt_u (local.get $len) (i32.const 4096))))
            (local.set $error (call $write-some (local.get $stream) (local.get $from) (local.get $piece)))
            (if (local.get $error) (then (return (local.get $error))))
            (local.set $from (i32.add (local.get $from) (local.get $piece)))
            (local.set $len (i32.sub (local.get $len) (local.get $piece)))
            (local.set $written (i32.add (local.get $written) (local.get $piece)))
            (br $more)))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $part)))
    (i32.store (local.get $told) (local.get $written))
    (i32.const 0))

  (func (export "fd_read") (param $fd i32) (param $parts i32) (param $count i32) (param $told i32) (result i32)
    (local $to i32) (local $len i32) (local $low i64) (local $high i64)
    (local $failed i32) (local $closed i32) (local $error i32) (local $got i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (if (i32.eqz (global.get $stdin)) (then (global.set $stdin (call $get-stdin))))
    ;; The first part that is not empty: the rest is for the next call.
    (block $found
      (loop $part
        (br_if $found (i32.eqz (local.get $count)))
        (local.set $to (i32.load (local.get $parts)))
        (br_if $found (local.tee $len (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $part)))
    (i32.store (local.get $told) (i32.const 0))
    (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
    ;; What is borrowed is put back, so nothing can be read to there.
    (if (i32.lt_u (local.get $to) (i32.const 16)) (then (return (i32.const 21))))
    (local.set $low (i64.load (i32.const 0)))
    (local.set $high (i64.load (i32.const 8)))
    (loop $again
      (global.set $target (local.get $to))
      (call $read (global.get $stdin) (i64.extend_i32_u (local.get $len)) (i32.const 0))
      (local.set $failed (i32.load8_u (i32.const 0)))
      (local.set $closed (i32.load8_u (i32.const 4)))
      (local.set $error (i32.load (i32.const 8)))
      ;; In a success the same place has the length. Nothing read is the end to whoever called, and here it is not.
      (local.set $got (local.get $error))
      (br_if $again (i32.eqz (i32.or (local.get $failed) (local.get $got)))))
    (i64.store (i32.const 0) (local.get $low))
    (i64.store (i32.const 8) (local.get $high))
    (if (i32.eqz (local.get $failed))
      (then
        (i32.store (local.get $told) (local.get $got))
        (return (i32.const 0))))
    (if (local.get $closed) (then (return (i32.const 0))))
    (call $drop-error (local.get $error))
    (i32.const 29))

  (func $unless-standard (param $fd i32) (param $error i32) (result i32)
    (select (local.get $error) (i32.const 8) (i32.lt_u (local.get $fd) (i32.const 3))))
  (func (export "fd_close") (param $fd i32) (result i32)
    (call $unless-standard (local.get $fd) (i32.const 0)))
  (func (export "fd_seek") (param $fd i32) (param i64 i32 i32) (result i32)
    (call $unless-standard (local.get $fd) (i32.const 70)))
  (func (export "fd_tell") (param $fd i32) (param i32) (result i32)
    (call $unless-standard (local.get $fd) (i32.const 70)))
  ;; Of no known type, without flags, to be read (bit 1) or written (bit 6)
  (func (export "fd_fdstat_get") (param $fd i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $to) (i64.const 0))
    (i64.store offset=8 (local.get $to) (select (i64.const 64) (i64.const 2) (local.get $fd)))
    (i64.store offset=16 (local.get $to) (i64.const 0))
    (i32.const 0))
  (func (export "fd_filestat_get") (param $fd i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (memory.fill (local.get $to) (i32.const 0) (i32.const 64))
    (i32.const 0))

  ;; An event about a subscription
  (func $tell (param $subscription i32) (param $error i32) (param $event i32)
    (local $kind i32)
    (local.set $kind (i32.load8_u offset=8 (local.get $subscription)))
    (i64.store (local.get $event) (i64.load (local.get $subscription)))
    (i64.store offset=8 (local.get $event) (i64.or
      (i64.extend_i32_u (local.get $error))
      (i64.extend_i32_u (i32.shl (local.get $kind) (i32.const 16)))))
    ;; Of a stream: how many bytes there are, at least.
    (i64.store offset=16 (local.get $event) (i64.extend_i32_u (i32.ne (local.get $kind) (i32.const 0))))
    (i64.store offset=24 (local.get $event) (i64.const 0)))

  ;; How long until a clock's time, of which bit 0 says that it is none from now on
  (func $left (param $subscription i32) (result i64)
    (local $time i64) (local $now i64)
    (local.set $time (i64.load offset=24 (local.get $subscription)))
    (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $subscription)) (i32.const 1)))
      (then (return (local.get $time))))
    (local.set $now (call $now (i32.load offset=16 (local.get $subscription))))
    (select
      (i64.sub (local.get $time) (local.get $now)) (i64.const 0)
      (i64.gt_u (local.get $time) (local.get $now))))

  ;; Streams are ready at any time. If there are none, it is the clock that is through first.
  (func (export "poll_oneoff") (param $from i32) (param $to i32) (param $count i32) (param $told i32) (result i32)
    (local $events i32) (local $left i64) (local $least i64) (local $first i32) (local $pollable i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (local.set $least (i64.const -1))
    (loop $next
      (if (i32.load8_u offset=8 (local.get $from))
        (then
          (call $tell
            (local.get $from)
            (call $unless-standard (i32.load offset=16 (local.get $from)) (i32.const 0))
            (i32.add (local.get $to) (i32.shl (local.get $events) (i32.const 5))))
          (local.set $events (i32.add (local.get $events) (i32.const 1))))
        (else
          (if (i32.gt_u (i32.load offset=16 (local.get $from)) (i32.const 1)) (then (return (i32.const 28))))
          (local.set $left (call $left (local.get $from)))
          (if (i64.le_u (local.get $left) (local.get $least))
            (then
              (local.set $least (local.get $left))
              (local.set $first (local.get $from))))))
      (local.set $from (i32.add (local.get $from) (i32.const 48)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (if (i32.eqz (local.get $events))
      (then
        (if (i32.eqz (i32.or (global.get $in-realloc) (i64.eqz (local.get $least))))
          (then
            (local.set $pollable (call $subscribe (local.get $least)))
            (call $block (local.get $pollable))
            (call $drop-pollable (local.get $pollable))))
        (call $tell (local.get $first) (i32.const 0) (local.get $to))
        (local.set $events (i32.const 1))))
    (i32.store (local.get $told) (local.get $events))
    (i32.const 0))

  ;; What is done with files, directories and sockets
  (func (export "fd_datasync") (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (export "fd_prestat_get") (export "fd_renumber") (export "sock_shutdown")
    (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_allocate") (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_advise") (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (export "fd_pwrite") (export "fd_readdir")
    (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (export "path_create_directory") (export "path_remove_directory")
    (export "path_unlink_file") (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (export "path_symlink") (export "sock_send")
    (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (export "path_rename") (export "sock_recv")
    (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8)))
