"""Makes what a function's annotations ask for out of JSON values, and says where one does not fit."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal, Union

from ._failure import CODE_INVALID, Reject

#: How JSON calls what Python has.
NAMES = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def fit(kind: Any, value: Any, place: str) -> Any:
    """The value as `kind`: a plain type, a dataclass, a TypedDict, a list, a dict, a union or a literal.

    Raises a Reject with code 2 whose message names the place. Types that are none of these are not looked at.
    """
    if kind is Any or kind is object:
        return value
    if kind is None or kind is type(None):
        return value if value is None else refuse(place, "null", value)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, place)
    if typing.is_typeddict(kind):
        return _typed_dict(kind, value, place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments, value, place)
    if origin is Literal:
        return value if value in arguments else refuse(place, " or ".join(map(repr, arguments)), value)
    if origin is list or kind is list:
        return [fit(*_at(arguments, 0), each, f"{place}[{index}]") for index, each in enumerate(_is(list, value, place))]
    if origin is dict or kind is dict:
        return {name: fit(*_at(arguments, 1), each, f"{place}.{name}") for name, each in _is(dict, value, place).items()}
    return _plain(kind, value, place)


def _at(arguments: tuple[Any, ...], index: int) -> tuple[Any]:
    return (arguments[index] if len(arguments) > index else Any,)


def _plain(kind: Any, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _is(kind, value, place) if kind in NAMES else value


def _is(kind: type, value: Any, place: str) -> Any:
    # A boolean is an int to Python, and is none to JSON.
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    return refuse(place, NAMES[kind], value)


def _union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    problems = []
    for kind in kinds:
        try:
            return fit(kind, value, place)
        except Reject as problem:
            problems.append(problem)
    # The first that is not `None` is what was most likely meant.
    meant = [problem for kind, problem in zip(kinds, problems) if kind is not type(None)]
    raise meant[0]


def _dataclass(kind: Any, value: Any, place: str) -> Any:
    given, hints = _is(dict, value, place), typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name, field in known.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in given and not optional:
            raise Reject(f"{place}.{name} is missing", code=CODE_INVALID)
    # What is there and not asked for is left out: senders add fields.
    return kind(**{name: fit(hints[name], given[name], f"{place}.{name}") for name in known if name in given})


def _typed_dict(kind: Any, value: Any, place: str) -> Any:
    given, hints = _is(dict, value, place), typing.get_type_hints(kind)
    for name in sorted(kind.__required_keys__):
        if name not in given:
            raise Reject(f"{place}.{name} is missing", code=CODE_INVALID)
    return {name: fit(hints[name], each, f"{place}.{name}") if name in hints else each for name, each in given.items()}


def refuse(place: str, expected: str, found: Any) -> Any:
    name = "null" if found is None else NAMES.get(type(found), type(found).__name__)
    raise Reject(f"{place}: expected {expected}, found {name}", code=CODE_INVALID)
