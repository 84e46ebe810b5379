"""What delivery promises, through the public API, on both transports; the names are those of ``scenarios.toml``."""

import asyncio
import time
from typing import Any

import pytest
import stargazer_core as sg

QUICK: dict[str, Any] = {"retry_base": 0.02, "retry_jitter": 0}


async def fill(bus: sg.Bus, n: int, lanes: int = 10**9) -> None:
    await asyncio.gather(*(bus.publish("s", i, key=str(i % lanes)) for i in range(n)))


async def dead(bus: sg.Bus, names: dict[str, Any]) -> list[sg.Entry]:
    return await bus.entries(names["dead_letter_stream"])


async def test_a_message_is_handled_once(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="hello"))
    seen = []

    async def handler(msg: sg.Inbound, d: sg.Delivery) -> None:
        seen.append((msg.content, msg.channel_id, d.attempt, d.redelivered, d.lane))

    async with bus.consume_inbound() as inbox:
        await inbox.run(handler, until_idle=True)
    assert seen == [("hello", "c1", 1, False, "web:c1")]
    info = await bus.stream_info(names["inbound_stream"])
    assert (info.length, info.groups[0].pending) == (0, 0)


async def test_until_idle_ends_when_nothing_is_left(bus: sg.Bus) -> None:
    await bus.publish("s", 3)
    seen = []

    async def handler(n: int, d: sg.Delivery) -> None:
        seen.append((n, d.attempt))
        if d.attempt == 1:
            raise RuntimeError("once")
        if n > 0:
            await d.bus.publish("s", n - 1)

    async with bus.consume("s", "g", **QUICK) as consumer:
        await asyncio.wait_for(consumer.run(handler, until_idle=True), 20)
    assert seen == [(n, attempt) for n in (3, 2, 1, 0) for attempt in (1, 2)]


async def test_leaving_releases_what_is_in_hand(bus: sg.Bus) -> None:
    await fill(bus, 20)
    async with bus.consume("s", "g") as first:
        kept = [await first.next(timeout=5) for _ in range(3)]
    async with bus.consume("s", "g") as second:
        # No lease is waited for, which would be 15 s.
        seen = sorted([(await second.next(timeout=5)).data for _ in range(20)])
    assert seen == list(range(20))
    with pytest.raises(sg.ClosedError):
        kept[0].ack()


async def test_closing_hands_the_rest_to_others(bus: sg.Bus) -> None:
    await fill(bus, 100, lanes=5)
    seen: dict[int, list[int]] = {lane: [] for lane in range(5)}

    async def handler(n: int) -> None:
        seen[n % 5].append(n)
        await asyncio.sleep(0.005)

    first, second = bus.consume("s", "g"), bus.consume("s", "g")
    one = asyncio.create_task(first.run(handler))
    two = asyncio.create_task(second.run(handler))
    while sum(map(len, seen.values())) < 20:  # noqa: ASYNC110 - counted by handlers of two consumers
        await asyncio.sleep(0.001)
    await first.close()
    await asyncio.wait_for(one, 5)
    async with asyncio.timeout(10):
        while sum(map(len, seen.values())) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await second.close()
    await asyncio.wait_for(two, 5)
    assert seen == {lane: list(range(lane, 100, 5)) for lane in range(5)}


async def test_an_entry_is_seen_by_every_group(bus: sg.Bus) -> None:
    await bus.publish("s", "x")
    often: dict[str, Any] = {"lease": 0.5, "sweep": 0.05}
    async with bus.consume("s", "g1", **often) as one, bus.consume("s", "g2", **often) as two:
        first, second = await one.next(timeout=5), await two.next(timeout=5)
        assert first.data == second.data == "x"
        first.ack()
        with pytest.raises(sg.TimeoutError):
            await one.next(timeout=0.1)
        assert (await bus.stream_info("s")).length == 1
        second.ack()
        async with asyncio.timeout(5):
            while (await bus.stream_info("s")).length > 0:  # noqa: ASYNC110 - a sweep rings no bell
                await asyncio.sleep(0.01)


async def test_unaddressed_messages_have_no_lane(bus: sg.Bus) -> None:
    for addressed in (True, False, False):
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u", text="x", is_addressed=addressed))
    async with bus.consume_inbound() as inbox:
        # None of them waits for the one before, which is not settled.
        lanes = [(await inbox.next(timeout=5)) for _ in range(3)]
        assert [d.lane for d in lanes] == ["web:c1", None, None]


TEXT = "👩‍👩‍👧‍👦 👍🏽 שלום ‫عربى‬ 漢字 é \0 \ufeff 𝄞"


async def test_unicode_bytes_and_unknown_fields_survive(bus: sg.Bus) -> None:
    sent = sg.inbound("web", channel="ü", user="u", text=TEXT, ours={"raw": bytes(range(256)), TEXT: [TEXT, 2**64 - 1]})
    await bus.publish_inbound(sent)
    async with bus.consume_inbound() as inbox:
        delivery = await inbox.next(timeout=5)
        assert delivery.data == sent
        assert delivery.data.content == TEXT
        delivery.ack()
    data = bytes(range(256)) * 100
    await bus.publish_outbound("web", sg.file("c", "ü.bin", data, mimetype="image/png"))
    async with bus.consume_outbound("web") as out:
        delivered = await out.next(timeout=5)
        assert (delivered.data.data, delivered.data.filename) == (data, "ü.bin")
        delivered.ack()


async def test_a_big_body_travels_whole(bus: sg.Bus) -> None:
    text = "Größe " * 50_000
    await bus.publish_outbound("web", sg.message("c1", text))
    async with bus.consume_outbound("web") as out:
        delivery = await out.next(timeout=5)
        assert delivery.data.text == text
        assert delivery.data.platform == "web"
        stream = delivery.stream
        delivery.ack()
    assert (await bus.stream_info(stream)).length == 0


async def test_entries_of_a_lane_run_in_stream_order(bus: sg.Bus) -> None:
    await fill(bus, 300, lanes=10)
    seen: dict[int, list[int]] = {lane: [] for lane in range(10)}
    workers: dict[int, int] = {}

    def handler(worker: int) -> sg.Handler[Any]:
        async def handle(n: int) -> None:
            await asyncio.sleep(0.001)
            seen[n % 10].append(n)
            workers[worker] = workers.get(worker, 0) + 1

        return handle

    consumers = [bus.consume("s", "g", concurrency=2, prefetch=2) for _ in range(3)]
    tasks = [asyncio.create_task(c.run(handler(n))) for n, c in enumerate(consumers)]
    async with asyncio.timeout(20):
        while sum(map(len, seen.values())) < 300:  # noqa: ASYNC110 - counted by handlers of three consumers
            await asyncio.sleep(0.005)
    await asyncio.gather(*(c.close() for c in consumers))
    await asyncio.gather(*tasks)
    assert seen == {lane: list(range(lane, 300, 10)) for lane in range(10)}
    assert len(workers) > 1


async def test_lanes_run_side_by_side(bus: sg.Bus) -> None:
    await fill(bus, 10)
    running, together = 0, asyncio.Event()

    async def handler(n: int) -> None:
        nonlocal running
        running += 1
        if running == 10:
            together.set()
        await asyncio.wait_for(together.wait(), 5)

    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert await bus.entries("s") == []


async def test_the_next_of_a_lane_starts_after_the_outcome(bus: sg.Bus) -> None:
    await fill(bus, 2, lanes=1)
    async with bus.consume("s", "g") as consumer:
        first = await consumer.next(timeout=5)
        with pytest.raises(sg.TimeoutError):
            await consumer.next(timeout=0.2)
        first.ack()
        assert (await consumer.next(timeout=5)).data == 1


async def test_a_retry_keeps_the_order_of_its_lane(bus: sg.Bus) -> None:
    await fill(bus, 5, lanes=1)
    seen = []

    async def handler(n: int, d: sg.Delivery) -> None:
        seen.append((n, d.attempt))
        if n == 1 and d.attempt < 3:
            raise RuntimeError("again")

    async with bus.consume("s", "g", **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert seen == [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (4, 1)]


async def test_waiting_lanes_starve_no_other(bus: sg.Bus) -> None:
    await fill(bus, 1000)
    waiting = 0
    started: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def handler(n: int) -> sg.Outcome | None:
        nonlocal waiting
        if n == -1:
            started.set_result(time.monotonic())
            return None
        waiting += 1
        return sg.Outcome.retry(after=60)

    consumer = bus.consume("s", "g", concurrency=1)
    running = asyncio.create_task(consumer.run(handler))
    async with asyncio.timeout(30):
        while waiting < 1000:  # noqa: ASYNC110 - counted by the handler
            await asyncio.sleep(0.01)
        published = time.monotonic()
        await bus.publish("s", -1, key="new")
        assert await started - published < 1
    await consumer.close()
    await running


async def test_tools_run_in_no_order(bus: sg.Bus, names: dict[str, Any]) -> None:
    for n in range(5):
        await bus.publish_tools_request(
            {"reply_to": "r", "correlation_id": str(n), "tool_name": "t", "channel_id": "c"}
        )
    async with bus.consume(names["tools_stream"], names["tools_group"], ordering="none") as tools:
        requests = [await tools.next(timeout=5) for _ in range(5)]
        assert [d.lane for d in requests] == [None] * 5
        for d in reversed(requests):
            d.ack()
    assert (await bus.stream_info(names["tools_stream"])).length == 0


async def test_a_failing_handler_is_retried(bus: sg.Bus) -> None:
    await bus.publish("s", "x")
    seen = []

    async def handler(body: str, d: sg.Delivery) -> None:
        seen.append((d.attempt, d.redelivered))
        if d.attempt < 3:
            raise ValueError("not today")

    async with bus.consume("s", "g", **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert seen == [(1, False), (2, True), (3, True)]


async def test_a_retry_waits_as_long_as_asked(bus: sg.Bus) -> None:
    await bus.publish("s", "x")
    async with bus.consume("s", "g") as consumer:
        first = await consumer.next(timeout=5)
        asked = time.monotonic()
        first.retry(after=0.3)
        again = await consumer.next(timeout=5)
        assert again.attempt == 2
        assert time.monotonic() - asked >= 0.29
        again.ack()


async def test_what_fails_too_often_is_dead_lettered(bus: sg.Bus, names: dict[str, Any]) -> None:
    await fill(bus, 3, lanes=1)
    seen = []

    async def handler(n: int) -> None:
        seen.append(n)
        if n == 1:
            raise ValueError("never \ud800")

    async with bus.consume("s", "g", max_attempts=2, **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert seen == [0, 1, 1, 2]
    [letter] = await dead(bus, names)
    assert (letter.data, letter.fields["error"], letter.fields["attempt"]) == (1, b"ValueError: never ?", b"2")


async def test_a_reject_is_dead_lettered_at_once(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish("s", "raised")
    await bus.publish("s", "returned")

    async def handler(word: str) -> sg.Outcome:
        if word == "raised":
            raise sg.Reject("no good")
        return sg.Outcome.reject("no good either")

    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    reasons = {letter.data: letter.fields["error"] for letter in await dead(bus, names)}
    assert reasons == {"raised": b"no good", "returned": b"no good either"}


async def test_a_slow_handler_is_cut_off(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish("s", "slow")
    cancelled = []

    async def handler(body: str, d: sg.Delivery) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append((d.attempt, d.cancelled))
            raise

    async with bus.consume("s", "g", handler_timeout=0.05, **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert cancelled == [(1, True), (2, True), (3, True)]
    [letter] = await dead(bus, names)
    assert b"handler_timeout" in letter.fields["error"]


async def test_a_release_is_not_counted(bus: sg.Bus) -> None:
    await bus.publish("s", "x")
    async with bus.consume("s", "g", max_attempts=1) as consumer:
        for _ in range(3):
            delivery = await consumer.next(timeout=5)
            assert delivery.attempt == 1
            delivery.release()
        delivery = await consumer.next(timeout=5)
        delivery.ack()


async def test_a_long_handler_runs_once(bus: sg.Bus) -> None:
    await bus.publish("s", "x")
    runs = []

    async def handler(body: str) -> None:
        runs.append(body)
        # Longer than the lease, and with the event loop blocked on top.
        await asyncio.sleep(0.4)
        time.sleep(0.6)  # noqa: ASYNC251 - that is what is tested

    settings: dict[str, Any] = {"lease": 0.5, "sweep": 0.1}
    async with bus.consume("s", "g", **settings) as one, bus.consume("s", "g", **settings) as two:
        other = asyncio.create_task(two.run(handler))
        await one.run(handler, until_idle=True)
        await two.close()
        await other
    assert runs == ["x"]


async def test_a_dead_letter_keeps_the_original_bytes(bus: sg.Bus, names: dict[str, Any]) -> None:
    bodies: list[Any] = [{"n": 1, "raw": b"\0\xff"}, {"text": "x" * 100_000}]
    raw = []
    for body in bodies:
        await bus.publish("s", body)
    async with bus.consume("s", "g") as consumer:
        for _ in bodies:
            delivery = await consumer.next(timeout=5)
            raw.append(delivery.raw)
            delivery.reject("no")
    letters = await dead(bus, names)
    assert [letter.fields["data"] for letter in letters] == raw
    assert [letter.data for letter in letters] == bodies


async def test_an_unknown_stream_is_not_found(bus: sg.Bus) -> None:
    with pytest.raises(sg.NotFoundError):
        await bus.stream_info("nowhere")
    with pytest.raises(sg.NotFoundError):
        await bus.pending("nowhere", "g")
    await bus.publish("s", 1)
    with pytest.raises(sg.NotFoundError):
        await bus.pending("s", "nobody")


async def test_nothing_in_time_is_a_timeout(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        with pytest.raises(sg.TimeoutError):
            await consumer.next(timeout=0.05)
        with pytest.raises(TimeoutError):
            await consumer.next(timeout=0)
        await bus.publish("s", 1)
        assert (await consumer.next(timeout=5)).data == 1
