"""What an action is told besides its payload."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ObjectRef:
    """A thing in the user's world, such as `public.bookable` / `42`."""

    object_type: str
    object_id: str


@dataclass(frozen=True)
class Chain:
    """Where the event stands in its chain."""

    #: The event that began the chain; the event itself when nothing came before it.
    root: str
    #: The event whose run caused this one.
    parent: str | None
    #: 0 for an event that nothing caused.
    depth: int
    #: The outcome of the run that caused this event.
    parent_outcome: Any


@dataclass(frozen=True)
class Budget:
    """What the attempt may use. Past any of these the host ends it."""

    #: Deterministic instructions.
    fuel: int
    memory_bytes: int
    #: When the attempt is ended, running or waiting: milliseconds since 1970.
    deadline: int


@dataclass(frozen=True)
class Context:
    """Everything an action is told. Times are milliseconds since 1970."""

    #: The same for all attempts: use it as idempotency key outside.
    run_id: str
    #: 1 for the first attempt.
    attempt: int
    event_id: str
    #: The display name of the event type that fired.
    trigger: str
    #: When the event was accepted.
    event_time: int
    #: The owner of the run; empty for the shared tenant.
    tenant: str
    #: The object the event was raised on.
    object: ObjectRef | None
    #: The object the action is attached to, when that is what made it run.
    scope: ObjectRef | None
    payload: Any
    #: The resolved parameters of event type and action, secrets included.
    params: Any
    #: What was configured where the action is attached.
    input: Any
    chain: Chain
    budget: Budget
    #: The time of this attempt. It stands still, and is the same when the attempt is repeated.
    now: int
    seed: tuple[int, int]
    #: Random numbers of this attempt: other ones in each, the same when it is repeated.
    random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        high, low = self.seed
        object.__setattr__(self, "random", random.Random((high << 64) | low))
