"""An action is a function. Its parameters are recognised by name, any of them, in any order."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from ._context import Context
from ._fit import fit
from ._outcome import Succeeded, succeeded

Function = TypeVar("Function", bound=Callable[..., Any])

PARAMETERS = ("payload", "params", "input", "ctx")
_MARK = "__fusebox_action__"


def action(function: Function) -> Function:
    """Makes a function the action of its file. A function that is called `run` is one without this.

    Parameters are recognised by name: `payload` (the event's data), `params` (the resolved parameters), `input` (the
    attachment's), `ctx` (a `Context` with everything else). A dataclass, a TypedDict or another type in their
    annotations is what they are made into; what does not fit is rejected with code 2 and the place.
    """
    check(function)
    setattr(function, _MARK, True)
    return function


def check(function: Callable[..., Any]) -> None:
    """Refuses what could not be called, when it is written and not when it runs."""
    name = getattr(function, "__name__", "the action")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is async, which an action is not: what it asks of its host is there at once")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in PARAMETERS or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{name} takes `{parameter.name}`; an action may take {', '.join(PARAMETERS)}")


def find(module: ModuleType) -> Callable[..., Any]:
    """The action of a file: the one function with `@action`, or the one called `run`."""
    own = [value for value in vars(module).values() if getattr(value, _MARK, False) and value.__module__ == module.__name__]
    if len(own) > 1:
        raise TypeError(f"{module.__name__}.py has {len(own)} functions with @action; a component has one action")
    function: Any = own[0] if own else getattr(module, "run", None)
    if not callable(function):
        raise TypeError(f"{module.__name__}.py has no action: write `@action` above its function")
    check(function)
    return typing.cast("Callable[..., Any]", function)


def call(function: Callable[..., Any], ctx: Context) -> Succeeded:
    """Calls an action with what it takes."""
    hints = typing.get_type_hints(function)
    given: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        if name == "ctx":
            given[name] = ctx
            continue
        value = getattr(ctx, name)
        # Params and input are objects; where nothing was configured there is none.
        if value is None and name != "payload":
            value = {}
        given[name] = fit(hints.get(name, Any), value, name)
    return succeeded(function(**given))
