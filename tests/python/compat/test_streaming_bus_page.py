"""``EventBus``, ``EventBusReader``, the bus of the process: what the original's source says of them, line by line."""

import asyncio
import dataclasses
import gc
import inspect
import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
import stargazer_core as sg
from harness.server import Server
from stargazer_core import compat
from stargazer_core.compat import (
    EVENT_KINDS,
    EventBus,
    EventBusReader,
    NullEventBus,
    get_event_bus,
    install_default_bus,
    set_event_bus,
)

STREAM = "maf:events"
#: Nobody listens there.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest_asyncio.fixture
async def bus(url: str) -> AsyncIterator[EventBus]:
    bus = EventBus(url)
    yield bus
    await bus.aclose()


@pytest.fixture(autouse=True)
def no_bus_of_the_process() -> Iterator[None]:
    yield
    set_event_bus(None)


def written(witness: Any, stream: str = STREAM) -> list[dict[str, Any]]:
    return [json.loads(fields[b"data"]) for _, fields in witness.xrange(stream)]


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.levelno >= logging.WARNING for record in caplog.records)


async def first(reader: EventBusReader, count: int) -> list[dict[str, Any]]:
    seen = []
    async with asyncio.timeout(20):
        async for event in reader:
            seen.append(event)
            if len(seen) == count:
                break
    return seen


def test_the_canonical_event_kinds() -> None:
    assert isinstance(EVENT_KINDS, frozenset)
    arena = {"arena.start", "arena.complete", "arena.error"}
    phase = {"phase.start", "phase.complete", "phase.error"}
    agent = {"agent.start", "agent.complete", "agent.signal", "agent.error"}
    source = {"source.fetch", "source.error", "llm.call", "llm.error"}
    other = {"decision.emit", "control.command", "control.ack", "action.emit", "system.status"}
    assert arena | phase | agent | source | other == EVENT_KINDS


def test_the_signatures_are_those_of_the_source() -> None:
    def defaults(of: Any) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in inspect.signature(of).parameters.items()}

    assert defaults(EventBus) == {"redis_url": None, "stream": STREAM, "maxlen": 100_000}
    reader = {"redis_url": None, "stream": STREAM, "last_id": "$", "block_ms": 5000, "count": 50}
    assert defaults(EventBusReader) == reader
    empty = inspect.Parameter.empty
    assert defaults(install_default_bus) == {"redis_url": empty, "stream": STREAM, "maxlen": 100_000}
    said = {"arena": "", "arena_id": "", "phase": "", "correlation_id": "", "payload": None}
    assert defaults(EventBus.publish) == {"self": empty, "kind": empty, **said}
    publish = inspect.signature(EventBus.publish).parameters
    assert all(publish[name].kind is inspect.Parameter.KEYWORD_ONLY for name in said)
    assert defaults(NullEventBus) == {}


def test_the_url_is_the_argument_else_redis_url_else_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    for kind in (EventBus, EventBusReader):
        assert kind().redis_url == "redis://localhost:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/2")
    for kind in (EventBus, EventBusReader):
        assert kind().redis_url == kind("").redis_url == "redis://elsewhere:1/2"
        assert kind("redis://here").redis_url == "redis://here"
    assert (EventBus().stream, EventBus().maxlen) == (STREAM, 100_000)
    reader = EventBusReader(last_id="0", block_ms=1, count=2)
    assert (reader.stream, reader.last_id, reader.block_ms, reader.count) == (STREAM, "0", 1, 2)


async def test_each_event_is_one_entry_with_a_single_data_field_that_is_a_json_object(
    bus: EventBus, witness: Any
) -> None:
    event_id = await bus.publish(
        "phase.complete",
        arena="trading_intelligence",
        arena_id="a1",
        phase="analysis",
        correlation_id="c1",
        payload={"score": 0.5, "text": "Grüße", "none": None},
    )
    [(entry_id, fields)] = witness.xrange(STREAM)
    assert event_id == entry_id.decode()
    assert list(fields) == [b"data"]
    found = json.loads(fields[b"data"])
    body = {
        "schema_version": "1",
        "kind": "phase.complete",
        "arena": "trading_intelligence",
        "arena_id": "a1",
        "phase": "analysis",
        "ts": found["ts"],
        "correlation_id": "c1",
        "payload": {"score": 0.5, "text": "Grüße", "none": None},
    }
    assert fields[b"data"].decode() == json.dumps(body, default=str), "the bytes of json.dumps"
    at = datetime.fromisoformat(found["ts"])
    assert at.utcoffset() is not None
    assert found["ts"].endswith("+00:00")


async def test_correlation_id_defaults_to_32_hex_digits_and_the_rest_to_empty(bus: EventBus, witness: Any) -> None:
    await bus.publish("agent.start")
    await bus.publish("agent.start")
    one, two = written(witness)
    assert (one["arena"], one["arena_id"], one["phase"], one["payload"]) == ("", "", "", {})
    assert len(one["correlation_id"]) == 32
    int(one["correlation_id"], 16)
    assert one["correlation_id"] != two["correlation_id"]


async def test_an_unknown_kind_is_not_rejected(bus: EventBus, witness: Any) -> None:
    assert await bus.publish("something.new")
    assert written(witness)[0]["kind"] == "something.new"


class Model:
    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"mode": mode}


class BrokenModel:
    def model_dump(self, mode: str) -> dict[str, Any]:
        raise ValueError

    def __str__(self) -> str:
        return "broken model"


@dataclasses.dataclass
class Data:
    shown: tuple[int, ...] = (1, 2)
    _hidden: str = "no"


class Slots:
    __slots__ = ()

    def __str__(self) -> str:
        return "slots"


async def test_a_payload_is_made_json_serialisable_best_effort(bus: EventBus, witness: Any) -> None:
    payload = {"model": Model(), "broken": BrokenModel(), "data": Data(), "slots": Slots(), "set": {1}, "tuple": (1, 2)}
    await bus.publish("agent.signal", payload={**payload, "nested": [{"model": Model()}]})
    assert written(witness)[0]["payload"] == {
        "model": {"mode": "json"},
        "broken": "broken model",
        "data": {"shown": [1, 2]},
        "slots": "slots",
        "set": [1],
        "tuple": [1, 2],
        "nested": [{"model": {"mode": "json"}}],
    }


async def test_maxlen_is_an_approximate_cap_and_0_disables_trimming(url: str, witness: Any) -> None:
    for maxlen, low, high in ((100, 100, 300), (0, 500, 500), (-1, 500, 500)):
        stream = f"maf:test:{maxlen}"
        bus = EventBus(url, stream, maxlen)
        assert (bus.stream, bus.maxlen) == (stream, maxlen)
        await asyncio.gather(*(bus.publish("agent.signal") for _ in range(500)))
        assert low <= witness.xlen(stream) <= high
        await bus.aclose()


async def test_failures_are_swallowed_and_logged_once_per_streak(
    own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    bus = EventBus(own_server.url)
    own_server.kill()
    for _ in range(3):
        assert await bus.publish("agent.start") == ""
    assert warnings(caplog) == 1
    own_server.restart()
    assert await bus.publish("agent.start")
    caplog.clear()
    own_server.kill()
    for _ in range(3):
        assert await bus.publish("agent.start") == ""
    assert sum("events cannot be published" in record.message for record in caplog.records) == 1
    own_server.restart()
    await bus.aclose()


async def test_a_failing_streak_is_told_again_with_every_hundredth(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus(NOWHERE)
    for _ in range(201):
        assert await bus.publish("agent.start") == ""
    assert warnings(caplog) == 3, "the 1st, the 100th and the 200th"


async def test_publishing_never_raises_whatever_is_said(bus: EventBus, witness: Any) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise ValueError

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    for payload in (cycle, {"x": Hostile()}, {("a", 1): "tuple"}, Hostile(), [1], "text", {"x": "y" * 20_000_000}):
        await bus.publish("agent.signal", payload=payload)  # type: ignore[arg-type]
    await bus.publish(5, arena=None, phase=b"\xff")  # type: ignore[arg-type]
    assert await bus.publish("agent.complete"), "and goes on"
    assert written(witness)[-1]["kind"] == "agent.complete"


async def test_the_client_is_lazy_created_on_first_publish(url: str, witness: Any) -> None:
    def connections() -> int:
        return sum(row["db"] == "9" for row in witness.client_list())

    before = connections()
    bus = EventBus(url)
    assert connections() == before
    await bus.publish("agent.start")
    assert connections() > before
    await bus.aclose()
    async with asyncio.timeout(10):
        while connections() > before:  # noqa: ASYNC110 - the server notices in its own time
            await asyncio.sleep(0.01)


async def test_publish_nowait_schedules_publish_if_a_loop_is_running(bus: EventBus, witness: Any) -> None:
    assert bus.publish_nowait("agent.complete", arena="a", payload={"n": 1}) is None  # type: ignore[func-returns-value]
    gc.collect()
    await bus.aclose()
    assert [event["payload"] for event in written(witness)] == [{"n": 1}]


def test_publish_nowait_silently_drops_if_no_event_loop_is_available(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    EventBus(NOWHERE).publish_nowait("agent.complete")
    assert caplog.records == []


async def test_publish_nowait_never_raises_when_the_server_is_away() -> None:
    bus = EventBus(NOWHERE)
    bus.publish_nowait("agent.complete")
    await bus.aclose()


async def test_aclose_may_come_before_anything_and_twice_and_publishing_goes_on_afterwards(url: str) -> None:
    bus = EventBus(url)
    await bus.aclose()
    assert await bus.publish("agent.start")
    await bus.aclose()
    await bus.aclose()
    assert await bus.publish("agent.start")
    await compat.aclose()
    assert await bus.publish("agent.start")
    await bus.aclose()


def test_one_bus_serves_several_loops(server: Server) -> None:
    bus = EventBus(f"{server.url}/9")
    for _ in range(2):
        assert asyncio.run(bus.publish("agent.start"))
    asyncio.run(bus.aclose())


async def test_the_null_event_bus_returns_the_empty_string_without_touching_the_network() -> None:
    null = NullEventBus()
    assert isinstance(null, EventBus)
    assert (null.redis_url, null.stream, null.maxlen) == ("", "", 0)
    assert await null.publish("agent.start", arena="x") == ""
    null.publish_nowait("agent.start")
    await null.aclose()


async def test_the_reader_yields_decoded_event_dicts_with_their_stream_id(bus: EventBus, url: str) -> None:
    ids = [await bus.publish("agent.signal", payload={"n": n}) for n in range(3)]
    reader = EventBusReader(url, last_id="0")
    events = await first(reader, 3)
    assert [event["payload"]["n"] for event in events] == [0, 1, 2]
    assert [event["stream_id"] for event in events] == ids
    assert reader.last_id == ids[-1]
    later = await bus.publish("agent.complete")
    [event] = await first(reader, 1)
    assert event["stream_id"] == later, "goes on after the last one"
    await reader.aclose()


async def test_the_reader_reads_what_a_client_of_redis_py_writes(url: str, witness: Any) -> None:
    body = {"schema_version": "1", "kind": "control.ack", "payload": {"ok": True}}
    entry_id = witness.xadd(STREAM, {"data": json.dumps(body)})
    [event] = await first(EventBusReader(url, last_id="0"), 1)
    assert event == {**body, "stream_id": entry_id.decode()}


async def test_dollar_is_the_live_tail_and_nothing_is_missed_between_two_reads(
    bus: EventBus, url: str, witness: Any
) -> None:
    await bus.publish("agent.start")
    reader = EventBusReader(url, block_ms=50)
    seen: list[str] = []

    async def read() -> None:
        async for event in reader:
            seen.append(event["kind"])

    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        while not seen:
            await bus.publish("agent.signal")
        for _ in range(20):
            await bus.publish("agent.complete")
        while seen.count("agent.complete") < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert "agent.start" not in seen
    await reader.aclose()
    async with asyncio.timeout(5):
        await reading


async def test_what_is_no_event_is_a_dict_with_an_error_rather_than_dropped(url: str, witness: Any) -> None:
    table = [
        ({"other": "x"}, "no_data_field"),
        ({"data": ""}, "no_data_field"),
        ({"data": "{"}, "json_decode: Expecting property name"),
        ({"data": b"\xff"}, "bad_utf8"),
        ({"data": "[1]"}, "not_an_object"),
    ]
    ids = [witness.xadd(STREAM, fields).decode() for fields, _ in table]
    events = await first(EventBusReader(url, last_id="0"), len(table))
    for event, stream_id, (_, error) in zip(events, ids, table, strict=True):
        assert sorted(event) == ["error", "stream_id"]
        assert event["stream_id"] == stream_id
        assert event["error"].startswith(error)


async def test_the_reader_waits_through_an_outage_and_begins_before_the_server_is_there(own_server: Server) -> None:
    own_server.kill()
    reader = EventBusReader(own_server.url, last_id="0", block_ms=50)
    reading = asyncio.create_task(first(reader, 1))
    await asyncio.sleep(0.05)
    own_server.restart()
    bus = EventBus(own_server.url)
    async with asyncio.timeout(20):
        while not await bus.publish("agent.start"):
            pass
    [event] = await reading
    assert event["kind"] == "agent.start"
    own_server.kill()
    reading = asyncio.create_task(first(reader, 1))
    await asyncio.sleep(0.05)
    assert not reading.done()
    own_server.restart()
    async with asyncio.timeout(20):
        while not await bus.publish("agent.complete"):
            pass
    assert [event["kind"] for event in await reading] == ["agent.complete"]
    await reader.aclose()
    await bus.aclose()


async def test_no_limit_on_a_read_is_taken(bus: EventBus, url: str) -> None:
    await bus.publish("agent.start")
    [event] = await first(EventBusReader(url, last_id="0", block_ms=0, count=0), 1)
    assert event["kind"] == "agent.start"


async def test_a_reader_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(sg.InvalidError):
        await first(EventBusReader(url, last_id="nonsense"), 1)


async def test_closing_all_connections_ends_a_reader(url: str) -> None:
    reading = asyncio.create_task(first(EventBusReader(url), 1))
    await asyncio.sleep(0.05)
    await compat.aclose()
    async with asyncio.timeout(5):
        assert await reading == []


def test_get_event_bus_defaults_to_the_null_event_bus_and_none_clears() -> None:
    assert isinstance(get_event_bus(), NullEventBus)
    bus = EventBus(NOWHERE)
    set_event_bus(bus)
    assert get_event_bus() is bus
    set_event_bus(None)
    assert isinstance(get_event_bus(), NullEventBus)


async def test_install_default_bus_installs_and_returns_a_fresh_event_bus(url: str, witness: Any) -> None:
    bus = install_default_bus(url, maxlen=500)
    assert type(bus) is EventBus
    assert (get_event_bus(), bus.redis_url, bus.stream, bus.maxlen) == (bus, url, STREAM, 500)
    get_event_bus().publish_nowait("system.status")
    await bus.aclose()
    assert [event["kind"] for event in written(witness)] == ["system.status"]
