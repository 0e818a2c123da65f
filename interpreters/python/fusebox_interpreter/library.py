"""The standard library in memory: when it runs, a component has no files to import from."""

from __future__ import annotations

import json
import marshal
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Imported when the component is built, so that an action has them at once: what actions usually import, and what that
#: imports. Each takes some of every attempt's memory.
PRELOADED = (
    "base64",
    "calendar",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "operator",
    "random",
    "re",
    "secrets",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "time",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "zlib",
    "zoneinfo",
)

#: What needs a terminal, a screen, a process, threads, a foreign function or a network of its own, and what builds, tests
#: and is called from a command line. What another module brings in a faster form is left out too.
LEFT_OUT = frozenset(
    """
    __hello__ __phello__ _aix_support _android_support _apple_support _ios_support _osx_support _pydatetime _pydecimal
    _pyio _pyrepl _sysconfigdata__wasi_wasm32-wasi antigravity argparse asyncio bdb cProfile cmd code compileall
    concurrent ctypes curses dbm doctest ensurepip filecmp fileinput ftplib getopt getpass gettext http.client
    http.cookiejar http.server idlelib imaplib importlib.metadata json.tool logging.config logging.handlers mailbox
    modulefinder multiprocessing nturl2path optparse pdb pickletools poplib profile pstats pty py_compile pyclbr pydoc
    pydoc_data rlcompleter runpy shelve smtplib socket socketserver ssl subprocess tabnanny this timeit tkinter trace
    tracemalloc tty turtle turtledemo unittest urllib.request urllib.robotparser venv webbrowser wsgiref xmlrpc zipapp
    """.split()
)
#: Folders with files that are no modules.
NO_PACKAGES = frozenset(["site-packages", "__pycache__"])

HOME = os.path.dirname(os.path.dirname(json.__file__))


class Library:
    """Finds modules whose code is packed in it, for `import` and for whoever asks what there is to import."""

    def __init__(self) -> None:
        #: By the name of a module: its code, and whether there are modules in it.
        self._packed: dict[str, tuple[bytes, bool]] = {}

    def pack(self) -> None:
        """Takes in what is not loaded by now."""
        for name, path, is_package in modules(HOME, ""):
            if name in sys.modules:
                continue
            with open(path, "rb") as file:
                code = compile(file.read(), path, "exec", dont_inherit=True)
            # As it is loaded: what is compressed takes four times as long to be imported.
            self._packed[name] = marshal.dumps(code), is_package

    def install(self) -> None:
        """Takes the place of what looks for files."""
        sys.meta_path[-1:] = [self]

    def has(self, name: str) -> bool:
        return name in self._packed or name in sys.modules or name in sys.builtin_module_names

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in self._packed:
            return None
        is_package = self._packed[name][1]
        file = f"{HOME}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"
        spec = ModuleSpec(name, self, origin=file, is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        code, _ = self._packed[module.__name__]
        exec(marshal.loads(code), vars(module))


def modules(folder: str, package: str) -> Iterator[tuple[str, str, bool]]:
    """Name, file and whether it is a package, of everything in a folder, in an order that is always the same."""
    for entry in sorted(os.listdir(folder)):
        path, stem = f"{folder}/{entry}", entry.removesuffix(".py")
        name = f"{package}.{stem}" if package else stem
        if entry.endswith(".py"):
            if stem not in ("__init__", "__main__") and name not in LEFT_OUT:
                yield name, path, False
        elif os.path.isdir(path) and name not in LEFT_OUT | NO_PACKAGES and os.path.exists(f"{path}/__init__.py"):
            yield name, f"{path}/__init__.py", True
            yield from modules(path, name)


LIBRARY = Library()
