from __future__ import annotations

import json

from .host import Line, host


def write(level: str, message: str, fields: list[tuple[str, str]]) -> None:
    host().logs.append(Line(level, message, {name: json.loads(value) for name, value in fields}))
