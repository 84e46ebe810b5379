"""Consumers by pull: waiting, batches, leaving, and that nothing is lost on the way."""

import asyncio
import gc
from typing import Any

import pytest
import stargazer_core as sg


async def unfinished(bus: sg.Bus, stream: str, group: str) -> int:
    """Entries that no consumer has finished, as soon as nobody holds them."""
    async with asyncio.timeout(5):
        while (await bus.pending(stream, group)).consumers:  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.01)
    return (await bus.stream_info(stream)).length


async def test_iterating_gives_every_entry_in_order(bus: sg.Bus) -> None:
    await asyncio.gather(*(bus.publish("s", n, key="k") for n in range(100)))
    seen = []
    async with bus.consume("s", "g") as consumer:
        async for delivery in consumer:
            seen.append(delivery.data)
            delivery.ack()
            if len(seen) == 100:
                break
    assert seen == list(range(100))
    assert await unfinished(bus, "s", "g") == 0


async def test_a_delivery_says_where_it_comes_from(bus: sg.Bus) -> None:
    receipt = await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="hi", trace_id="t1"))
    async with bus.consume_inbound() as inbox:
        d = await inbox.next(timeout=5)
        assert (d.id, d.stream, d.lane, d.attempt, d.redelivered) == (receipt.id, receipt.stream, "web:c1", 1, False)
        assert (d.trace_id, d.message_id, d.cancelled) == ("t1", None, False)
        assert d.field("key") == b"web:c1"
        assert d.field("nonsense") is None
        assert isinstance(d.data, sg.Inbound)
        assert d.data is d.data
        assert d.raw[0] == 0xDE
        assert d.id in repr(d)
        await d.ack()


async def test_a_batch_holds_what_is_there(bus: sg.Bus) -> None:
    await asyncio.gather(*(bus.publish("s", n, key=str(n)) for n in range(30)))
    async with bus.consume("s", "g", concurrency=100) as consumer:
        seen: list[int] = []
        while len(seen) < 30:
            batch = await consumer.next_batch(7, timeout=5)
            assert 1 <= len(batch) <= 7
            for delivery in batch:
                seen.append(delivery.data)
                delivery.ack()
    assert sorted(seen) == list(range(30))


async def test_a_time_that_is_none_is_invalid(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        for wrong in (-1, float("nan")):
            with pytest.raises(sg.InvalidError):
                await consumer.next(timeout=wrong)


async def test_what_nobody_holds_is_handed_out_again(bus: sg.Bus) -> None:
    await bus.publish("s", 1)
    async with bus.consume("s", "g") as consumer:
        delivery = await consumer.next(timeout=5)
        del delivery
        gc.collect()
        again = await consumer.next(timeout=5)
        assert (again.data, again.attempt) == (1, 1)
        again.ack()


async def test_a_cancelled_wait_loses_nothing(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        for n in range(50):
            waiting = asyncio.create_task(consumer.next())
            await asyncio.sleep(0)
            sent = asyncio.create_task(bus.publish("s", n))
            if n % 2:
                await asyncio.sleep(0.001)
            waiting.cancel()
            await sent
            try:
                delivery = await waiting
            except asyncio.CancelledError:
                delivery = await consumer.next(timeout=5)
            assert delivery.data == n
            delivery.ack()


async def test_several_who_wait_are_all_served(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        for _ in range(30):
            waiting = [asyncio.create_task(consumer.next(timeout=10)) for _ in range(10)]
            await asyncio.sleep(0)
            await asyncio.gather(*(bus.publish("s", n, key=str(n)) for n in range(10)))
            seen = []
            for delivery in await asyncio.gather(*waiting):
                seen.append(delivery.data)
                delivery.ack()
            assert sorted(seen) == list(range(10))


async def test_closing_ends_those_who_wait(bus: sg.Bus) -> None:
    consumer = bus.consume("s", "g")
    waiting = asyncio.create_task(consumer.next())
    batch = asyncio.create_task(consumer.next_batch(5))
    await asyncio.sleep(0.05)
    await consumer.close()
    with pytest.raises(sg.ClosedError):
        await waiting
    assert await batch == []
    assert [delivery async for delivery in consumer] == []
    await consumer.close()


async def test_closing_what_was_never_used_is_fine(bus: sg.Bus) -> None:
    consumer = bus.consume("s", "g")
    await consumer.close()
    with pytest.raises(sg.ClosedError):
        await consumer.next()


async def test_closing_the_bus_waits_for_nobody_who_pulls(bus: sg.Bus) -> None:
    await bus.publish("s", 1)
    consumer = bus.consume("s", "g")
    kept = await consumer.next(timeout=5)
    async with asyncio.timeout(2):
        await bus.close()
    with pytest.raises(sg.ClosedError):
        kept.ack()


async def test_outcomes_do_what_they_say(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish("s", {"n": 1}, key="k")
    async with bus.consume("s", "g", retry_base=0.02) as consumer:
        first = await consumer.next(timeout=5)
        await first.release()
        second = await consumer.next(timeout=5)
        assert second.attempt == 1
        await second.retry(reason="not yet")
        third = await consumer.next(timeout=5)
        assert (third.attempt, third.redelivered) == (2, True)
        await third.reject("no good")
        third.ack()  # the first outcome counts
    [dead] = await bus.entries(names["dead_letter_stream"])
    assert dead.data == {"n": 1}
    assert dead.fields["error"] == b"no good"


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "many"}, "concurrency"),
        ({"lease": -1}, "lease"),
        ({"ordering": "some"}, "ordering"),
        ({"nonsense": 1}, "nonsense"),
        ({"max_attempts": 2**40}, "max_attempts"),
    ],
)
async def test_a_wrong_setting_of_a_consumer_is_named(settings: dict[str, Any], setting: str) -> None:
    async with sg.connect("memory://") as bus:
        with pytest.raises(sg.InvalidError) as caught:
            bus.consume("s", "g", **settings)
        assert caught.value.context["setting"] == setting
