"""Lines for whoever reads the run's log. What is printed gets there too, without level and fields."""

from __future__ import annotations

import json

from ._failure import text
from ._host import COMPONENT

if COMPONENT:
    from ._wit.log import write
else:
    from ._fake.log import write


def trace(message: str, **fields: object) -> None:
    """Every step."""
    _write("trace", message, fields)


def debug(message: str, **fields: object) -> None:
    """What helps to find a bug."""
    _write("debug", message, fields)


def info(message: str, **fields: object) -> None:
    """The life of the action."""
    _write("info", message, fields)


def warn(message: str, **fields: object) -> None:
    """Something is off, and the action goes on."""
    _write("warn", message, fields)


def error(message: str, **fields: object) -> None:
    """Someone must act."""
    _write("error", message, fields)


def _write(level: str, message: str, fields: dict[str, object]) -> None:
    write(level, text(message), [(name, _json(value)) for name, value in fields.items()])


def _json(value: object) -> str:
    # A log line is no place to fail: what JSON cannot say is said as text.
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(str(value))
