from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .._context import Budget, ObjectRef
from .._failure import HostError


@dataclass(frozen=True)
class Line:
    """One line that the action logged."""

    level: str
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Emitted:
    """An event that the action fired."""

    event_type: str
    payload: Any
    object: ObjectRef | None


@dataclass(frozen=True)
class Request:
    """A request that the action sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    timeout_ms: int | None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Host:
    budget: Budget
    answer: Callable[[Request], tuple[int, dict[str, str], bytes]] | None
    receive: Callable[[Emitted], None] | None
    cancelled: bool
    values: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)
    versions: int = 0
    logs: list[Line] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def put(self, scope: str, key: str, value: bytes) -> None:
        self.versions += 1
        self.values[scope, key] = (value, self.versions)

    def expected(self, scope: str, key: str, expect: str | int) -> None:
        there = self.values.get((scope, key))
        kept = there[1] if there else None
        if (expect == "nothing" and there) or (isinstance(expect, int) and kept != expect):
            raise HostError("kv", "conflict", "the kv answered conflict")

    def stored(self) -> dict[str, bytes]:
        return {key: value for (scope, key), (value, _) in self.values.items() if scope == "action"}


running: ContextVar[Host | None] = ContextVar("running", default=None)


def host() -> Host:
    found = running.get()
    if found is None:
        raise RuntimeError("an action asks its host only while it runs: call it with run() of fusebox_sdk.testing")
    return found
