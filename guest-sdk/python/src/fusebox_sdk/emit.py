"""Fires further events when the run succeeds, and none when it does not."""

from __future__ import annotations

from ._context import ObjectRef
from ._host import COMPONENT
from ._outcome import written

if COMPONENT:
    from ._wit.emit import event as _event
else:
    from ._fake.emit import event as _event


def event(event_type: str, payload: object, object: ObjectRef | None = None) -> None:
    """On the same object unless told. Raises HostError: refused, limit."""
    _event(event_type, written(payload), object)
