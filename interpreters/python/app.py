"""The interpreter of Python: `check` compiles a source without running it, `run` runs what was compiled, with the SDK.

A source is an action's file as the SDK for Python has it: `@action` above a function, or a function called `run`.
"""

import ast
import marshal
import sys
from types import ModuleType

from componentize_py_types import Err
from fusebox_sdk import budget, emit, http, kv, log  # noqa: F401: what a source may import is in the component
from fusebox_sdk._failure import failed
from fusebox_sdk._wit.attempt import attempt, failure

import wit_world

#: What places in messages call the author's file.
FILE = "action.py"
MODULE = "action"


def fault(message, line, column):
    return wit_world.Fault(message, max(line or 0, 0), max(column or 0, 0))


def is_action(node):
    """A function that is called `run`, or has `@action` above it in one of its spellings."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    names = [mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", None) for mark in node.decorator_list]
    return node.name == "run" or "action" in names


class WitWorld(wit_world.WitWorld):
    def check(self, code):
        try:
            tree = ast.parse(code, FILE)
            program = compile(tree, FILE, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Err([fault(f"SyntaxError: {error.msg}", error.lineno, error.offset)]) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise Err([fault(f"{type(error).__name__}: {error}", 0, 0)]) from None
        found = [node for node in tree.body if is_action(node)]
        if not found:
            raise Err([fault("there is no action: write `@action` above its function", 0, 0)])
        for node in found:
            if isinstance(node, ast.AsyncFunctionDef):
                raise Err([fault("an action is not async", node.lineno, node.col_offset + 1)])
        return marshal.dumps(program)

    def run(self, program, ctx):
        module = ModuleType(MODULE)
        sys.modules[MODULE] = module
        try:
            exec(marshal.loads(program), vars(module))
        except BaseException as error:  # Also SystemExit: whatever ends it is the attempt's end, with a reason.
            raise Err(failure(failed(error))) from None
        return attempt(module, ctx)
