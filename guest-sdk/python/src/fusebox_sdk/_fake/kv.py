from __future__ import annotations

import builtins

from .host import host


def get(scope: str, key: str) -> tuple[bytes, int] | None:
    return host().values.get((scope, key))


def set(scope: str, key: str, value: bytes, expect: str | int, ttl_ms: int | None) -> None:
    host().expected(scope, key, expect)
    host().put(scope, key, value)


def delete(scope: str, key: str, expect: str | int) -> None:
    host().expected(scope, key, expect)
    host().values.pop((scope, key), None)


def list(scope: str, prefix: str, after: str | None, limit: int) -> builtins.list[str]:
    keys = sorted(key for of, key in host().values if of == scope and key.startswith(prefix))
    return [key for key in keys if after is None or key > after][:limit]
