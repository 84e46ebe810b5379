"""Bodies: the bytes are those of msgpack-python, and what has no place in a body is refused with its path."""

import asyncio
import enum
import math
from collections import OrderedDict, defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import stargazer_core as sg
from python.values import load, plain, spelled
from stargazer_core import _native

ROWS = load("envelope.json")


def same(one: Any, other: Any) -> bool:
    """Equal, NaN to itself, and a float is no integer."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("row", ROWS["values"], ids=lambda row: row["name"])
def test_values_are_written_as_the_vectors_say(row: dict[str, Any]) -> None:
    value = plain(row["value"])
    written = _native.encode(value)
    if "hex" in row:
        assert written.hex() == row["hex"]
    else:
        assert (written[:16].hex(), len(written)) == (row["head"], row["length"])
    assert same(_native.decode(written), value)


@pytest.mark.parametrize("row", ROWS["other_forms"], ids=lambda row: row["name"])
def test_other_forms_are_read(row: dict[str, Any]) -> None:
    value = _native.decode(spelled(row))
    assert same(value, plain(row["value"]))
    assert _native.encode(value).hex() == row["written"]


@pytest.mark.parametrize("row", ROWS["accepted"], ids=lambda row: f"{row['kind']} {row['name']}")
def test_envelopes_are_read_and_written(row: dict[str, Any]) -> None:
    value = _native.decode(spelled(row))
    assert same(value, plain(row["value"]))
    assert _native.encode(value) == spelled(row)


@pytest.mark.parametrize(
    "row", [row for row in ROWS["refused"] if row["kind"] == "plain" and row["read"]], ids=lambda row: row["name"]
)
def test_bad_bytes_are_refused(row: dict[str, Any]) -> None:
    with pytest.raises(sg.StargazerError) as caught:
        _native.decode(spelled(row))
    assert caught.value.code == row["read"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS["just_fit"] if row["kind"] == "plain"], ids=lambda row: row["name"]
)
def test_bodies_at_a_limit_are_taken(row: dict[str, Any]) -> None:
    assert _native.encode(_native.decode(spelled(row))) == spelled(row)


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "stands_for"),
    [
        ((1, "a"), [1, "a"]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (sg.Inbound(a=1), {"a": 1}),
        (Colour.RED, "red"),
        ({Colour.RED: 1}, {"red": 1}),
        (Level.HIGH, 3),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"xaby")[1:3], b"ab"),
    ],
)
def test_kin_of_the_plain_types_are_written_as_those(value: Any, stands_for: Any) -> None:
    assert _native.encode(value) == msgpack.packb(stands_for)


class Weird:
    pass


@pytest.mark.parametrize(
    ("body", "field", "found"),
    [
        ({"a": {1, 2}}, "a", "set"),
        ({"a": [{"b": Weird()}]}, "a[0].b", "Weird"),
        ([1, [2, 1j]], "[1][1]", "complex"),
        (2**64, "", "an integer beyond 64 bits"),
        ({"n": -(2**63) - 1}, "n", "an integer beyond 64 bits"),
        ({"t": "\ud800"}, "t", "text with a lone surrogate"),
        ({"a": {"\udfff": 1}}, "a", "text with a lone surrogate"),
        ({"a": {1: 2}}, "a", "a key of type int"),
        ({b"a": 1}, "", "a key of type bytes"),
        ({"at": datetime(2026, 1, 1)}, "at", "a datetime without a time zone"),
        ({"d": datetime(2026, 1, 1).date()}, "d", "date"),
        ({"e": sg.Ext(300, b"")}, "e", "Ext"),
        (Weird(), "", "Weird"),
    ],
)
def test_what_has_no_place_is_refused_with_its_path(body: Any, field: str, found: str) -> None:
    with pytest.raises(sg.InvalidError) as caught:
        _native.encode(body)
    assert caught.value.context["field"] == field
    assert caught.value.context["found"] == found
    assert caught.value.context["stored"] == "no"
    assert caught.value.context["expected"]
    assert field in str(caught.value)


def test_a_body_that_holds_itself_is_refused() -> None:
    body: dict[str, Any] = {"a": []}
    body["a"].append(body)
    with pytest.raises(sg.InvalidError, match="holds itself"):
        _native.encode(body)


def test_a_body_that_is_too_deep_is_too_large() -> None:
    body: list[Any] = []
    for _ in range(5000):
        body = [body]
    with pytest.raises(sg.TooLargeError, match="more than 64 deep"):
        _native.encode(body)


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = {"x": 1}
    assert _native.decode(_native.encode([shared, shared])) == [shared, shared]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 11, 21, 12, tzinfo=timezone.utc),
        datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2))),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
        datetime(1, 1, 1, tzinfo=timezone.utc),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
        datetime(2514, 5, 30, 1, 53, 4, tzinfo=timezone.utc),
    ],
)
def test_aware_datetimes_keep_their_microsecond(time: datetime) -> None:
    written = _native.encode(time)
    assert written == msgpack.packb(time, datetime=True)
    read = _native.decode(written)
    assert read == time
    assert read.tzinfo is timezone.utc


def test_a_year_that_python_lacks_stays_an_extension() -> None:
    far = sg.Ext(-1, b"\0\0\0\0" + (2**60).to_bytes(8, "big"))
    assert _native.decode(_native.encode(far)) == far


async def test_later_changes_of_a_body_do_not_show(bus: sg.Bus) -> None:
    body = {"a": 1}
    under_way = asyncio.ensure_future(bus.publish("s", body))
    await asyncio.sleep(0)
    body["a"] = 2
    await under_way
    assert [entry.data for entry in await bus.entries("s")] == [{"a": 1}]
