"""What a build finds out about an action's file before it is one."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from fusebox_sdk._action import find
from fusebox_sdk.build import BuildError, asked, build, contract, narrowed


class Build(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def test_a_component_asks_for_what_its_files_import(self) -> None:
        self.write("deeper.py", "def later():\n    from fusebox_sdk import kv\n")
        file = self.write("action.py", "import json\nimport deeper\nfrom fusebox_sdk import action, http\n")
        self.assertEqual(asked(file, []), ["kv", "http"])
        self.assertEqual(asked(self.write("plain.py", "from fusebox_sdk import action, Context\n"), []), [])

    def test_a_narrowed_world_imports_what_is_asked_for(self) -> None:
        wit = contract()
        world = narrowed(wit, ["kv"]).split("world action {")[1].split("\n}")[0]
        self.assertIn("import kv;", world)
        self.assertIn("export run:", world)
        self.assertNotIn("import log;", world)
        self.assertEqual(narrowed(wit, ["log", "budget", "kv", "emit", "http"]), wit)

    def test_what_is_no_python_is_told_with_its_place(self) -> None:
        file = self.write("action.py", "def run(payload):\n    return (\n")
        with self.assertRaisesRegex(BuildError, r"action.py:2:\d+: "):
            asked(file, [])

    def test_a_name_that_is_no_module_is_refused(self) -> None:
        with self.assertRaisesRegex(BuildError, "no name of a module"):
            build(self.write("my-action.py", ""), self.folder / "out.wasm")


class Find(unittest.TestCase):
    def module(self, text: str) -> object:
        import types

        module = types.ModuleType("author")
        exec(text, vars(module))  # noqa: S102 - a file of an author
        return find(module)

    def test_the_action_is_the_marked_function_or_run(self) -> None:
        marked = "from fusebox_sdk import action\n@action\ndef a(payload): ...\ndef run(payload): ..."
        self.assertEqual(getattr(self.module(marked), "__name__"), "a")
        self.assertEqual(getattr(self.module("def run(): ..."), "__name__"), "run")

    def test_none_and_two_are_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "has no action"):
            self.module("x = 1")
        with self.assertRaisesRegex(TypeError, "one action"):
            self.module("from fusebox_sdk import action\n@action\ndef a(): ...\n@action\ndef b(): ...")


if __name__ == "__main__":
    unittest.main()
