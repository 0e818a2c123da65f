from __future__ import annotations

import json

from .._context import ObjectRef
from .host import Emitted, host


def event(event_type: str, payload: str, target: ObjectRef | None) -> None:
    fired = Emitted(event_type, json.loads(payload), target)
    receive = host().receive
    if receive:
        receive(fired)
    host().emitted.append(fired)
