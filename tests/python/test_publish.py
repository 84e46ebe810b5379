"""Publishing: receipts, order, duplicates, cancelling, big bodies."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stargazer_core as sg


async def bodies(bus: sg.Bus, stream: str, count: int = 1000) -> list[Any]:
    return [entry.data for entry in await bus.entries(stream, count=count)]


async def test_a_receipt_names_the_entry(bus: sg.Bus) -> None:
    receipt = await bus.publish("s", {"n": 1})
    [entry] = await bus.entries("s")
    assert receipt.id == entry.id
    assert receipt.stream.endswith(":s")
    assert receipt.durability == ("memory" if bus.url.startswith("memory") else "server")
    assert not receipt.duplicate
    assert repr(receipt).startswith(f'Receipt(id="{entry.id}"')


async def test_a_message_id_is_stored_once(bus: sg.Bus) -> None:
    first = await bus.publish("s", {"n": 1}, message_id="m1")
    again = await bus.publish("s", {"n": 1}, message_id="m1")
    assert (again.id, again.duplicate) == (first.id, True)
    assert len(await bus.entries("s")) == 1


async def test_replicas_that_are_not_there_are_waited_for_and_told(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, publish_timeout=0.1, replica_timeout=0.05, **names) as bus:
        expected = sg.InvalidError if url.startswith("memory") else sg.TimeoutError
        with pytest.raises(expected) as caught:
            await bus.publish("s", {"n": 1}, message_id="m1", wait_replicas=1)
        assert caught.value.context["stored"] == ("no" if url.startswith("memory") else "unknown")
        again = await bus.publish("s", {"n": 1}, message_id="m1", wait_replicas=0)
        assert again.duplicate == (not url.startswith("memory"))
        assert len(await bus.entries("s")) == 1
    if url.startswith("memory"):
        with pytest.raises(sg.InvalidError):
            await sg.connect(url, wait_replicas=1)


async def test_the_doctor_names_what_it_looked_at(bus: sg.Bus) -> None:
    findings = {finding.check: finding for finding in await bus.doctor()}
    assert findings["version"].level == "ok"
    assert findings["version"].advice == ""
    if not bus.url.startswith("memory"):
        assert findings["eviction"].level == "ok"
        assert findings["rights"].level == "ok"
        assert findings["persistence"].level == "warning"
        assert "appendonly" in findings["persistence"].advice


async def test_publishes_of_one_loop_keep_their_order(bus: sg.Bus) -> None:
    await asyncio.gather(*(bus.publish("s", n) for n in range(500)))
    assert await bodies(bus, "s") == list(range(500))


REQUEST = {"reply_to": "r", "correlation_id": "7", "tool_name": "weather", "arguments": {}}
REPLY = {"correlation_id": "7", "result": "21 °C"}

#: One of each kind, with a lane and a trace of its own where it may have one.
PUBLISHES: dict[str, Callable[..., Awaitable[sg.Receipt]]] = {
    "publish": lambda bus, **options: bus.publish("s", {"channel_id": "c", "trace_id": "own"}, **options),
    "publish_inbound": lambda bus, **options: bus.publish_inbound(
        sg.inbound("web", channel="c", user="u", text="x", trace_id="own"), **options
    ),
    "publish_outbound": lambda bus, **options: bus.publish_outbound(
        "web", sg.message("c", "x", trace_id="own"), **options
    ),
    "publish_tools_request": lambda bus, **options: bus.publish_tools_request(
        {**REQUEST, "channel_id": "c", "trace_id": "own"}, **options
    ),
    "publish_tools_reply": lambda bus, **options: bus.publish_tools_reply(
        bus.topology.tools_reply_stream("r"), REPLY, **options
    ),
}


@pytest.mark.parametrize("publish", PUBLISHES.values(), ids=PUBLISHES)
async def test_every_publish_takes_every_option(bus: sg.Bus, publish: Callable[..., Awaitable[sg.Receipt]]) -> None:
    said = {"key": "k", "message_id": "m", "trace_id": "t", "traceparent": "00-a-b-01", "tracestate": "x=1"}
    receipt = await publish(bus, **said)
    again = await publish(bus, **said, wait_replicas=0)
    assert (again.id, again.duplicate) == (receipt.id, True)
    [entry] = await bus.entries(receipt.stream)
    options = {name: entry.fields.get(name) for name in ("key", "mid", "trace_id", "tp", "tst")}
    assert options == {"key": b"k", "mid": b"m", "trace_id": b"t", "tp": b"00-a-b-01", "tst": b"x=1"}
    for option in (*said, "wait_replicas"):
        with pytest.raises(sg.InvalidError, match=option):
            await publish(bus, **{option: 1.5})


@pytest.mark.parametrize("publish", PUBLISHES.values(), ids=PUBLISHES)
async def test_every_publish_waits_for_replicas(
    url: str, names: dict[str, Any], publish: Callable[..., Awaitable[sg.Receipt]]
) -> None:
    async with sg.connect(url, publish_timeout=0.3, replica_timeout=0.05, **names) as bus:
        with pytest.raises(sg.InvalidError if url.startswith("memory") else sg.TimeoutError, match="replica"):
            await publish(bus, wait_replicas=1)


async def test_a_cancelled_publish_is_sent_all_the_same(bus: sg.Bus) -> None:
    tasks = [asyncio.create_task(bus.publish("s", n)) for n in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, False] * 100
    assert await bodies(bus, "s") == list(range(200))


async def test_one_bad_body_does_not_keep_the_others_back(bus: sg.Bus) -> None:
    good = {"channel_id": "c", "platform": "web", "type": "message", "text": "x"}
    done = await asyncio.gather(
        *(bus.publish_outbound("web", body) for body in (good, {**good, "text": 5}, good)), return_exceptions=True
    )
    assert [type(one) for one in done] == [sg.Receipt, sg.InvalidError, sg.Receipt]


async def test_tools_go_to_their_streams(bus: sg.Bus) -> None:
    sent = await bus.publish_tools_request(REQUEST)
    assert (await bodies(bus, sent.stream))[0]["tool_name"] == "weather"
    reply = await bus.publish_tools_reply("r:1", REPLY)
    assert (await bodies(bus, reply.stream))[0]["result"] == "21 °C"


async def test_what_is_known_of_a_stream_is_told(bus: sg.Bus) -> None:
    with pytest.raises(sg.NotFoundError):
        await bus.stream_info("s")
    first = await bus.publish("s", 1)
    async with bus.consume("s", "g") as consumer:
        delivery = await consumer.next(timeout=5)
        info = await bus.stream_info("s")
        assert (info.length, info.first_entry, info.groups[0].name, info.groups[0].pending) == (1, first.id, "g", 1)
        pending = await bus.pending("s", "g")
        assert (pending.count, pending.oldest, pending.newest) == (1, first.id, first.id)
        assert list(pending.consumers.values()) == [1]
        delivery.ack()


async def test_a_capped_stream_tells_the_time_to_loss(url: str, names: dict[str, Any]) -> None:
    async def time_to_loss(bus: sg.Bus) -> float | None:
        return (await bus.stream_info("s")).groups[0].time_to_loss

    async with (
        sg.connect(url, retention="capped", max_len=1000, **names) as bus,
        sg.connect(url, **names) as other,
        bus.consume("s", "g") as consumer,
    ):
        first = await bus.publish("s", 0)
        delivery = await consumer.next(timeout=5)
        assert await time_to_loss(bus) is None
        count, last = 1, first
        while last.id.split("-")[0] == first.id.split("-")[0]:
            count, last = count + 1, await bus.publish("s", 0)
        span = int(last.id.split("-")[0]) - int(first.id.split("-")[0])
        # The core counts in whole nanoseconds, this in floats.
        assert await time_to_loss(bus) == pytest.approx(span * (1000 - count) / (count - 1) / 1000, abs=0.002)
        assert await time_to_loss(other) is None
        await asyncio.gather(*(bus.publish("s", n) for n in range(1300)))
        assert await time_to_loss(bus) == 0
        delivery.ack()


async def test_ensuring_twice_is_fine(bus: sg.Bus) -> None:
    await bus.ensure_streams("gateway", ["web", "mail"])
    await bus.ensure_streams("gateway", ["web", "mail"])
    with pytest.raises(sg.InvalidError):
        await bus.ensure_streams("gateway")
    with pytest.raises(sg.InvalidError):
        await bus.ensure_streams("nonsense")  # type: ignore[arg-type]


async def test_unchecked_envelopes_go_out_as_they_are_with_what_can_be_told_of_them(
    url: str, names: dict[str, Any]
) -> None:
    async with sg.connect(url, unchecked_envelopes=True, **names) as bus:
        sent: list[tuple[Any, dict[str, Any], bytes]] = [
            (bus.publish_inbound, {"channel_key": "web:c1", "is_addressed": False, "trace_id": "t"}, b"web:c1"),
            (bus.publish_inbound, {"hello": 1}, b""),
            (lambda body: bus.publish_outbound("web", body), {"channel_key": "x", "channel_id": "c1"}, b"c1"),
            (bus.publish_tools_request, {"channel_id": "c1"}, b""),
            (lambda body: bus.publish_tools_reply("r:1", body), {"output": b"x"}, b""),
        ]
        for publish, body, lane in sent:
            receipt = await publish(body)
            entry = (await bus.entries(receipt.stream))[-1]
            assert (entry.data, entry.fields["key"]) == (body, lane)
            assert entry.fields.get("ua") == (b"1" if "is_addressed" in body else None)
            assert entry.fields["trace_id"] == body.get("trace_id", "").encode()
        with pytest.raises(sg.InvalidError):
            await bus.publish_inbound({"no": object()})


async def test_the_names_of_a_bus_are_told(bus: sg.Bus, names: dict[str, Any]) -> None:
    known = bus.topology
    assert (known.inbound_stream, known.worker_group) == (names["inbound_stream"], names["worker_group"])
    assert (known.tools_stream, known.tools_group) == (names["tools_stream"], names["tools_group"])
    assert known.dead_letter_stream == names["dead_letter_stream"]
    assert known.outbound_stream("a b") == names["outbound_stream_prefix"] + ":a%20b"
    assert known.gateway_group("web") == names["gateway_group_prefix"] + ":web"
    assert known.tools_reply_stream("w1") == names["tools_reply_prefix"] + ":w1"
    assert known == bus.topology


async def test_with_an_empty_prefix_a_stream_has_the_name_it_is_given(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, **{**names, "stream_prefix": ""}) as bus:
        name = names["inbound_stream"].replace(":", "-")
        assert (await bus.publish(name, 1)).stream == name
