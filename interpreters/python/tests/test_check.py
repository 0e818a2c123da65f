"""What an author is told when an action is saved."""

from __future__ import annotations

import importlib.util
import unittest

from fusebox_interpreter.check import Refused, check


def known(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def faults(source: str) -> list[tuple[str, int, int]]:
    try:
        check(source, known)
    except Refused as refused:
        return [(fault.message, fault.line, fault.column) for fault in refused.faults]
    return []


RUN = "def run(): ...\n"


class Check(unittest.TestCase):
    def assert_fault(self, source: str, words: str, place: tuple[int, int]) -> None:
        [(message, *found)] = faults(source)
        self.assertIn(words, message)
        self.assertEqual(tuple(found), place, message)

    def test_a_syntax_error_has_its_place_in_characters(self) -> None:
        self.assert_fault("def run(grüße):\n    ü = (1,\n", "SyntaxError: '(' was never closed", (2, 9))
        # Found by the compiler behind the parser, which counts bytes.
        self.assert_fault(RUN + "ü = 'ü'; return 1\n", "SyntaxError: 'return' outside function", (2, 10))
        self.assert_fault(RUN + "# ü\0\n", "zero character", (2, 4))
        self.assert_fault(RUN + "x = 1_\n", "SyntaxError: invalid decimal literal", (2, 6))

    def test_a_mark_of_the_byte_order_is_no_character(self) -> None:
        self.assertEqual(faults("\ufeff" + RUN), [])

    def test_a_file_without_an_action_is_told_what_is_missing(self) -> None:
        for source in ("", "x = 1\n", "from fusebox_sdk import action\ndef greet(payload): ...\n", "class A:\n def run(): ...\n"):
            self.assert_fault(source, "there is no action; write `@action`", (0, 0))

    def test_an_action_is_found_however_it_is_written(self) -> None:
        for source in (
            RUN,
            "from fusebox_sdk import action\n@action\ndef greet(payload, ctx): ...\n",
            "from fusebox_sdk import action as mark\n@mark\ndef greet(): ...\n",
            "import fusebox_sdk\n@fusebox_sdk.action\ndef greet(): ...\n",
            "import fusebox_sdk as kit\n@kit.action\ndef greet(): ...\n",
            "from fusebox_sdk import *\n@action\ndef greet(): ...\n",
            "from fusebox_sdk import action\ndef make(): ...\ngreet = action(make())\n",
            "run = lambda payload: payload\n",
            "a, run = 1, print\n",
            "run: object = print\n",
            "from operator import neg as run\n",
            "if 1:\n    pass\nelif 2:\n    def run(): ...\n",
            "try:\n    x = 1\nexcept ValueError:\n    def run(): ...\n",
            "match 1:\n    case 1:\n        def run(): ...\n",
        ):
            self.assertEqual(faults(source), [], source)

    def test_an_action_that_could_not_be_called_is_told_with_its_place(self) -> None:
        self.assert_fault("def run(payload,\n        body): ...\n", "run takes `body`; an action may take payload", (2, 9))
        self.assert_fault("def run(*all): ...\n", "run takes `all`", (1, 10))
        self.assert_fault("async def run(): ...\n", "run is async, which an action is not", (1, 1))
        two = "from fusebox_sdk import action\n@action\ndef a(): ...\n@action\ndef b(): ...\n"
        self.assert_fault(two, "`b` is one more function with @action", (5, 1))
        # What another decorator makes of it is not known here.
        self.assertEqual(faults("import functools\n@functools.cache\ndef run(body): ...\n"), [])

    def test_an_import_that_cannot_but_fail_is_told_with_its_place(self) -> None:
        self.assert_fault(RUN + "import json, leftpad\n", "there is no `leftpad` to import: an action is one file", (2, 14))
        self.assert_fault(RUN + "from  left.pad import x\n", "there is no `left.pad` to import", (2, 7))
        self.assert_fault(RUN + "from . import beside\n", "there is nothing beside it", (2, 1))
        self.assert_fault(RUN + "from fusebox_sdk import Outcome, nothing\n", "`fusebox_sdk` has no `nothing`", (2, 34))
        self.assert_fault(RUN + "import httpx\n", "requests are sent with `fusebox_sdk.http`", (2, 8))
        for guarded in ("try:\n    import leftpad\nexcept ImportError:\n    pass\n", "def f():\n    import leftpad\n"):
            self.assertEqual(faults(RUN + guarded), [])

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        self.assertEqual(len(faults("import leftpad\nimport rightpad\nx = 1\n")), 3)

    def test_what_is_checked_is_not_run(self) -> None:
        code = check("raise SystemExit\n" + RUN, known)
        self.assertEqual((code.co_filename, code.co_name), ("action.py", "<module>"))


if __name__ == "__main__":
    unittest.main()
