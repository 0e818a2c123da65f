"""Scores an order by a small rule set, and says what to do with it.

The rules are the input of the attachment (or of the action), so that a shop changes them without a build:

    {"rules": [{"name": "large", "when": {"path": "total", "op": "gt", "value": 500}, "points": 30}], "review_at": 50, "refuse_at": 80}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fusebox_sdk import Outcome, Reject, action, log

CODE_RULE = 20
#: Rules are somebody's input: a set that no person wrote is refused.
RULES_MAX = 200

Op = Literal["eq", "ne", "gt", "lt", "in", "contains", "missing", "differs_from"]


@dataclass
class Test:
    #: Where in the order: `customer.country`.
    path: str
    op: Op
    value: Any = None


@dataclass
class Rule:
    name: str
    when: Test
    points: int


@dataclass
class RuleSet:
    rules: list[Rule] = field(default_factory=list)
    review_at: int = 50
    refuse_at: int = 80


@dataclass
class Score:
    order: str
    score: int
    decision: Literal["accept", "review", "refuse"]
    #: The rules that held, those with the most points first.
    because: list[str]


MISSING = object()


def at(order: Any, path: str) -> Any:
    """What stands at a path, or MISSING. `lines.0.sku` goes into lists, too."""
    for step in path.split("."):
        if isinstance(order, dict) and step in order:
            order = order[step]
        elif isinstance(order, list) and step.isdecimal() and int(step) < len(order):
            order = order[int(step)]
        else:
            return MISSING
    return order


def holds(rule: Rule, order: Any) -> bool:
    found, test = at(order, rule.when.path), rule.when
    if test.op == "missing":
        return found is MISSING or found is None
    if found is MISSING:
        return False
    try:
        if test.op == "gt":
            return bool(found > test.value)
        if test.op == "lt":
            return bool(found < test.value)
        if test.op == "in":
            return bool(found in test.value)
        if test.op == "contains":
            return bool(test.value in found)
    except TypeError:
        kinds = f"a {type(found).__name__} with a {type(test.value).__name__}"
        raise Reject(f"the rule `{rule.name}` compares {kinds}", code=CODE_RULE) from None
    if test.op == "differs_from":
        return bool(found != at(order, str(test.value)))
    return bool(found == test.value) == (test.op == "eq")


@action
def score(payload: Any, input: RuleSet) -> Outcome:
    if len(input.rules) > RULES_MAX:
        raise Reject(f"{len(input.rules)} rules are more than {RULES_MAX}", code=CODE_RULE)
    held = sorted((rule for rule in input.rules if holds(rule, payload)), key=lambda rule: -rule.points)
    total = sum(rule.points for rule in held)
    decision: Literal["accept", "review", "refuse"] = "accept"
    if total >= input.refuse_at:
        decision = "refuse"
    elif total >= input.review_at:
        decision = "review"
    scored = Score(str(payload.get("id", "")), total, decision, [rule.name for rule in held])
    log.info(f"{decision} at {total}", order=scored.order, rules=scored.because)
    warnings = [] if input.rules else ["there are no rules, so everything is accepted"]
    return Outcome(scored, warnings=warnings, event={**payload, "score": total, "decision": decision})
