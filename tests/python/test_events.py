"""Lifecycle events: published in the original's bytes, read, handled; never in the way."""

import asyncio
import dataclasses
import json
import logging
import math
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import stargazer_core as sg
from harness.server import Server
from stargazer_core.events import (
    EVENT_KINDS,
    EventBus,
    EventBusReader,
    NullEventBus,
    get_event_bus,
    install_default_bus,
    set_event_bus,
)
from stargazer_core.payload import payload_json


@pytest.fixture
def stream() -> str:
    """A stream that no other test uses."""
    return f"t:{uuid.uuid4().hex}"


def original_payload(value: Any) -> Any:
    """The rule of the original, written down again."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, dict):
        return {k: original_payload(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [original_payload(v) for v in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__dict__"):
        return {k: original_payload(v) for k, v in vars(value).items() if not k.startswith("_")}
    return str(value)


class Model:
    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"mode": mode, "at": [1, 2.5]}


class Plain:
    def __init__(self) -> None:
        self.shown = {"a": (1, 2)}
        self._hidden = "no"


@dataclasses.dataclass
class Data:
    score: float = 0.1
    when: Any = dataclasses.field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


PAYLOADS: list[Any] = [
    None,
    {},
    {"a": 1, "b": [True, None, "Ü😀\x7f\u2028"], "c": {"d": (1, 2)}},
    {"floats": [0.1, 1e16, 5e-324, -0.0, math.nan, math.inf, -math.inf, 1.5e300]},
    {"whole": [2**63, -(2**80), 10**40]},
    {"lone": "\ud800", "bytes": b"a'\x00\xff"},
    {1: "a", None: "b", False: "c", 2.5: "d"},
    {"model": Model(), "plain": Plain(), "data": Data(), "kind": uuid.UUID(int=5), "set": {3}},
    [1, 2],
    "text",
    0,
]


async def raw(bus: sg.Bus, stream: str) -> list[bytes]:
    return [entry.fields["data"] for entry in await bus.entries(stream)]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
async def test_events_travel_in_the_originals_bytes(bus: sg.Bus, stream: str, payload: Any) -> None:
    events = bus.events(stream)
    said = {"arena": "trading", "arena_id": "a1", "phase": "Ä", "correlation_id": "c1"}
    entry_id = await events.publish("phase.complete", **said, payload=payload)
    (data,) = await raw(bus, stream)
    found = json.loads(data)
    assert datetime.fromisoformat(found["ts"]).utcoffset() is not None
    body = {
        "schema_version": "1",
        "kind": "phase.complete",
        "arena": "trading",
        "arena_id": "a1",
        "phase": "Ä",
        "ts": found["ts"],
        "correlation_id": "c1",
        "payload": original_payload(payload or {}),
    }
    assert data.decode() == json.dumps(body, default=str)
    async for event in bus.event_reader(stream, last_id="0"):
        assert list(event) == [*body, "stream_id"]
        assert event["stream_id"] == entry_id
        break


async def test_what_an_event_leaves_out_is_empty(bus: sg.Bus, stream: str) -> None:
    await bus.events(stream).publish("agent.start")
    event = await bus.event_reader(stream, last_id="0").next()
    assert event is not None
    assert (event["arena"], event["arena_id"], event["phase"], event["payload"]) == ("", "", "", {})
    assert len(event["correlation_id"]) == 32
    assert int(event["correlation_id"], 16) >= 0


def test_hostile_payloads_become_text() -> None:
    cycle: dict[str, Any] = {"a": [1]}
    cycle["a"].append(cycle)
    assert json.loads(payload_json(cycle)) == {"a": [1, "<cycle>"]}
    twice = {"x": 1}
    assert json.loads(payload_json([twice, twice])) == [{"x": 1}, {"x": 1}], "not a cycle"
    loop = Plain()
    loop.shown = loop  # type: ignore[assignment]
    assert json.loads(payload_json({"o": loop})) == {"o": {"shown": "<cycle>"}}
    deep: Any = "end"
    for _ in range(100_000):
        deep = [deep]
    assert "<too deep>" in payload_json(deep)

    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise ValueError

    assert json.loads(payload_json({"h": Hostile()})) == {"h": "<Hostile>"}

    class Silent:
        __slots__ = ()

        def __str__(self) -> str:
            raise ValueError

        def __bool__(self) -> bool:
            raise ValueError

    assert json.loads(payload_json({"s": Silent()})) == {"s": "<Silent>"}
    assert json.loads(payload_json(Silent())) == "<not serialisable: ValueError>"
    assert json.loads(payload_json({(1, 2): "a"})) == {"(1, 2)": "a"}

    class Broken:
        def model_dump(self, mode: str) -> Any:
            raise ValueError(mode)

        def __str__(self) -> str:
            return "broken"

    assert json.loads(payload_json([Broken()])) == ["broken"]


async def test_a_live_reader_misses_nothing_between_two_reads(bus: sg.Bus, stream: str) -> None:
    events = bus.events(stream)
    await events.publish("agent.start")
    reader = EventBusReader(bus, stream)
    assert reader.last_id == "$"
    await reader.ready()
    for n in (1, 2, 3):
        # While nobody reads.
        await events.publish("agent.signal", payload=n)
        event = await reader.next()
        assert event is not None
        assert event["payload"] == n
    last = await events.publish("agent.complete")
    event = await bus.event_reader(stream, last_id=reader.last_id).next()
    assert event is not None
    assert event["stream_id"] == last


async def test_a_reader_that_was_cancelled_loses_nothing(bus: sg.Bus, stream: str) -> None:
    reader = bus.event_reader(stream, last_id="0")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(reader.next(), 0.05)
    await bus.events(stream).publish("agent.start")
    event = await reader.next()
    assert event is not None
    assert event["kind"] == "agent.start"
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    await reader.aclose()
    assert await waiting is None
    assert [event async for event in reader] == []


async def test_what_is_no_event_is_told_as_such(server: Server, names: dict[str, Any], stream: str) -> None:
    client = redis.Redis.from_url(server.url)
    table: list[tuple[str, bytes, str]] = [
        ("other", b"{}", "no_data_field"),
        ("data", b"", "no_data_field"),
        ("data", b"\xff{}", "bad_utf8"),
        ("data", b"[1, 2]", "not_an_object"),
        ("data", b"17", "not_an_object"),
        ("data", b"{", "json_decode: "),
        ("data", b"[" * 100_000, "json_decode: "),
    ]
    async with sg.connect(server.url, **names) as bus:
        reader = bus.event_reader(stream, last_id="0", count=2)
        for field, data, problem in table:
            entry_id = client.xadd(stream, {field: data})
            assert isinstance(entry_id, bytes)
            event = await reader.next()
            assert event is not None
            assert event["stream_id"] == entry_id.decode()
            assert event["error"].startswith(problem)
            assert list(event) == ["stream_id", "error"]
        client.xadd(stream, {"data": json.dumps({"kind": 5, "big": 10**40, "stream_id": "mine"})})
        event = await reader.next()
        assert event is not None
        assert (event["big"], event["stream_id"]) == (10**40, reader.last_id)
    client.close()


async def test_events_are_handled_by_kind_or_by_beginning(
    bus: sg.Bus, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = bus.events(stream)
    for kind in ("phase.start", "novel.kind", "phase.error", "novel.kind", "agent.start"):
        await events.publish(kind)
    reader = bus.event_reader(stream, last_id="0")
    seen: list[tuple[str, str]] = []

    @reader.on("phase.*")
    async def phases(event: dict[str, Any]) -> None:
        seen.append(("phase.*", event["kind"]))
        if event["kind"] == "phase.error":
            raise ValueError("told in the log")

    reader.on("phase.start", lambda event: seen.append(("phase.start", event["kind"])))

    @reader.on("agent.start")
    async def end(event: dict[str, Any]) -> None:
        seen.append(("agent.start", event["kind"]))
        await reader.aclose()

    with caplog.at_level(logging.WARNING, "stargazer_core"):
        await asyncio.wait_for(reader.run(), 10)
    assert seen == [
        ("phase.*", "phase.start"),
        ("phase.start", "phase.start"),
        ("phase.*", "phase.error"),
        ("agent.start", "agent.start"),
    ]
    assert sum("novel.kind" in record.message for record in caplog.records) == 1
    assert sum("handler of events failed" in record.message for record in caplog.records) == 1
    wrong = bus.event_reader(stream)
    wrong.on("ph*", print)
    with pytest.raises(sg.InvalidError):
        await wrong.run()


async def test_closing_sends_the_events_that_wait(bus: sg.Bus, stream: str) -> None:
    events = bus.events(stream)
    for n in range(1000):
        events.publish_nowait("agent.signal", payload={"n": n})
    await events.aclose()
    await events.aclose()
    assert events.stats == {"published": 1000, "dropped": 0, "failed": 0, "late": 0, "queued": 0}
    assert await events.publish("agent.signal") == ""
    assert events.stats["dropped"] == 1
    reader = bus.event_reader(stream, last_id="0")
    for n in range(1000):
        event = await reader.next()
        assert event is not None
        assert event["payload"]["n"] == n


async def test_a_silent_server_holds_no_publisher_of_events_up(names: dict[str, Any]) -> None:
    with Server() as own:
        async with sg.connect(own.url, response_timeout=0.5, **names) as bus:
            events = bus.events()
            assert await events.publish_and_wait("agent.start")
            own.pause()
            try:
                for _ in range(5):
                    before = time.monotonic()
                    assert await events.publish("agent.signal") == ""
                    assert time.monotonic() - before < 0.3, "50 ms, and what a busy machine needs to notice"
                assert events.stats["late"] == 5
            finally:
                own.resume()
            while events.stats["queued"]:  # noqa: ASYNC110 - there is nothing to wait on
                await asyncio.sleep(0.01)
            stats = events.stats
            assert stats["published"] + stats["failed"] == 6
            assert await events.publish_and_wait("agent.complete")


async def test_deep_code_tells_the_bus_of_the_process(bus: sg.Bus, stream: str) -> None:
    assert isinstance(get_event_bus(), NullEventBus)
    sg.events.publish_nowait("agent.start", payload="into the void")
    try:
        installed = install_default_bus(bus, stream)
        assert get_event_bus() is installed
        assert (installed.stream, installed.maxlen) == (stream, 100_000)
        # From a thread without a loop as well.
        thread = threading.Thread(target=sg.events.publish_nowait, args=("agent.complete",), kwargs={"payload": [1]})
        thread.start()
        thread.join()
        event = await bus.event_reader(stream, last_id="0").next()
        assert event is not None
        assert (event["kind"], event["payload"]) == ("agent.complete", [1])
    finally:
        set_event_bus(None)
    null = get_event_bus()
    assert isinstance(null, NullEventBus)
    assert isinstance(null, EventBus)
    assert await null.publish("agent.start") == ""
    assert (null.stream, null.maxlen, null.stats["published"]) == ("", 0, 0)
    await null.aclose()


async def test_nothing_that_is_said_raises(bus: sg.Bus, stream: str) -> None:
    events = bus.events(stream)
    assert await events.publish("lone \ud800", arena=5, phase=None)  # type: ignore[arg-type]
    event = await bus.event_reader(stream, last_id="0").next()
    assert event is not None
    assert (event["kind"], event["arena"], event["phase"]) == ("lone ?", "5", "None")
    assert await events.publish("agent.start", payload="x" * 20_000_000) == ""
    await bus.close()
    assert await events.publish("agent.start") == ""
    events.publish_nowait("agent.start")
    for wrong in ({"stream": ""}, {"maxlen": -1}, {"maxlen": "many"}):
        with pytest.raises(sg.StargazerError):
            bus.events(**wrong)
    for options in ({"last_id": "x"}, {"count": 0}, {"block_ms": 0}):
        with pytest.raises(sg.StargazerError):
            bus.event_reader(**options)


def test_the_kinds_are_the_originals() -> None:
    assert len(EVENT_KINDS) == 19
    assert {"arena.start", "llm.call", "system.status"} <= EVENT_KINDS
