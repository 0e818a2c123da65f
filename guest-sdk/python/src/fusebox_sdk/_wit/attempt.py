"""One attempt in a component: what the host sends, and what it takes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

from componentize_py_types import Err
from wit_world.imports import types

from .._action import call, find
from .._context import Budget, Chain, Context, ObjectRef
from .._failure import Failed, failed


def attempt(load: Callable[[], ModuleType], sent: types.Context) -> types.Outcome:
    """Calls the action of the author's module. What goes wrong while that begins is the attempt's end as well."""
    try:
        done = call(find(load()), context(sent))
    except BaseException as error:  # Also SystemExit: whatever ends it is the attempt's end, with a reason.
        raise Err(failure(failed(error))) from None
    return types.Outcome(done.output, done.warnings, done.event)


def failure(failed: Failed) -> types.Failure:
    if failed.code is None:
        return types.Failure_Retry(types.Retry(failed.message, failed.after_ms))
    return types.Failure_Reject(types.Reject(failed.message, failed.code))


def reference(sent: types.ObjectRef | None) -> ObjectRef | None:
    return ObjectRef(sent.object_type, sent.object_id) if sent else None


def context(sent: types.Context) -> Context:
    chain = sent.chain
    outcome = None if chain.parent_outcome is None else json.loads(chain.parent_outcome)
    return Context(
        run_id=sent.run_id,
        attempt=sent.attempt,
        event_id=sent.event_id,
        trigger=sent.trigger,
        event_time=sent.event_time,
        tenant=sent.tenant,
        object=reference(sent.object),
        scope=reference(sent.scope),
        payload=json.loads(sent.payload),
        params=json.loads(sent.params),
        input=json.loads(sent.input),
        chain=Chain(chain.root, chain.parent, chain.depth, outcome),
        budget=Budget(sent.budget.fuel, sent.budget.memory_bytes, sent.budget.deadline),
        now=sent.now,
        seed=sent.seed,
    )
