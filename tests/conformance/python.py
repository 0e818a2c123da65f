"""The conformance guest in Python, as source text and ahead of time alike. README.md says what each behaviour is."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from fusebox_sdk import Context, HostError, ObjectRef, Outcome, Reject, Retry, action, budget, emit, http, kv, log

#: A version that no value ever has.
STALE = 2**64 - 1


def refusable(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the host refuses, as the answers have it: `{"denied": TEXT}`."""
    try:
        return call()
    except HostError as error:
        return {error.kind: error.message}


def reject(payload: Any, ctx: Context) -> NoReturn:
    raise Reject(payload["message"], code=payload["code"])


def retry(payload: Any, ctx: Context) -> NoReturn:
    raise Retry(payload["message"], after_ms=payload.get("after_ms"))


def trap(payload: Any, ctx: Context) -> NoReturn:
    raise RuntimeError("trapped")


def loop(payload: Any, ctx: Context) -> NoReturn:
    while True:
        pass


def hog(payload: Any, ctx: Context) -> NoReturn:
    held = []
    while True:
        held.append(b"\1" * (1 << 20))


def lines(payload: Any, ctx: Context) -> Any:
    log.trace("line 1", n=1)
    log.debug("line 2", n=2)
    log.info("line 3", n=3)
    log.warn("line 4", n=4)
    log.error("line 5", n=5, text="grün 🎈")
    return {"logged": 5}


def print_both(payload: Any, ctx: Context) -> Any:
    print("printed")
    print("complained", file=sys.stderr)
    return {"printed": True}


def reference(found: ObjectRef | None) -> Any:
    return found and {"object_type": found.object_type, "object_id": found.object_id}


def context(payload: Any, ctx: Context) -> Any:
    chain, limits = ctx.chain, ctx.budget
    return {
        "run_id": ctx.run_id,
        "attempt": ctx.attempt,
        "event_id": ctx.event_id,
        "trigger": ctx.trigger,
        "event_time": ctx.event_time,
        "tenant": ctx.tenant,
        "object": reference(ctx.object),
        "scope": reference(ctx.scope),
        "chain": {
            "root": chain.root,
            "parent": chain.parent,
            "depth": chain.depth,
            "parent_outcome": chain.parent_outcome,
        },
        "budget": {"fuel": limits.fuel, "memory_bytes": limits.memory_bytes, "deadline": limits.deadline},
        "now": ctx.now,
    }


def count(key: str, scope: Any) -> Any:
    seen = kv.get(key, scope=scope)
    following = int(seen.text() if seen else 0) + 1
    try:
        kv.set(key, str(following), scope=scope, expect=seen.version if seen else "nothing")
    except HostError as error:
        if error.kind == "conflict":
            raise Retry("conflict") from None
        raise
    return {"count": following}


def written(name: str, call: Callable[[], None]) -> Any:
    try:
        call()
    except HostError as error:
        # A conflict says nothing but that it is one.
        return {"conflict": True} if error.kind == "conflict" else {error.kind: error.message}
    return {name: True}


def store(payload: Any, ctx: Context) -> Any:
    op, key, scope = payload["op"], payload.get("key", ""), payload.get("scope", "action")
    expect = payload.get("expect", "anything")
    expect = STALE if expect == "stale" else expect
    if op == "count":
        return count(key, scope)
    if op == "get":
        entry = kv.get(key, scope=scope)
        return {"value": entry.text() if entry else None}
    if op == "set":
        value, ttl_ms = payload["value"], payload.get("ttl_ms")
        return written("set", lambda: kv.set(key, value, scope=scope, expect=expect, ttl_ms=ttl_ms))
    if op == "delete":
        return written("deleted", lambda: kv.delete(key, scope=scope, expect=expect))
    if op == "list":
        after, limit = payload.get("after"), payload["limit"]
        return {"keys": kv.list(payload["prefix"], scope=scope, after=after, limit=limit)}
    if op == "set_then":
        kv.set(key, payload["value"], scope=scope)
        raise Reject(payload["message"], code=9)
    raise Reject(f"unknown: kv {op}", code=64)


def fire(payload: Any, ctx: Context) -> Any:
    given = payload.get("object")
    target = ObjectRef(given["object_type"], given["object_id"]) if given else None

    def call() -> dict[str, Any]:
        emit.event(payload["event_type"], payload["payload"], target)
        return {"emitted": True}

    return refusable(call)


def fire_then(payload: Any, ctx: Context) -> NoReturn:
    fire(payload, ctx)
    raise Reject(payload["message"], code=9)


def request(payload: Any, ctx: Context) -> Any:
    def call() -> dict[str, Any]:
        method, headers = payload.get("method", "GET"), payload.get("headers") or {}
        body, timeout_ms = payload.get("body"), payload.get("timeout_ms")
        answer = http.send(method, payload["url"], headers=headers, body=body, timeout_ms=timeout_ms)
        return {"status": answer.status, "body": answer.text()}

    return refusable(call)


def moment(payload: Any, ctx: Context) -> Any:
    return {"now": round(time.time() * 1000), "random": f"{random.getrandbits(64):016x}"}


def left(payload: Any, ctx: Context) -> Any:
    return vars(budget.left())


def cancel(payload: Any, ctx: Context) -> Any:
    while not budget.cancelled():
        pass
    log.warn("stopping")
    return {"cancelled": True}


BEHAVIOURS: dict[str, Callable[[Any, Context], Any]] = {
    "echo": lambda payload, ctx: payload,
    "reject": reject,
    "retry": retry,
    "trap": trap,
    "loop": loop,
    "hog": hog,
    "log": lines,
    "print": print_both,
    "params": lambda payload, ctx: ctx.params,
    "input": lambda payload, ctx: ctx.input,
    "context": context,
    "kv": store,
    "emit": fire,
    "emit_then": fire_then,
    "http": request,
    "time": moment,
    "left": left,
    "cancel": cancel,
    "big": lambda payload, ctx: "x" * payload["bytes"],
    "warn": lambda payload, ctx: Outcome({"warned": True}, warnings=["first warning", "second warning"]),
    "event": lambda payload, ctx: Outcome(event=payload["payload"]),
}


@action
def run(payload: Any, ctx: Context) -> Any:
    behaviour = BEHAVIOURS.get(payload["do"])
    if behaviour is None:
        raise Reject(f"unknown: {payload['do']}", code=64)
    return behaviour(payload, ctx)
