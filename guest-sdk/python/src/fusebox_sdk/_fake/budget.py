from __future__ import annotations

from .host import host


def left() -> tuple[int, int, int, int]:
    budget = host().budget
    return budget.fuel, budget.memory_bytes, 10_000, 10


def cancelled() -> bool:
    return host().cancelled
