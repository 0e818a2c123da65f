from __future__ import annotations

import builtins

from wit_world.imports import kv

from .refusal import asking


def _expected(expect: str | int) -> kv.Expect:
    if isinstance(expect, int):
        return kv.Expect_Version(expect)
    return kv.Expect_Nothing() if expect == "nothing" else kv.Expect_Anything()


def get(scope: str, key: str) -> tuple[bytes, int] | None:
    entry = kv.get(kv.Scope[scope.upper()], key)
    return (entry.value, entry.version) if entry else None


def set(scope: str, key: str, value: bytes, expect: str | int, ttl_ms: int | None) -> None:
    with asking("kv"):
        kv.set(kv.Scope[scope.upper()], key, value, _expected(expect), ttl_ms)


def delete(scope: str, key: str, expect: str | int) -> None:
    with asking("kv"):
        kv.delete(kv.Scope[scope.upper()], key, _expected(expect))


def list(scope: str, prefix: str, after: str | None, limit: int) -> builtins.list[str]:
    return kv.list(kv.Scope[scope.upper()], prefix, after, limit)
