"""Outgoing HTTP in one call: to hosts that sink type and action allow. Redirects are answers like others."""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ._host import COMPONENT

if COMPONENT:
    from ._wit.http import send as _send
else:
    from ._fake.http import send as _send

Headers = Union[Mapping[str, str], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    bytes: bytes

    @property
    def ok(self) -> bool:
        """200 to 299."""
        return 200 <= self.status <= 299

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def text(self) -> str:
        return self.bytes.decode(errors="replace")

    def json(self) -> Any:
        return _json.loads(self.bytes)


def send(
    method: str,
    url: str,
    *,
    headers: Headers = (),
    body: str | bytes | None = None,
    json: object = None,
    timeout_ms: int | None = None,
) -> Response:
    """One request. Raises HostError: denied, invalid, limit, timeout, failed."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if json is not None:
        body = _json.dumps(json, allow_nan=False)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
    sent = body.encode() if isinstance(body, str) else (body or b"")
    return Response(*_send(method, url, pairs, sent, timeout_ms))


def get(url: str, *, headers: Headers = (), timeout_ms: int | None = None) -> Response:
    return send("GET", url, headers=headers, timeout_ms=timeout_ms)


def post(
    url: str,
    *,
    headers: Headers = (),
    body: str | bytes | None = None,
    json: object = None,
    timeout_ms: int | None = None,
) -> Response:
    return send("POST", url, headers=headers, body=body, json=json, timeout_ms=timeout_ms)
