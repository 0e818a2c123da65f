"""Runs an action natively, without any host, in a plain unittest or pytest.

>>> from fusebox_sdk.testing import run
>>> report = run(lambda payload: payload * 2, 21)
>>> report.state, report.output
('SUCCESS', 42)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._action import call, check
from ._context import Budget, Chain, Context, ObjectRef
from ._failure import Failed, HostError, failed
from ._fake.host import Emitted, Host, Line, Request, running

__all__ = ["Answer", "Emitted", "HostError", "Line", "Report", "Request", "run"]

EVENT_ID = "01900000-0000-7000-8000-000000000001"
RUN_ID = "01900000-0000-7000-8000-000000000002"
#: 2026-01-01T00:00:00Z
NOW = 1_767_225_600_000
BUDGET = Budget(fuel=1_000_000_000, memory_bytes=64 << 20, deadline=NOW + 10_000)


@dataclass(frozen=True)
class Answer:
    """What a fake of http answers: text and bytes as they are, everything else as JSON."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Report:
    """How an attempt ended, and what it did."""

    #: SUCCESS, WARNING or ERROR, as the run would end (a retry only after its last attempt).
    state: str
    output: Any
    warnings: list[str]
    #: The payload of the event that is chained on, when the action gave one.
    event: Any
    failure: Failed | None
    #: What was raised, for a look at its traceback.
    error: BaseException | None
    logs: list[Line]
    emitted: list[Emitted]
    requests: list[Request]
    #: What the store holds afterwards; after a failure, what it held before.
    kv: dict[str, bytes]


def run(
    action: Callable[..., Any],
    payload: Any = None,
    *,
    kv: Mapping[str, object] | None = None,
    http: Callable[[Request], Answer] | None = None,
    emit: Callable[[Emitted], None] | None = None,
    cancelled: bool = False,
    **context: Any,
) -> Report:
    """Runs an action once. Nothing is raised: how it ended is in the report.

    `context` are fields of the Context; those that are not given have sensible values. `http` answers requests; without
    it nothing goes out. `http` and `emit` refuse by raising a HostError.
    """
    check(action)
    ctx = _context(payload, context)

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        assert http is not None
        answered = http(request)
        return answered.status, dict(answered.headers or {}), _bytes(answered.body)

    host = Host(ctx.budget, answer if http else None, emit, cancelled)
    for key, value in (kv or {}).items():
        host.put("action", key, _bytes(value))
    before = host.stored()
    token = running.set(host)
    try:
        done = call(action, ctx)
    except Exception as error:
        # What a failed attempt wrote and fired is gone, as it would be.
        return Report("ERROR", None, [], None, failed(error), error, host.logs, [], host.requests, before)
    finally:
        running.reset(token)
    state = "WARNING" if done.warnings else "SUCCESS"
    output, event = _value(done.output), _value(done.event)
    return Report(
        state, output, done.warnings, event, None, None, host.logs, host.emitted, host.requests, host.stored()
    )


def _context(payload: Any, given: dict[str, Any]) -> Context:
    sent: dict[str, Any] = {
        "run_id": RUN_ID,
        "attempt": 1,
        "event_id": EVENT_ID,
        "trigger": "test",
        "event_time": NOW,
        "tenant": "",
        "object": None,
        "scope": None,
        "params": {},
        "input": {},
        "chain": Chain(EVENT_ID, None, 0, None),
        "budget": BUDGET,
        "now": NOW,
        "seed": (1, 2),
    }
    for name in ("object", "scope"):
        if isinstance(given.get(name), tuple):
            given[name] = ObjectRef(*given[name])
    return Context(payload=payload, **{**sent, **given})


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
