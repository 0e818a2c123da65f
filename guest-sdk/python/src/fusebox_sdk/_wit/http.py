from __future__ import annotations

from wit_world.imports import http

from .refusal import asking


def send(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout_ms: int | None
) -> tuple[int, list[tuple[str, str]], bytes]:
    with asking("http"):
        response = http.send(http.Request(method, url, headers, body, timeout_ms))
        return response.status, response.headers, response.body
