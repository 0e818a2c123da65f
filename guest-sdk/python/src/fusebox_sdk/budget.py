"""What is left to the attempt, and whether it should stop."""

from __future__ import annotations

from dataclasses import dataclass

from ._host import COMPONENT

if COMPONENT:
    from ._wit.budget import cancelled as _cancelled, left as _left
else:
    from ._fake.budget import cancelled as _cancelled, left as _left


@dataclass(frozen=True)
class Remaining:
    fuel: int
    memory_bytes: int
    #: Until the attempt is ended, running or waiting.
    time_ms: int
    http_calls: int


def left() -> Remaining:
    return Remaining(*_left())


def cancelled() -> bool:
    """Whether somebody cancelled the run. Who asks has a moment from then on to put things in order."""
    return _cancelled()
