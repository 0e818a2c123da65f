//! Actions of Fusebox in Zig: this file, beside the action's own.
//!
//!     const fusebox = @import("fusebox.zig");
//!
//!     fn greet(ctx: *fusebox.Context) !fusebox.Result { … }
//!
//!     comptime {
//!         fusebox.action(greet);
//!     }
//!
//! Nothing is given free: an attempt is a fresh instance, and its end gives everything free. Tests call the function itself,
//! natively; there, what asks the host answers `error.NoHost`, and log lines are dropped.

const std = @import("std");
const builtin = @import("builtin");

const is_component = builtin.cpu.arch == .wasm32;

/// For everything; an action without memory traps.
pub const allocator: std.mem.Allocator = if (is_component) std.heap.wasm_allocator else std.heap.page_allocator;

/// A thing in the user's world, such as public.bookable / 42.
pub const ObjectRef = struct { object_type: []const u8, object_id: []const u8 };

pub const Chain = struct {
    root: []const u8 = "",
    parent: ?[]const u8 = null,
    depth: u32 = 0,
    /// JSON.
    parent_outcome: ?[]const u8 = null,
};

pub const Budget = struct { fuel: u64 = 0, memory_bytes: u64 = 0, deadline: u64 = 0 };

/// Everything an action is told. Times are milliseconds since 1970. Tests make one with what they need.
pub const Context = struct {
    run_id: []const u8 = "",
    /// 1 for the first attempt.
    attempt: u32 = 1,
    event_id: []const u8 = "",
    /// The display name of the event type.
    trigger: []const u8 = "",
    event_time: u64 = 0,
    /// Empty for the shared tenant.
    tenant: []const u8 = "",
    object: ?ObjectRef = null,
    scope: ?ObjectRef = null,
    /// Three separate JSON texts, never merged.
    payload: []const u8 = "{}",
    params: []const u8 = "{}",
    input: []const u8 = "{}",
    chain: Chain = .{},
    budget: Budget = .{},
    now: u64 = 0,
    /// Drawn anew for every attempt: `std.Random.Xoshiro256.init(ctx.seed[0] ^ ctx.seed[1])` makes use of it.
    seed: [2]u64 = .{ 0, 0 },

    /// Each makes the run end as WARNING.
    warnings: std.ArrayList([]const u8) = .empty,
    /// The payload of the event that is chained on, as JSON.
    event: ?[]const u8 = null,

    /// The payload as a type; what does not fit is an error, and so a reject.
    pub fn read(ctx: *const Context, comptime T: type) !T {
        return std.json.parseFromSliceLeaky(T, allocator, ctx.payload, .{ .ignore_unknown_fields = true });
    }

    pub fn warn(ctx: *Context, message: []const u8) !void {
        try ctx.warnings.append(allocator, message);
    }
};

/// How an attempt ends. An error of Zig is a reject with code 1 and the error's name.
pub const Result = union(enum) {
    /// The output, a JSON text, or none.
    ok: ?[]const u8,
    /// It will not work however often it is tried; 0 is taken as 1.
    reject: struct { code: u32, message: []const u8 },
    /// It may work later.
    retry: struct { message: []const u8, after_ms: ?u64 = null },

    /// The output is this value, as JSON.
    pub fn of(value: anytype) !Result {
        return .{ .ok = try json(value) };
    }
};

/// A value as JSON.
pub fn json(value: anytype) ![]const u8 {
    return std.json.Stringify.valueAlloc(allocator, value, .{});
}

pub fn format(comptime text: []const u8, arguments: anytype) ![]const u8 {
    return std.fmt.allocPrint(allocator, text, arguments);
}

pub const Level = enum(u32) { trace, debug, info, warn, err };

/// A name and a value, the value as JSON.
pub const Pair = struct { []const u8, []const u8 };

pub fn log(level: Level, message: []const u8, fields: []const Pair) void {
    if (!is_component) return;
    const pairs = lowerPairs(fields);
    host.write(@backingInt(level), message.ptr, message.len, pairs.ptr, fields.len);
}

pub const Remaining = struct { fuel: u64, memory_bytes: u64, time_ms: u64, http_calls: u32 };

pub fn left() !Remaining {
    if (!is_component) return error.NoHost;
    var place: [4]u64 = undefined;
    host.left(&place);
    return .{ .fuel = place[0], .memory_bytes = place[1], .time_ms = place[2], .http_calls = @truncate(place[3]) };
}

/// Whether somebody cancelled the run; there is a moment from then on.
pub fn cancelled() bool {
    return is_component and host.cancelled() != 0;
}

/// What an interface may answer instead of doing what it was asked.
pub const Refusal = union(enum) { done, conflict, limit: []const u8, refused: []const u8 };

pub const Entry = struct { value: []const u8, version: u64 };

pub const Expect = union(enum) { anything, nothing, version: u64 };

/// Values that stay between runs, if the attempt that wrote them succeeds.
pub const Values = enum(u32) {
    /// Those of all runs of the action for this tenant.
    action,
    /// Those of this attachment only.
    attachment,

    pub fn get(values: Values, key: []const u8) !?Entry {
        if (!is_component) return error.NoHost;
        var place: extern struct { some: u8, entry: extern struct { value: Text, version: u64 } } = undefined;
        host.get(@backingInt(values), key.ptr, key.len, &place);
        return if (place.some == 0) null else .{ .value = place.entry.value.slice(), .version = place.entry.version };
    }

    /// Gone again after `ttl_ms` if that is given.
    pub fn set(values: Values, key: []const u8, value: []const u8, expect: Expect, ttl_ms: ?u64) !Refusal {
        if (!is_component) return error.NoHost;
        var place: Said = undefined;
        host.set(@backingInt(values), key.ptr, key.len, value.ptr, value.len, @backingInt(expect), version(expect), @intFromBool(ttl_ms != null), ttl_ms orelse 0, &place);
        return place.refusal(.conflict);
    }

    pub fn delete(values: Values, key: []const u8, expect: Expect) !Refusal {
        if (!is_component) return error.NoHost;
        var place: Said = undefined;
        host.delete(@backingInt(values), key.ptr, key.len, @backingInt(expect), version(expect), &place);
        return place.refusal(.conflict);
    }

    /// Keys that start with `prefix`, in order, after the key `after`: at most `limit`, and at most 1,000.
    pub fn list(values: Values, prefix: []const u8, after: ?[]const u8, limit: u32) ![]const []const u8 {
        if (!is_component) return error.NoHost;
        var place: Text = undefined;
        const from = after orelse "";
        host.list(@backingInt(values), prefix.ptr, prefix.len, @intFromBool(after != null), from.ptr, from.len, limit, &place);
        const keys = try allocator.alloc([]const u8, place.length);
        for (keys, 0..) |*key, i| key.* = place.texts()[i].slice();
        return keys;
    }

    fn version(expect: Expect) u64 {
        return switch (expect) {
            .version => |number| number,
            else => 0,
        };
    }
};

/// Fires a further event once the run has succeeded; without an object, on that of this run's event.
pub fn emit(event_type: []const u8, payload: []const u8, object: ?ObjectRef) !Refusal {
    if (!is_component) return error.NoHost;
    var place: Said = undefined;
    const given = object orelse ObjectRef{ .object_type = "", .object_id = "" };
    host.event(event_type.ptr, event_type.len, payload.ptr, payload.len, @intFromBool(object != null), given.object_type.ptr, given.object_type.len, given.object_id.ptr, given.object_id.len, &place);
    return place.refusal(.refused);
}

pub const Request = struct {
    method: []const u8 = "GET",
    url: []const u8,
    headers: []const Pair = &.{},
    body: []const u8 = "",
    timeout_ms: ?u64 = null,
};

pub const Response = union(enum) {
    answered: struct { status: u16, headers: []const Pair, body: []const u8 },
    denied: []const u8,
    invalid: []const u8,
    limit: []const u8,
    timeout: []const u8,
    failed: []const u8,
};

/// One request to a host that the action and its sink type allow. Redirects are answers like others.
pub fn send(request: Request) !Response {
    if (!is_component) return error.NoHost;
    // The words of a result whose parts differ by how it ended.
    var place: [6]u32 = undefined;
    const headers = lowerPairs(request.headers);
    const timeout = request.timeout_ms;
    host.send(request.method.ptr, request.method.len, request.url.ptr, request.url.len, headers.ptr, request.headers.len, request.body.ptr, request.body.len, @intFromBool(timeout != null), timeout orelse 0, &place);
    const first = Text.at(place[2], place[3]);
    if (place[0] & 0xff != 0) return switch (place[1] & 0xff) {
        0 => .{ .denied = first.slice() },
        1 => .{ .invalid = first.slice() },
        2 => .{ .limit = first.slice() },
        3 => .{ .timeout = first.slice() },
        else => .{ .failed = first.slice() },
    };
    const pairs = try allocator.alloc(Pair, first.length);
    for (pairs, 0..) |*pair, i| pair.* = .{ first.texts()[2 * i].slice(), first.texts()[2 * i + 1].slice() };
    return .{ .answered = .{ .status = @truncate(place[1]), .headers = pairs, .body = Text.at(place[4], place[5]).slice() } };
}

// -- The boundary: the canonical ABI of the contract. -----------------------------------------------------------------

/// A text or list as it lies in memory.
const Text = extern struct {
    start: usize,
    length: usize,

    fn of(bytes: []const u8) Text {
        return .{ .start = @intFromPtr(bytes.ptr), .length = bytes.len };
    }

    fn at(start: u32, length: u32) Text {
        return .{ .start = start, .length = length };
    }

    /// An empty text may come without memory.
    fn slice(text: Text) []const u8 {
        return if (text.length == 0) "" else @as([*]const u8, @ptrFromInt(text.start))[0..text.length];
    }

    fn texts(list: Text) [*]const Text {
        return @ptrFromInt(list.start);
    }
};

const OptionText = extern struct {
    some: u8,
    text: Text,

    fn lift(option: OptionText) ?[]const u8 {
        return if (option.some == 0) null else option.text.slice();
    }
};

const OptionObject = extern struct {
    some: u8,
    object_type: Text,
    object_id: Text,

    fn lift(option: OptionObject) ?ObjectRef {
        if (option.some == 0) return null;
        return .{ .object_type = option.object_type.slice(), .object_id = option.object_id.slice() };
    }
};

/// A result without a value and with an error that may have a text.
const Said = extern struct {
    failed: u8,
    kind: u32,
    message: Text,

    /// `first` is the first error of the interface; the other is a limit.
    fn refusal(said: Said, comptime first: std.meta.Tag(Refusal)) Refusal {
        if (said.failed == 0) return .done;
        if (said.kind & 0xff != 0) return .{ .limit = said.message.slice() };
        return if (first == .conflict) .conflict else .{ .refused = said.message.slice() };
    }
};

const WireContext = extern struct {
    run_id: Text,
    attempt: u32,
    event_id: Text,
    trigger: Text,
    event_time: u64,
    tenant: Text,
    object: OptionObject,
    scope: OptionObject,
    payload: Text,
    params: Text,
    input: Text,
    root: Text,
    parent: OptionText,
    depth: u32,
    parent_outcome: OptionText,
    fuel: u64,
    memory_bytes: u64,
    deadline: u64,
    now: u64,
    seed: [2]u64,

    fn lift(wire: *const WireContext) Context {
        return .{
            .run_id = wire.run_id.slice(),
            .attempt = wire.attempt,
            .event_id = wire.event_id.slice(),
            .trigger = wire.trigger.slice(),
            .event_time = wire.event_time,
            .tenant = wire.tenant.slice(),
            .object = wire.object.lift(),
            .scope = wire.scope.lift(),
            .payload = wire.payload.slice(),
            .params = wire.params.slice(),
            .input = wire.input.slice(),
            .chain = .{ .root = wire.root.slice(), .parent = wire.parent.lift(), .depth = wire.depth, .parent_outcome = wire.parent_outcome.lift() },
            .budget = .{ .fuel = wire.fuel, .memory_bytes = wire.memory_bytes, .deadline = wire.deadline },
            .now = wire.now,
            .seed = wire.seed,
        };
    }
};

comptime {
    if (is_component) {
        std.debug.assert(@offsetOf(WireContext, "payload") == 88);
        std.debug.assert(@sizeOf(WireContext) == 200);
        @export(&realloc, .{ .name = "cabi_realloc" });
    }
}

fn realloc(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) callconv(.c) [*]u8 {
    _ = alignment;
    const memory = allocator.alignedAlloc(u8, .@"8", @max(size, 1)) catch @trap();
    if (old) |bytes| @memcpy(memory[0..@min(old_size, size)], bytes[0..@min(old_size, size)]);
    return memory.ptr;
}

/// Makes `f` the action of this component: call it in a `comptime` block.
pub fn action(comptime f: fn (*Context) anyerror!Result) void {
    if (!is_component) return;
    const exported = struct {
        fn run(wire: *const WireContext) callconv(.c) *const Words {
            var ctx = wire.lift();
            const result = f(&ctx) catch |failure| Result{ .reject = .{ .code = 1, .message = @errorName(failure) } };
            lower(result, &ctx);
            return &words;
        }
    };
    @export(&exported.run, .{ .name = "run" });
}

/// result<outcome, failure> in words of 32 bits: one layout for both sides.
const Words = extern struct { word: [10]u32 align(8) };
var words: Words = undefined;

fn lower(result: Result, ctx: *const Context) void {
    words = .{ .word = @splat(0) };
    const word = &words.word;
    switch (result) {
        .ok => |output| {
            if (output) |text| put(2, text);
            // Memory for nothing has no address, and the host looks at the one that it is given.
            if (ctx.warnings.items.len > 0) {
                const texts = allocator.alloc(Text, ctx.warnings.items.len) catch @trap();
                for (texts, ctx.warnings.items) |*text, warning| text.* = Text.of(warning);
                word[5] = @truncate(@intFromPtr(texts.ptr));
                word[6] = @truncate(texts.len);
            }
            if (ctx.event) |text| put(7, text);
        },
        .retry => |retry| {
            word[0] = 1;
            putMessage(retry.message);
            if (retry.after_ms) |ms| {
                word[6] = 1;
                word[8] = @truncate(ms);
                word[9] = @truncate(ms >> 32);
            }
        },
        .reject => |reject| {
            word[0] = 1;
            word[2] = 1;
            putMessage(reject.message);
            word[6] = @max(reject.code, 1);
        },
    }
}

/// An option<string> that is there.
fn put(at: usize, text: []const u8) void {
    words.word[at] = 1;
    words.word[at + 1] = @truncate(@intFromPtr(text.ptr));
    words.word[at + 2] = @truncate(text.len);
}

fn putMessage(text: []const u8) void {
    words.word[4] = @truncate(@intFromPtr(text.ptr));
    words.word[5] = @truncate(text.len);
}

fn lowerPairs(pairs: []const Pair) []const Text {
    if (pairs.len == 0) return &.{};
    const texts = allocator.alloc(Text, 2 * pairs.len) catch @trap();
    for (pairs, 0..) |pair, i| {
        texts[2 * i] = Text.of(pair[0]);
        texts[2 * i + 1] = Text.of(pair[1]);
    }
    return texts;
}

const host = struct {
    extern "fusebox:action/log@0.1.0" fn write(u32, [*]const u8, usize, [*]const Text, usize) void;
    extern "fusebox:action/budget@0.1.0" fn left(*anyopaque) void;
    extern "fusebox:action/budget@0.1.0" fn cancelled() u32;
    extern "fusebox:action/kv@0.1.0" fn get(u32, [*]const u8, usize, *anyopaque) void;
    extern "fusebox:action/kv@0.1.0" fn set(u32, [*]const u8, usize, [*]const u8, usize, u32, u64, u32, u64, *anyopaque) void;
    extern "fusebox:action/kv@0.1.0" fn delete(u32, [*]const u8, usize, u32, u64, *anyopaque) void;
    extern "fusebox:action/kv@0.1.0" fn list(u32, [*]const u8, usize, u32, [*]const u8, usize, u32, *anyopaque) void;
    extern "fusebox:action/emit@0.1.0" fn event([*]const u8, usize, [*]const u8, usize, u32, [*]const u8, usize, [*]const u8, usize, *anyopaque) void;
    extern "fusebox:action/http@0.1.0" fn send([*]const u8, usize, [*]const u8, usize, [*]const Text, usize, [*]const u8, usize, u32, u64, *anyopaque) void;
};
