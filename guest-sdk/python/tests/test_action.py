"""What authors see, natively: the same files that a component is made of, with the host's fakes."""

from __future__ import annotations

import json
import unittest
from dataclasses import dataclass, field
from typing import Any, Literal, Optional, TypedDict

from fusebox_sdk import Context, HostError, ObjectRef, Outcome, Reject, Retry, action, budget, emit, http, kv, log
from fusebox_sdk.testing import Answer, Request, run


@dataclass
class Line:
    text: str
    amount: float = 0.0


@dataclass
class Order:
    id: str
    lines: list[Line]
    state: Literal["open", "paid"] = "open"
    note: str | None = None
    labels: dict[str, int] = field(default_factory=dict)


class Person(TypedDict, total=False):
    name: str
    age: Optional[int]


class Returns(unittest.TestCase):
    def test_what_is_returned_is_the_output(self) -> None:
        self.assertEqual(run(lambda payload: {"got": payload}, 7).output, {"got": 7})
        self.assertIsNone(run(lambda: None).output)
        self.assertEqual(run(lambda: Line("x", 1.5)).output, {"text": "x", "amount": 1.5})

    def test_an_outcome_brings_warnings_and_the_next_event(self) -> None:
        report = run(lambda: Outcome({"done": True}, warnings=["look"], event={"next": 1}))
        self.assertEqual((report.state, report.output, report.warnings, report.event), ("WARNING", {"done": True}, ["look"], {"next": 1}))

    def test_a_refusal_has_its_code_and_a_retry_its_time(self) -> None:
        def refuse() -> None:
            raise Reject("no such door", code=42)

        def later() -> None:
            raise Retry("busy", after_ms=1500)

        rejected, retried = run(refuse).failure, run(later).failure
        assert rejected and retried
        self.assertEqual((rejected.retry, rejected.code, rejected.message), (False, 42, "no such door"))
        self.assertEqual((retried.retry, retried.after_ms), (True, 1500))

    def test_a_code_that_the_run_could_not_have_is_refused_where_it_is_made(self) -> None:
        for code in (0, -1, 2**32):
            with self.assertRaises(ValueError):
                Reject("x", code=code)
        self.assertEqual(Reject("x", code=2**32 - 1).code, 2**32 - 1)
        with self.assertRaises(ValueError):
            Retry("x", after_ms=-1)

    def test_an_error_that_nobody_meant_says_where_it_came_from(self) -> None:
        def triage() -> None:
            raise KeyError("title")

        failure = run(triage).failure
        assert failure
        self.assertEqual((failure.retry, failure.code), (False, 1))
        self.assertRegex(failure.message, r"^KeyError: 'title'\n  at triage \(.*test_action.py:\d+\)$")

    def test_what_caused_an_error_is_told_and_the_places_in_python_itself_are_not(self) -> None:
        def read() -> None:
            try:
                json.loads("{")
            except ValueError as error:
                raise KeyError("title") from error

        def hide() -> None:
            try:
                json.loads("{")
            except ValueError:
                raise KeyError("title") from None

        told, hidden = run(read).failure, run(hide).failure
        assert told and hidden
        place = r"  at read \(.*test_action.py:\d+\)"
        self.assertRegex(told.message, rf"^KeyError: 'title'\n{place}\ncaused by json.*JSONDecodeError: .*\n{place}$")
        self.assertNotIn("caused by", hidden.message)

    def test_an_output_that_json_cannot_say_is_an_error_with_the_reason(self) -> None:
        failures = [run(lambda: object()).failure, run(lambda: float("nan")).failure]
        messages = [failure.message for failure in failures if failure]
        self.assertIn("JSON cannot say a object", messages[0])
        self.assertIn("ValueError", messages[1])

    def test_half_a_surrogate_pair_in_a_message_does_no_harm(self) -> None:
        def refuse() -> None:
            log.info("\ud83c")
            raise Reject("\udf88 x")

        report = run(refuse)
        assert report.failure
        self.assertEqual((report.failure.message, report.logs[0].message), ("? x", "?"))


class Takes(unittest.TestCase):
    def test_parameters_are_recognised_by_name(self) -> None:
        def all_of_it(ctx: Context, input: Any, payload: Any, params: Any) -> Any:
            return [payload, params, input, ctx.trigger]

        report = run(all_of_it, 1, params={"key": "k"}, input=None, trigger="fired")
        self.assertEqual(report.output, [1, {"key": "k"}, {}, "fired"])

    def test_another_parameter_is_refused_when_it_is_written(self) -> None:
        with self.assertRaisesRegex(TypeError, "takes `body`; an action may take payload, params, input, ctx"):

            @action
            def triage(body: Any) -> None: ...

        with self.assertRaisesRegex(TypeError, "is async"):

            @action
            async def slow() -> None: ...

    def test_a_dataclass_is_made_of_what_fits_and_more_is_left_out(self) -> None:
        def order(payload: Order) -> Any:
            return [payload.lines[0].amount, payload.state, payload.note, payload.labels]

        sent = {"id": "o", "lines": [{"text": "x", "amount": 2}], "labels": {"a": 1}, "new": True}
        self.assertEqual(run(order, sent).output, [2.0, "open", None, {"a": 1}])

    def test_what_does_not_fit_is_rejected_with_its_place(self) -> None:
        def order(payload: Order) -> None: ...

        good: dict[str, Any] = {"id": "o", "lines": []}
        changes: list[tuple[dict[str, Any], str]] = [
            ({"id": 7}, "payload.id: expected a string, found a number"),
            ({"lines": [{"text": "x"}, {"text": None}]}, "payload.lines[1].text: expected a string, found null"),
            ({"lines": [{}]}, "payload.lines[0].text is missing"),
            ({"lines": {}}, "payload.lines: expected a list, found an object"),
            ({"state": "lost"}, "payload.state: expected 'open' or 'paid', found a string"),
            ({"note": 1}, "payload.note: expected a string, found a number"),
            ({"labels": {"a": True}}, "payload.labels.a: expected a number, found a boolean"),
        ]
        for change, message in changes:
            failure = run(order, {**good, **change}).failure
            assert failure
            self.assertEqual((failure.code, failure.message), (2, message))
        failure = run(order, [1]).failure
        assert failure
        self.assertEqual(failure.message, "payload: expected an object, found a list")

    def test_a_typed_dict_is_checked_and_keeps_what_it_does_not_know(self) -> None:
        def greet(payload: Person) -> Any:
            return payload

        self.assertEqual(run(greet, {"name": "Ada", "age": None, "x": 1}).output, {"name": "Ada", "age": None, "x": 1})
        failure = run(greet, {"age": "old"}).failure
        assert failure
        self.assertEqual(failure.message, "payload.age: expected a number, found a string")


class Asks(unittest.TestCase):
    def test_lines_are_kept_with_their_level_and_fields(self) -> None:
        def say() -> None:
            log.trace("step")
            log.warn("odd", n=1, thing=ObjectRef("t", "1"), nan=float("nan"))

        lines = [(line.level, line.message, line.fields) for line in run(say).logs]
        thing = "ObjectRef(object_type='t', object_id='1')"
        self.assertEqual(lines, [("trace", "step", {}), ("warn", "odd", {"n": 1, "thing": thing, "nan": "nan"})])

    def test_the_store_keeps_what_succeeds_and_conflicts_are_tried_again(self) -> None:
        def count() -> Any:
            seen = kv.get("seen")
            kv.set("seen", str(int(seen.text() if seen else 0) + 1), expect=seen.version if seen else "nothing")
            kv.set("other", {"list": [1]})
            kv.set("mine", b"m", scope="attachment")
            other = kv.get("other")
            return [kv.list(), kv.list("s"), kv.list(limit=1), kv.list(after="other"), other and other.json(), kv.get("mine")]

        report = run(count, kv={"seen": "4"})
        self.assertEqual(report.output, [["other", "seen"], ["seen"], ["other"], ["seen"], {"list": [1]}, None])
        self.assertEqual(report.kv, {"seen": b"5", "other": b'{"list": [1]}'})
        conflict = run(lambda: kv.set("seen", "x", expect="nothing"), kv={"seen": "4"})
        assert conflict.failure and isinstance(conflict.error, HostError)
        self.assertEqual((conflict.failure.retry, conflict.error.kind), (True, "conflict"))

        def undo() -> None:
            kv.delete("seen")
            raise Reject("no")

        self.assertEqual(run(undo, kv={"seen": "4"}).kv, {"seen": b"4"})

    def test_events_are_fired_with_a_success_and_not_without(self) -> None:
        def fire(payload: Any) -> None:
            emit.event("door_opened", {"id": 1})
            emit.event("told", "x", ObjectRef("t", "1"))
            if payload == "fail":
                raise Reject("no")

        fired = run(fire).emitted
        self.assertEqual([(each.event_type, each.payload) for each in fired], [("door_opened", {"id": 1}), ("told", "x")])
        self.assertEqual((fired[1].object, run(fire, "fail").emitted), (ObjectRef("t", "1"), []))

        def refuse(event: Any) -> None:
            raise HostError("emit", "refused", f"there is no event type {event.event_type}")

        failure = run(fire, emit=refuse).failure
        assert failure
        self.assertEqual((failure.retry, failure.message), (False, "there is no event type door_opened"))

    def test_requests_go_out_as_they_are_meant_and_answers_come_back(self) -> None:
        def send() -> Any:
            answer = http.post("https://chat.test/hook", headers={"X-Key": "k"}, json={"text": "grün"}, timeout_ms=500)
            return [answer.status, answer.ok, answer.header("CONTENT-type"), answer.json()]

        def answer(request: Request) -> Answer:
            self.assertEqual(request.json(), {"text": "grün"})
            return Answer(201, {"ok": True}, {"content-type": "application/json"})

        report = run(send, http=answer)
        self.assertEqual(report.output, [201, True, "application/json", {"ok": True}])
        self.assertEqual(report.requests[0].headers, {"X-Key": "k", "content-type": "application/json"})
        self.assertEqual((report.requests[0].method, report.requests[0].timeout_ms), ("POST", 500))

    def test_who_is_denied_is_told_and_who_was_not_answered_may_try_again(self) -> None:
        def answer(request: Request) -> Answer:
            raise HostError("http", "timeout", "no answer")

        denied, timeout = run(lambda: http.get("https://x.test")), run(lambda: http.get("https://x.test"), http=answer)
        assert denied.failure and timeout.failure and isinstance(denied.error, HostError)
        self.assertEqual((denied.failure.retry, denied.error.kind), (False, "denied"))
        self.assertEqual((timeout.failure.retry, timeout.failure.message), (True, "no answer"))

    def test_budget_and_cancellation_can_be_asked_for(self) -> None:
        report = run(lambda: [budget.left().fuel, budget.cancelled()], cancelled=True)
        self.assertEqual(report.output, [1_000_000_000, True])

    def test_chance_repeats_with_its_seed(self) -> None:
        def draw(ctx: Context) -> Any:
            return [ctx.random.random(), ctx.random.randrange(1000)]

        self.assertEqual(run(draw).output, run(draw).output)
        self.assertNotEqual(run(draw).output, run(draw, seed=(1, 3)).output)

    def test_asking_the_host_outside_of_a_run_says_so(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "only while it runs"):
            log.info("x")


if __name__ == "__main__":
    unittest.main()
