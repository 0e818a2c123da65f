"""What an action that did its work hands back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from ._failure import text


class _Nothing:
    """No event: `None` is one whose payload is null."""


NOTHING = _Nothing()


class Outcome:
    """Done, with more to say than an output.

    Any warning makes the run end as WARNING instead of SUCCESS. `event` is the payload of the event that is chained on;
    without it the event's own payload is passed on.
    """

    def __init__(self, output: object = None, *, warnings: Iterable[str] = (), event: object = NOTHING) -> None:
        self.output = output
        self.warnings = list(warnings)
        self.event = event


@dataclasses.dataclass(frozen=True)
class Succeeded:
    """An outcome as the contract says it: JSON texts."""

    output: str | None
    warnings: list[str]
    event: str | None


def succeeded(returned: object) -> Succeeded:
    """What an action returned, as the contract says it."""
    outcome = returned if isinstance(returned, Outcome) else Outcome(returned)
    output = None if outcome.output is None else written(outcome.output)
    event = None if outcome.event is NOTHING else written(outcome.event)
    return Succeeded(output, [text(warning) for warning in outcome.warnings], event)


def written(value: object) -> str:
    """A JSON text. Dataclasses are objects with their fields. What JSON cannot say, such as a NaN, is an error."""
    return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"JSON cannot say a {type(value).__name__}")
