from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

from fusebox_sdk.testing import Report, run

from action import score

HERE = Path(__file__).parent
ORDER: dict[str, Any] = json.loads((HERE / "sample.json").read_text("utf-8"))
RULES: dict[str, Any] = json.loads((HERE / "input.json").read_text("utf-8"))


class Scores(unittest.TestCase):
    def score(self, change: dict[str, Any] | None = None, **rules: Any) -> Report:
        return run(score, {**ORDER, **(change or {})}, input={**RULES, **rules})

    def test_the_rules_that_hold_add_up_and_are_named(self) -> None:
        report = self.score()
        because = ["gift cards", "large", "shipped elsewhere", "first order"]
        self.assertEqual(report.output, {"order": "A-1042", "score": 90, "decision": "review", "because": because})
        self.assertEqual((report.event["decision"], report.event["total"]), ("review", 749.0))

    def test_the_bounds_decide_at_and_past_them(self) -> None:
        for refuse_at, review_at, decision in [(90, 50, "refuse"), (91, 90, "review"), (92, 91, "accept")]:
            self.assertEqual(self.score(refuse_at=refuse_at, review_at=review_at).output["decision"], decision)

    def test_what_is_missing_holds_only_where_that_is_asked(self) -> None:
        report = self.score({"customer": {"country": "PT"}, "lines": [], "total": 1})
        self.assertEqual(report.output["because"], ["no address"])

    def test_without_rules_everything_is_accepted_with_a_warning(self) -> None:
        report = self.score(rules=[])
        self.assertEqual((report.state, report.output["decision"]), ("WARNING", "accept"))

    def test_a_rule_that_compares_what_cannot_be_compared_is_named(self) -> None:
        failure = self.score({"total": "much"}).failure
        assert failure
        self.assertEqual((failure.code, failure.message), (20, "the rule `large` compares a str with a int"))

    def test_a_rule_set_that_is_none_is_refused_with_its_place(self) -> None:
        failure = self.score(rules=[{"name": "x", "when": {"path": "a", "op": "like"}, "points": 1}]).failure
        assert failure
        self.assertRegex(failure.message, r"^input.rules\[0\].when.op: expected 'eq' or ")
        many = self.score(rules=[RULES["rules"][0]] * 201).failure
        assert many
        self.assertEqual(many.message, "201 rules are more than 200")


if __name__ == "__main__":
    unittest.main()
