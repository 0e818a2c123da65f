//! The code of a door's keypad for a booking. It follows from the booking and a key that the door knows too, so the door
//! checks it without asking anybody, and nothing has to be kept.
//!
//! params: `door_key` (a secret of 16 bytes or more). input: `door`, and `digits` (4 to 9, 6 if it does not say).

const std = @import("std");
const fusebox = @import("fusebox.zig");

comptime {
    fusebox.action(doorCode);
}

const Booking = struct { id: []const u8, starts_at: []const u8, ends_at: []const u8 };
const Params = struct { door_key: []const u8 };
const Input = struct { door: []const u8, digits: u8 = 6 };

/// Codes of refusals.
const no_key = 10;
const no_length = 11;

const key_bytes_min = 16;

fn doorCode(ctx: *fusebox.Context) anyerror!fusebox.Result {
    const booking = try ctx.read(Booking);
    const params = try read(Params, ctx.params);
    const input = try read(Input, ctx.input);
    if (params.door_key.len < key_bytes_min) return .{ .reject = .{ .code = no_key, .message = "a key has 16 bytes or more" } };
    if (input.digits < 4 or input.digits > 9) return .{ .reject = .{ .code = no_length, .message = "a code has 4 to 9 digits" } };
    const signed = try fusebox.format("{s}\n{s}\n{s}\n{s}", .{ input.door, booking.id, booking.starts_at, booking.ends_at });
    fusebox.log(.info, "made a code", &.{ .{ "door", try fusebox.json(input.door) }, .{ "booking", try fusebox.json(booking.id) } });
    return fusebox.Result.of(.{
        .door = input.door,
        .code = try digitsOf(params.door_key, signed, input.digits),
        .valid_from = booking.starts_at,
        .valid_to = booking.ends_at,
    });
}

fn read(comptime T: type, text: []const u8) !T {
    return std.json.parseFromSliceLeaky(T, fusebox.allocator, text, .{ .ignore_unknown_fields = true });
}

/// As one-time passwords are made (RFC 4226, section 5.3), with SHA-256.
fn digitsOf(key: []const u8, message: []const u8, digits: u8) ![]const u8 {
    const Hmac = std.crypto.auth.hmac.sha2.HmacSha256;
    var mac: [Hmac.mac_length]u8 = undefined;
    Hmac.create(&mac, message, key);
    const offset = mac[mac.len - 1] & 0x0f;
    const number = std.mem.readInt(u32, mac[offset..][0..4], .big) & 0x7fff_ffff;
    const code = number % std.math.pow(u32, 10, digits);
    const text = try fusebox.format("{d:0>10}", .{code});
    return text[text.len - digits ..];
}

const booked = "{\"id\":\"bk_1\",\"starts_at\":\"2026-05-04T08:00:00Z\",\"ends_at\":\"2026-05-04T09:00:00Z\",\"title\":\"x\"}";
const keyed = "{\"door_key\":\"0123456789abcdef\"}";

fn tried(payload: []const u8, params: []const u8, input: []const u8) !fusebox.Result {
    var ctx = fusebox.Context{ .payload = payload, .params = params, .input = input };
    return doorCode(&ctx);
}

test "a door and a booking have one code" {
    const first = try tried(booked, keyed, "{\"door\":\"north\"}");
    // Computed with Python's `hmac`.
    try std.testing.expectEqualStrings(
        "{\"door\":\"north\",\"code\":\"478286\",\"valid_from\":\"2026-05-04T08:00:00Z\",\"valid_to\":\"2026-05-04T09:00:00Z\"}",
        first.ok.?,
    );
    const again = try tried(booked, keyed, "{\"door\":\"north\"}");
    try std.testing.expectEqualStrings(first.ok.?, again.ok.?);
    const other = try tried(booked, keyed, "{\"door\":\"south\",\"digits\":9}");
    try std.testing.expect(std.mem.indexOf(u8, other.ok.?, "\"code\":\"597832497\"") != null);
}

test "a key that is short and a code that is too short or too long are refused" {
    const short = try tried(booked, "{\"door_key\":\"0123456789abcde\"}", "{\"door\":\"north\"}");
    try std.testing.expectEqual(@as(u32, no_key), short.reject.code);
    for ([_][]const u8{ "3", "10" }) |digits| {
        const input = try fusebox.format("{{\"door\":\"north\",\"digits\":{s}}}", .{digits});
        const refused = try tried(booked, keyed, input);
        try std.testing.expectEqual(@as(u32, no_length), refused.reject.code);
    }
    try std.testing.expectError(error.MissingField, tried("{\"id\":\"bk_1\"}", keyed, "{\"door\":\"north\"}"));
}
