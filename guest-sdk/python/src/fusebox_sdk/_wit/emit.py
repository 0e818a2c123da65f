from __future__ import annotations

from wit_world.imports import emit, types

from .._context import ObjectRef
from .refusal import asking


def event(event_type: str, payload: str, target: ObjectRef | None) -> None:
    reference = types.ObjectRef(target.object_type, target.object_id) if target else None
    with asking("emit"):
        emit.event(event_type, payload, reference)
