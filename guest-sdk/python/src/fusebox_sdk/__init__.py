"""Write Fusebox actions in Python: one function, compiled to a WebAssembly component.

What an action asks of its host is a module of its own, and is asked for when it is imported:
``from fusebox_sdk import budget, emit, http, kv, log``.
"""

from ._action import action
from ._context import Budget, Chain, Context, ObjectRef
from ._failure import HostError, Reject, Retry
from ._outcome import Outcome

__all__ = [
    "Budget",
    "Chain",
    "Context",
    "HostError",
    "ObjectRef",
    "Outcome",
    "Reject",
    "Retry",
    "action",
]
