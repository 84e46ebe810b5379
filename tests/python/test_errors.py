"""The exceptions against the table of errors that all languages read."""

import builtins
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stargazer_core as sg
from python.values import load
from stargazer_core import _native, errors

ROWS = load("errors.json")["errors"]


def test_every_kind_of_the_core_has_a_class_and_a_row() -> None:
    kinds = _native.error_codes()
    assert {code for code, _ in kinds} == set(errors.BY_CODE) == {row["code"] for row in ROWS}
    assert dict(kinds) == {code: kind.retryable for code, kind in errors.BY_CODE.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_classes_are_those_of_the_table(row: dict[str, Any]) -> None:
    kind = getattr(sg, row["python"])
    assert kind is errors.BY_CODE[row["code"]]
    assert (kind.code, kind.retryable) == (row["code"], row["retryable"])
    assert issubclass(kind, sg.StargazerError)
    assert kind.__doc__


def test_a_timeout_is_also_the_builtin_one() -> None:
    assert issubclass(sg.TimeoutError, builtins.TimeoutError)


def test_an_error_says_its_context_and_survives_pickling() -> None:
    error = sg.FullError("wait", {"stream": "s", "stored": "no"})
    assert str(error) == "wait (stream=s, stored=no)"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.context) == (sg.FullError, str(error), error.context)


def test_an_outcome_that_is_none_of_the_four_is_refused() -> None:
    with pytest.raises(errors.InvalidError) as caught:
        sg.Outcome("nonsense")  # type: ignore[arg-type]
    assert caught.value.context["argument"] == "kind"


async def test_a_wrong_argument_is_named() -> None:
    bus: Any
    async with sg.connect("memory://") as bus:
        wrong: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("stream", lambda: bus.stream_info(3)),
            ("group", lambda: bus.pending("s", None)),
            ("stream", lambda: bus.publish(b"s", {})),
            ("message_id", lambda: bus.publish("s", {}, message_id=7)),
            ("wait_replicas", lambda: bus.publish("s", {}, wait_replicas=-1)),
            ("wait_replicas", lambda: bus.publish("s", {}, wait_replicas="1")),
            ("count", lambda: bus.entries("s", count=-1)),
            ("platforms", lambda: bus.ensure_streams("gateway", 3)),
            ("concurrency", lambda: bus.consume_inbound().run(print, concurrency=-1)),
            ("ids", lambda: bus.dead_letters().discard([3])),
        ]
        for name, call in wrong:
            with pytest.raises(sg.errors.InvalidError, match=rf"^{name} must be .*found") as caught:
                await call()
            assert caught.value.context["argument"] == name
            again = pickle.loads(pickle.dumps(caught.value))
            assert (type(again), str(again)) == (errors.ArgumentError, str(caught.value))
        with pytest.raises(sg.errors.InvalidError, match=r"^platform must be text, found 3"):
            bus.consume_outbound(3)
