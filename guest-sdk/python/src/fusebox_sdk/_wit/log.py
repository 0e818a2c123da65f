from __future__ import annotations

from wit_world.imports import log


def write(level: str, message: str, fields: list[tuple[str, str]]) -> None:
    log.write(log.Level[level.upper()], message, fields)
