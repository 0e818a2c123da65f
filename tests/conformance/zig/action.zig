//! The conformance guest in Zig, see ../README.md. `fusebox.zig` is copied from guest-sdk/zig when it is built.

const std = @import("std");
const fusebox = @import("fusebox.zig");

const Context = fusebox.Context;
const Result = fusebox.Result;
const Value = std.json.Value;

const unknown_code = 64;
const failed_after_code = 9;

comptime {
    fusebox.action(conform);
}

/// The fields of the payload.
const Asked = struct {
    value: Value,

    fn raw(asked: Asked, name: []const u8) ?Value {
        return if (asked.value == .object) asked.value.object.get(name) else null;
    }

    fn text(asked: Asked, name: []const u8) ?[]const u8 {
        const value = asked.raw(name) orelse return null;
        return if (value == .string) value.string else null;
    }

    fn number(asked: Asked, name: []const u8) ?u64 {
        const value = asked.raw(name) orelse return null;
        return if (value == .integer) std.math.cast(u64, value.integer) else null;
    }

    fn is(asked: Asked, name: []const u8, expected: []const u8) bool {
        return std.mem.eql(u8, asked.text(name) orelse "", expected);
    }

    fn message(asked: Asked) []const u8 {
        return asked.text("message") orelse "";
    }
};

const Behaviour = enum { echo, reject, retry, trap, loop, hog, log, params, input, context, kv, emit, emit_then, http, time, left, cancel, big, warn, event };

fn conform(ctx: *Context) anyerror!Result {
    const asked = Asked{ .value = try std.json.parseFromSliceLeaky(Value, fusebox.allocator, ctx.payload, .{}) };
    const what = asked.text("do") orelse "";
    return switch (std.meta.stringToEnum(Behaviour, what) orelse return unknown(what)) {
        .echo => .{ .ok = ctx.payload },
        .reject => .{ .reject = .{ .code = @truncate(asked.number("code") orelse 0), .message = asked.message() } },
        .retry => .{ .retry = .{ .message = asked.message(), .after_ms = asked.number("after_ms") } },
        .trap => @trap(),
        .loop => endless(),
        .hog => hog(),
        .log => writeLog(),
        .params => .{ .ok = ctx.params },
        .input => .{ .ok = ctx.input },
        .context => told(ctx),
        .kv => values(asked),
        .emit => answer("emitted", try emitted(asked)),
        .emit_then => {
            _ = try emitted(asked);
            return failedAfter(asked);
        },
        .http => fetched(asked),
        .time => time(ctx),
        .left => Result.of(try fusebox.left()),
        .cancel => {
            while (!fusebox.cancelled()) {}
            fusebox.log(.warn, "stopping", &.{});
            return .{ .ok = "{\"cancelled\":true}" };
        },
        .big => big(asked.number("bytes") orelse 0),
        .warn => {
            try ctx.warn("first warning");
            try ctx.warn("second warning");
            return .{ .ok = "{\"warned\":true}" };
        },
        .event => {
            ctx.event = try fusebox.json(asked.raw("payload") orelse .null);
            return .{ .ok = null };
        },
    };
}

fn unknown(what: []const u8) !Result {
    return .{ .reject = .{ .code = unknown_code, .message = try fusebox.format("unknown: {s}", .{what}) } };
}

fn failedAfter(asked: Asked) Result {
    return .{ .reject = .{ .code = failed_after_code, .message = asked.message() } };
}

fn endless() Result {
    var turns: u64 = 0;
    while (true) {
        turns +%= 1;
        std.mem.doNotOptimizeAway(turns);
    }
}

fn hog() !Result {
    while (true) {
        const block = fusebox.allocator.alloc(u8, 1 << 20) catch @trap();
        @memset(block, 1);
        std.mem.doNotOptimizeAway(block.ptr);
    }
}

fn writeLog() Result {
    fusebox.log(.trace, "line 1", &.{.{ "n", "1" }});
    fusebox.log(.debug, "line 2", &.{.{ "n", "2" }});
    fusebox.log(.info, "line 3", &.{.{ "n", "3" }});
    fusebox.log(.warn, "line 4", &.{.{ "n", "4" }});
    fusebox.log(.err, "line 5", &.{ .{ "n", "5" }, .{ "text", "\"grün 🎈\"" } });
    return .{ .ok = "{\"logged\":5}" };
}

fn told(ctx: *const Context) !Result {
    const outcome: Value = if (ctx.chain.parent_outcome) |text|
        try std.json.parseFromSliceLeaky(Value, fusebox.allocator, text, .{})
    else
        .null;
    return Result.of(.{
        .run_id = ctx.run_id,
        .attempt = ctx.attempt,
        .event_id = ctx.event_id,
        .trigger = ctx.trigger,
        .event_time = ctx.event_time,
        .tenant = ctx.tenant,
        .object = ctx.object,
        .scope = ctx.scope,
        .chain = .{ .root = ctx.chain.root, .parent = ctx.chain.parent, .depth = ctx.chain.depth, .parent_outcome = outcome },
        .budget = ctx.budget,
        .now = ctx.now,
    });
}

fn answer(comptime done: []const u8, refusal: fusebox.Refusal) !Result {
    return switch (refusal) {
        .done => .{ .ok = "{\"" ++ done ++ "\":true}" },
        .conflict => .{ .ok = "{\"conflict\":true}" },
        .limit => |text| Result.of(.{ .limit = text }),
        .refused => |text| Result.of(.{ .refused = text }),
    };
}

const Op = enum { count, get, set, delete, list, set_then };

fn values(asked: Asked) !Result {
    const store: fusebox.Values = if (asked.is("scope", "attachment")) .attachment else .action;
    const key = asked.text("key") orelse "";
    const value = asked.text("value") orelse "";
    const expect: fusebox.Expect = if (asked.is("expect", "nothing"))
        .nothing
    else if (asked.is("expect", "stale"))
        .{ .version = std.math.maxInt(u64) }
    else
        .anything;
    const op = asked.text("op") orelse "";
    return switch (std.meta.stringToEnum(Op, op) orelse return unknown(op)) {
        .count => count(store, key),
        .get => {
            const entry = try store.get(key);
            return Result.of(.{ .value = if (entry) |found| found.value else null });
        },
        .set => answer("set", try store.set(key, value, expect, asked.number("ttl_ms"))),
        .delete => answer("deleted", try store.delete(key, expect)),
        .list => {
            const limit: u32 = @truncate(asked.number("limit") orelse 1000);
            return Result.of(.{ .keys = try store.list(asked.text("prefix") orelse "", asked.text("after"), limit) });
        },
        .set_then => {
            _ = try store.set(key, value, .anything, null);
            return failedAfter(asked);
        },
    };
}

fn count(store: fusebox.Values, key: []const u8) !Result {
    const entry = try store.get(key);
    const number = if (entry) |found| try std.fmt.parseInt(u64, found.value, 10) else 0;
    const expect: fusebox.Expect = if (entry) |found| .{ .version = found.version } else .nothing;
    const next = number + 1;
    return switch (try store.set(key, try fusebox.format("{d}", .{next}), expect, null)) {
        .done => Result.of(.{ .count = next }),
        .conflict => .{ .retry = .{ .message = "conflict" } },
        .limit, .refused => |text| .{ .reject = .{ .code = 1, .message = text } },
    };
}

fn emitted(asked: Asked) !fusebox.Refusal {
    const payload = try fusebox.json(asked.raw("payload") orelse .null);
    const object: ?fusebox.ObjectRef = if (asked.raw("object")) |value| object: {
        const given = Asked{ .value = value };
        break :object .{ .object_type = given.text("object_type") orelse "", .object_id = given.text("object_id") orelse "" };
    } else null;
    return fusebox.emit(asked.text("event_type") orelse "", payload, object);
}

fn fetched(asked: Asked) !Result {
    var headers: std.ArrayList(fusebox.Pair) = .empty;
    if (asked.raw("headers")) |given| if (given == .object) {
        var each = given.object.iterator();
        while (each.next()) |header| {
            if (header.value_ptr.* == .string) try headers.append(fusebox.allocator, .{ header.key_ptr.*, header.value_ptr.string });
        }
    };
    const response = try fusebox.send(.{
        .method = asked.text("method") orelse "GET",
        .url = asked.text("url") orelse "",
        .headers = headers.items,
        .body = asked.text("body") orelse "",
        .timeout_ms = asked.number("timeout_ms"),
    });
    return switch (response) {
        .answered => |answered| Result.of(.{ .status = answered.status, .body = answered.body }),
        .denied => |text| Result.of(.{ .denied = text }),
        .invalid => |text| Result.of(.{ .invalid = text }),
        .limit => |text| Result.of(.{ .limit = text }),
        .timeout => |text| Result.of(.{ .timeout = text }),
        .failed => |text| Result.of(.{ .failed = text }),
    };
}

fn time(ctx: *const Context) !Result {
    var random = std.Random.DefaultPrng.init(ctx.seed[0] ^ ctx.seed[1]);
    return Result.of(.{ .now = ctx.now, .random = try fusebox.format("{x:0>16}", .{random.next()}) });
}

fn big(bytes: u64) !Result {
    const text = try fusebox.allocator.alloc(u8, @truncate(bytes + 2));
    @memset(text, 'x');
    text[0] = '"';
    text[text.len - 1] = '"';
    return .{ .ok = text };
}
