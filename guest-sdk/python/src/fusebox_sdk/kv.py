"""A small store for each tenant and action. What an attempt writes is kept if it succeeds, and is gone if it does not."""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any, Literal, Union

from ._host import COMPONENT

if COMPONENT:
    from ._wit.kv import delete as _delete, get as _get, list as _list, set as _set
else:
    from ._fake.kv import delete as _delete, get as _get, list as _list, set as _set

#: Whose value it is: of all runs of the action, or of those by this attachment.
Scope = Literal["action", "attachment"]
#: What must be there for a write to happen: anything, nothing, or a value of this version.
Expect = Union[Literal["anything", "nothing"], int]
#: The host's own bound on a list.
KEYS_MAX = 1000


@dataclass(frozen=True)
class Entry:
    """A value, and a version that differs after every write."""

    bytes: builtins.bytes
    version: int

    def text(self) -> str:
        return self.bytes.decode()

    def json(self) -> Any:
        return json.loads(self.bytes)


def get(key: str, *, scope: Scope = "action") -> Entry | None:
    found = _get(scope, key)
    return Entry(*found) if found else None


def set(
    key: str, value: object, *, scope: Scope = "action", expect: Expect = "anything", ttl_ms: int | None = None
) -> None:
    """Writes a value: text and bytes as they are, everything else as JSON. Raises HostError: conflict, limit."""
    _set(scope, key, _bytes(value), expect, ttl_ms)


def delete(key: str, *, scope: Scope = "action", expect: Expect = "anything") -> None:
    """Raises HostError: conflict."""
    _delete(scope, key, expect)


def list(prefix: str = "", *, scope: Scope = "action", after: str | None = None, limit: int = KEYS_MAX) -> builtins.list[str]:
    """Keys that start with `prefix`, in order: at most `limit`, after the key `after`."""
    return _list(scope, prefix, after, limit)


def _bytes(value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value, allow_nan=False)).encode()
