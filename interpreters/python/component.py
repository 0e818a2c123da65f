"""Python for source-code actions: one component for all of them, which are data to it.

What is done while this is imported is done when the component is built: componentize-py keeps the memory as it is then, so
that an attempt begins with an interpreter that is warm. What an action finds is the kit, `guest-sdk/python`, as it is in
components that are built ahead of time.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import sys
import warnings
from types import ModuleType

# Each is a module that asks the host for something, and is there for whoever imports it.
from fusebox_sdk import budget, emit, http, kv, log  # noqa: F401
from fusebox_sdk._failure import FOREIGN
from fusebox_sdk._wit.attempt import attempt
from componentize_py_types import Err
from wit_world import Fault
from wit_world.imports import types

from fusebox_interpreter.check import FILE, MODULE, Refused, check
from fusebox_interpreter.library import LIBRARY, PRELOADED


class WitWorld:
    """The component, as its bindings want it."""

    def check(self, code: str) -> bytes:
        # Python would print what it finds odd, which nobody reads here.
        warnings.simplefilter("ignore")
        try:
            return marshal.dumps(check(code, LIBRARY.has))
        except Refused as refused:
            raise Err([Fault(fault.message, fault.line, fault.column) for fault in refused.faults]) from None

    def run(self, program: bytes, ctx: types.Context) -> types.Outcome:
        return attempt(lambda: load(program), ctx)


def load(program: bytes) -> ModuleType:
    """The author's module, begun. The program is what `check` of this component wrote; the server keeps it for no other."""
    module = ModuleType(MODULE)
    module.__file__ = FILE
    sys.modules[MODULE] = module
    exec(marshal.loads(program), vars(module))
    return module


def begin() -> None:
    """Puts everything in place that each attempt begins with."""
    for name in PRELOADED:
        importlib.import_module(name)
    LIBRARY.pack()
    LIBRARY.install()
    FOREIGN.append(__file__)
    # Where the component was built is nobody's business, and there is nothing there to be found.
    os.environ.clear()
    sys.path[:] = []
    sys.path_importer_cache.clear()
    # What is here by now stays: no collection of an attempt looks at it, which would copy the memory it lies in.
    gc.collect()
    gc.freeze()


begin()
