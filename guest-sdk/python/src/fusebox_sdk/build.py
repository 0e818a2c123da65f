"""`fusebox-build [FILE] [--out COMPONENT]`: an action's file, and what it imports, into a component."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from modulefinder import ModuleFinder
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: The contract: in the repository a few folders further up, in a published package within it.
CONTRACTS = [HERE.parents[2] / "wit" / "action.wit", HERE / "wit" / "action.wit"]
FILES = ["action.py", "app.py", "src/action.py"]
INTERFACES = ("log", "budget", "kv", "emit", "http")
WORLD = re.compile(r"^world action \{.*?^\}", re.MULTILINE | re.DOTALL)
NAME = "fusebox_component"

#: The component's one class, as the bindings want it.
GLUE = """\
import {module} as author
from fusebox_sdk._action import find
from fusebox_sdk._wit.attempt import attempt

find(author)


class WitWorld:
    def run(self, ctx):
        return attempt(lambda: author, ctx)
"""


class BuildError(Exception):
    """What whoever builds can mend."""


def contract() -> str:
    for path in CONTRACTS:
        if path.exists():
            return path.read_text("utf-8")
    raise BuildError("the package is not whole: it has no wit/action.wit")


def narrowed(wit: str, interfaces: list[str]) -> str:
    """The contract with a world that imports only these interfaces: a component's imports are what it asks for."""

    def world(match: re.Match[str]) -> str:
        kept = re.compile(r"^ *import ([\w-]+);\n", re.MULTILINE)
        return kept.sub(lambda line: line[0] if line[1] in interfaces else "", match[0])

    if not WORLD.search(wit):
        raise BuildError("wit/action.wit has no world `action`")
    return WORLD.sub(world, wit)


def asked(file: Path, folders: list[str]) -> list[str]:
    """The interfaces that the file and what it imports ask for: those whose modules of this package they import."""
    finder = ModuleFinder(path=[str(file.parent), str(HERE.parent), *folders])
    try:
        finder.run_script(str(file))
    except SyntaxError as error:
        raise BuildError(f"{error.filename}:{error.lineno}:{error.offset}: {error.msg}") from None
    return [name for name in INTERFACES if f"fusebox_sdk.{name}" in finder.modules]


def packages() -> list[str]:
    """Where installed packages lie, of which the action may use those that are plain Python."""
    return [path for path in sys.path if path.endswith("site-packages") and Path(path).is_dir()]


def build(file: Path, out: Path) -> list[str]:
    """Builds a component and gives the interfaces that it asks for."""
    if not file.stem.isidentifier():
        raise BuildError(f"{file.name} is no name of a module: take letters, digits and _")
    folders = packages()
    interfaces = asked(file, folders)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fusebox-build-") as made:
        Path(made, "action.wit").write_text(narrowed(contract(), interfaces), "utf-8")
        Path(made, f"{NAME}.py").write_text(GLUE.format(module=file.stem), "utf-8")
        paths = [made, str(file.resolve().parent), str(HERE.parent), *folders]
        arguments = ["-q", "-d", made, "-w", "action", "componentize", NAME, "-o", str(out)]
        for path in dict.fromkeys(paths):
            arguments += ["-p", path]
        run(arguments)
    return interfaces


def run(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from componentize_py import script; script()", *arguments]
    # What is written beside the sources would be found by the next build.
    done = subprocess.run(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    if done.returncode != 0:
        raise BuildError("componentize-py could not build the component; what it said is above")


def main() -> None:
    parser = argparse.ArgumentParser(prog="fusebox-build", description="Builds an action's file into a component.")
    parser.add_argument("file", nargs="?", type=Path, help=f"the action's file; {', '.join(FILES)} unless told")
    parser.add_argument("--out", type=Path, help="the component; dist/NAME.wasm unless told")
    given = parser.parse_args()
    try:
        found = [Path(name) for name in FILES if Path(name).is_file()]
        file = given.file or (found[0] if found else None)
        if file is None or not file.is_file():
            raise BuildError(f"there is no file {file}" if file else f"there is none of {', '.join(FILES)}; say which")
        out = given.out or Path("dist", f"{Path.cwd().name}.wasm")
        interfaces = build(file, out)
    except BuildError as error:
        sys.exit(f"error: {error}")
    print(f"{out}: {out.stat().st_size} bytes; asks for {', '.join(interfaces) or 'nothing'}")


if __name__ == "__main__":
    main()
