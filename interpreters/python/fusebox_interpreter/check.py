"""Looks at an action's source without running any of it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType

from fusebox_sdk._action import PARAMETERS

#: What places call the author's source, and what its module is called.
FILE = "action.py"
MODULE = "action"
KIT = "fusebox_sdk"

#: Whether there is a module of this name to import.
Known = Callable[[str], bool]
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Statements with statements in them, which are of the module as well.
COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match)

NO_ACTION = (
    "there is no action; write `@action` (`from fusebox_sdk import action`) above its function, as in "
    "`def greet(payload, ctx):`, or call the function `run`"
)
#: What is known for sending requests, for which the kit has its own way.
SENDING = frozenset(["aiohttp", "http.client", "httpx", "requests", "socket", "urllib.request", "urllib3"])
ONE_FILE = f"an action is one file, and what it can import is the standard library and {KIT}"


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: in lines and characters from 1, or 0 where that is not known."""

    message: str
    line: int = 0
    column: int = 0


class Refused(Exception):
    """The source is no action."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def check(source: str, known: Known) -> CodeType:
    """The code of the module. Raises Refused."""
    source = source.removeprefix("\ufeff")
    text = Text(source)
    zero = source.find("\0")
    if zero >= 0:
        raise Refused([text.at(zero, "there is a zero character in the source")])
    try:
        tree = ast.parse(source, FILE)
    except SyntaxError as error:
        raise Refused([syntax(error, error.offset or 0)]) from None
    except Exception as error:
        raise Refused([unfit(error)]) from None
    faults = [*imports(tree.body, text, known), *action(tree, text)]
    if faults:
        raise Refused(faults)
    try:
        return compile(tree, FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        # The parser counts columns in characters, what comes behind it in bytes.
        column = text.column(error.lineno or 0, (error.offset or 1) - 1)
        raise Refused([syntax(error, column)]) from None
    except Exception as error:
        raise Refused([unfit(error)]) from None


def syntax(error: SyntaxError, column: int) -> Fault:
    return Fault(f"{type(error).__name__}: {error.msg}", error.lineno or 0, column if error.lineno else 0)


def unfit(error: Exception) -> Fault:
    """Too deep or too long for Python itself, which says no place."""
    return Fault(f"Python cannot compile it: {type(error).__name__}: {error}".rstrip(": "))


class Text:
    """The source by its lines, for the places of faults."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        if self._lines is None:
            self._lines = re.split("\r\n|\r|\n", self._source)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def column(self, line: int, byte: int) -> int:
        """The character from 1 at a byte from 0."""
        return len(self.line(line).encode()[:byte].decode(errors="ignore")) + 1

    def at(self, character: int, message: str) -> Fault:
        before = re.split("\r\n|\r|\n", self._source[:character])
        return Fault(message, len(before), len(before[-1]) + 1)

    def of(self, node: ast.stmt | ast.expr | ast.alias | ast.arg, message: str) -> Fault:
        return Fault(message, node.lineno, self.column(node.lineno, node.col_offset))


def imports(body: list[ast.stmt], text: Text, known: Known) -> Iterator[Fault]:
    """Imports that cannot but fail: those at the top of the file. What is behind an `if`, a `try` or in a function may not
    be reached, or be meant to fail."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if not known(alias.name):
                    yield text.of(alias, absent(alias.name))
        elif isinstance(statement, ast.ImportFrom):
            yield from imports_from(statement, text, known)


def imports_from(statement: ast.ImportFrom, text: Text, known: Known) -> Iterator[Fault]:
    module = statement.module or ""
    if statement.level > 0:
        yield text.of(statement, f"there is nothing beside it to import from: {ONE_FILE}")
    elif not known(module):
        fault = text.of(statement, absent(module))
        behind = text.line(fault.line).find(module, fault.column - 1)
        yield Fault(fault.message, fault.line, max(behind + 1, fault.column))
    elif module.split(".")[0] == KIT:
        there = dir(importlib.import_module(module))
        for alias in statement.names:
            if alias.name not in (*there, "*"):
                yield text.of(alias, f"`{module}` has no `{alias.name}`")


def absent(name: str) -> str:
    instead = f"; requests are sent with `{KIT}.http`" if name in SENDING else ""
    return f"there is no `{name}` to import: {ONE_FILE}{instead}"


def action(tree: ast.Module, text: Text) -> Iterator[Fault]:
    """Whether the module comes to have an action that can be called, as far as that is known before it runs."""
    names, found = Marks(), False
    marked: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    for statement in statements(tree.body):
        if isinstance(statement, Function):
            found = found or statement.name == "run"
            if any(names.has(decorator) for decorator in statement.decorator_list):
                marked.append(statement)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names.take(statement)
            found = found or any((alias.asname or alias.name) in ("run", "*") for alias in statement.names)
        else:
            found = found or binds_run(statement) or names.has_call(statement)
    if not marked and not found:
        yield Fault(NO_ACTION)
    for second in marked[1:]:
        # One of the same name takes the place of the first; which of two in an `if` there is, is known when it runs.
        if second in tree.body and marked[0] in tree.body and second.name != marked[0].name:
            yield text.of(second, f"`{second.name}` is one more function with @action; an action is one function")
    plain = [it for it in tree.body if isinstance(it, Function) and it.name == "run" and not it.decorator_list]
    for function in marked or plain:
        # What another decorator makes of it is known when it runs.
        if all(names.has(decorator) for decorator in function.decorator_list):
            yield from callable_faults(function, text)


class Marks:
    """The names that a file has for the kit and for its `action`."""

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._kits: set[str] = set()

    def take(self, statement: ast.Import | ast.ImportFrom) -> None:
        if isinstance(statement, ast.Import):
            self._kits |= {alias.asname or KIT for alias in statement.names if alias.name == KIT}
        elif statement.module == KIT:
            self._own |= {alias.asname or "action" for alias in statement.names if alias.name in ("action", "*")}

    def has(self, node: ast.expr) -> bool:
        """Whether it is the kit's `action`."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr == "action" and node.value.id in self._kits
        return isinstance(node, ast.Name) and node.id in self._own

    def has_call(self, statement: ast.stmt) -> bool:
        """`action(function)` marks as well as `@action` does."""
        value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)) else None
        return isinstance(value, ast.Call) and self.has(value.func)


def callable_faults(function: ast.FunctionDef | ast.AsyncFunctionDef, text: Text) -> Iterator[Fault]:
    name = function.name
    if isinstance(function, ast.AsyncFunctionDef):
        yield text.of(function, f"{name} is async, which an action is not: what it asks of its host is there at once")
    given = function.args
    for each in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if each.arg not in PARAMETERS:
            yield text.of(each, takes(name, each.arg))
    for more in (given.vararg, given.kwarg):
        if more:
            yield text.of(more, takes(name, more.arg))


def takes(name: str, parameter: str) -> str:
    return f"{name} takes `{parameter}`; an action may take {', '.join(PARAMETERS)}"


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module in their order, also within others, but not within functions and classes."""
    waiting = [iter(body)]
    while waiting:
        for statement in waiting[-1]:
            yield statement
            if isinstance(statement, COMPOUND):
                waiting.append(within(statement))
                break
        else:
            waiting.pop()


def within(statement: ast.stmt) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from child.body


def binds_run(statement: ast.stmt) -> bool:
    """Whether it gives something the name `run`."""
    if isinstance(statement, ast.ClassDef):
        return statement.name == "run"
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    for target in targets:
        # More than one name at once is looked into.
        for node in [target] if isinstance(target, ast.Name) else ast.walk(target):
            if isinstance(node, ast.Name) and node.id == "run":
                return True
    return False
