from __future__ import annotations

from wit_world.imports import budget


def left() -> tuple[int, int, int, int]:
    remaining = budget.left()
    return remaining.fuel, remaining.memory_bytes, remaining.time_ms, remaining.http_calls


def cancelled() -> bool:
    return budget.cancelled()
