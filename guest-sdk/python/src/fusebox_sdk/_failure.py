"""Ways not to do the work. Raised by actions, and by what the host refuses."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Literal, Union

#: The result code of an error that an action did not mean to end with.
CODE_ERROR = 1
#: The result code of a payload that does not fit, as in the other kits.
CODE_INVALID = 2
#: What a result code can be at most.
CODE_MAX = 2**32 - 1
#: A message is read by people; the places behind it say where it came from.
PLACES_MAX = 8
CAUSES_MAX = 5
#: Where no author's file lies: in this package, and in what else has to do with running actions.
FOREIGN = [__file__.removesuffix("_failure.py"), "<frozen "]
#: Python's own files, with those of packages among them.
PYTHON = traceback.__file__.removesuffix("traceback.py")

Source = Literal["kv", "emit", "http"]
Kind = Literal["conflict", "limit", "refused", "denied", "invalid", "timeout", "failed"]


class Reject(Exception):
    """Will not work however often it is tried. The code is the run's result code."""

    def __init__(self, message: str, *, code: int = CODE_ERROR) -> None:
        super().__init__(message)
        if not 1 <= code <= CODE_MAX:
            raise ValueError(f"a result code is a whole number from 1 to {CODE_MAX}, not {code}")
        self.message = message
        self.code = code


class Retry(Exception):
    """May work later. Another attempt follows, not before `after_ms`, while the action's retry policy allows it."""

    def __init__(self, message: str, *, after_ms: int | None = None) -> None:
        super().__init__(message)
        if after_ms is not None and after_ms < 0:
            raise ValueError(f"after_ms is a number of milliseconds, not {after_ms}")
        self.message = message
        self.after_ms = after_ms


class HostError(Exception):
    """What the host refused. `kind` says what.

    kv: conflict, limit; emit: refused, limit; http: denied, invalid, limit, timeout, failed. When nobody catches it,
    conflict, timeout and failed are tried again, and the others are not.
    """

    def __init__(self, source: Source, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.source = source
        self.kind = kind
        self.message = message


#: Those that another attempt may get past.
PASSING = frozenset(["conflict", "timeout", "failed"])


@dataclass(frozen=True)
class Failed:
    """How an attempt failed, as the contract says it: a retry has no code, a reject no time."""

    message: str
    code: int | None
    after_ms: int | None = None

    @property
    def retry(self) -> bool:
        return self.code is None


Raised = Union[Reject, Retry, HostError, BaseException]


def failed(error: Raised) -> Failed:
    """What was raised, as the contract says it."""
    if isinstance(error, Retry):
        return Failed(text(error.message), None, error.after_ms)
    if isinstance(error, Reject):
        return Failed(text(error.message), error.code)
    if isinstance(error, HostError):
        return Failed(text(error.message), None if error.kind in PASSING else CODE_ERROR)
    return Failed(text(told(error)), CODE_ERROR)


def told(error: BaseException) -> str:
    """An error that nobody meant: its name, what it says, and where it came from, the innermost place first; and what
    caused it."""
    lines = told_alone(error)
    for _ in range(CAUSES_MAX):
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            break
        first, *places = told_alone(cause)
        lines += [f"caused by {first}", *places]
        error = cause
    return "\n".join(lines)


def told_alone(error: BaseException) -> list[str]:
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    places = reversed(traceback.extract_tb(error.__traceback__))
    shown = [f"  at {place.name} ({place.filename}:{place.lineno})" for place in places if is_authors(place.filename)]
    return [said, *shown[:PLACES_MAX]]


def is_authors(filename: str) -> bool:
    """Whether a place is of neither this package nor Python itself."""
    if filename.startswith(tuple(FOREIGN)):
        return False
    return not filename.startswith(PYTHON) or "-packages" in filename


def text(value: str) -> str:
    """Half a surrogate pair is no text to the other side."""
    return value.encode("utf-8", "replace").decode("utf-8")
