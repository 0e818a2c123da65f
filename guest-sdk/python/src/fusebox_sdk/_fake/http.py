from __future__ import annotations

from .._failure import HostError
from .host import Request, host


def send(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout_ms: int | None
) -> tuple[int, list[tuple[str, str]], bytes]:
    request = Request(method, url, dict(headers), body, timeout_ms)
    host().requests.append(request)
    answer = host().answer
    if answer is None:
        raise HostError("http", "denied", f"the test lets nothing go out: {method} {url}")
    status, answered, content = answer(request)
    return status, list(answered.items()), content
