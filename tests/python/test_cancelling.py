"""Whatever is awaited may be cancelled at any moment: nothing is lost, and the bus goes on."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import stargazer_core as sg

#: Every kind of await that a bus has, by what it is.
AWAITS: dict[str, Callable[[sg.Bus], Coroutine[Any, Any, Any]]] = {
    "publish": lambda bus: bus.publish("others", 1),
    "publish_inbound": lambda bus: bus.publish_inbound(sg.inbound("web", channel="c", user="u", text="x")),
    "call": lambda bus: bus.call("answers"),
    "stream_info": lambda bus: bus.stream_info("s"),
    "pending": lambda bus: bus.pending("s", "g"),
    "entries": lambda bus: bus.entries("s"),
    "ensure_streams": lambda bus: bus.ensure_streams("worker"),
    "dead_letters": lambda bus: bus.dead_letters().inspect(),
    "store": lambda bus: bus.store().get("nothing"),
    "doctor": lambda bus: bus.doctor(),
    "workers": lambda bus: bus.tool_workers(),
    "events": lambda bus: bus.events().publish_and_wait("agent.complete"),
    "lock": lambda bus: locked(bus),
    "consumer": lambda bus: opened(bus),
    "serve": lambda bus: served(bus),
}


async def locked(bus: sg.Bus) -> None:
    async with bus.lock(f"{bus.topology.worker_group}-l".replace(":", "-"), wait=5):
        await asyncio.sleep(0)


async def opened(bus: sg.Bus) -> None:
    async with bus.consume("others", "g") as consumer:
        (await consumer.next()).release()


async def served(bus: sg.Bus) -> None:
    async with bus.serve({"others": answers}, service="others"):
        await asyncio.sleep(0)


async def answers(request: sg.Request) -> str:
    return "answered"


@pytest.mark.parametrize("name", list(AWAITS))
async def test_an_await_that_is_cancelled_detaches(bus: sg.Bus, name: str) -> None:
    await asyncio.gather(*(bus.publish("s", n, key=str(n)) for n in range(12)))
    seen: list[int] = []
    async with bus.serve({"answers": answers}), bus.consume("s", "g", prefetch=1, concurrency=1) as consumer:
        for ticks in range(12):
            # Something else is under way on the same connection, which must not notice.
            next_one = asyncio.create_task(consumer.next(timeout=10))
            task = asyncio.ensure_future(AWAITS[name](bus))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, sg.NotFoundError):
                await task
            delivery = await next_one
            seen.append(delivery.data)
            delivery.ack()
        assert await bus.call("answers", timeout=10) == "answered"
        await asyncio.wait_for(locked(bus), 10)
    assert sorted(seen) == list(range(12))


async def test_a_next_that_is_cancelled_loses_no_entry(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        seen: list[int] = []
        for n in range(100):
            waiting = asyncio.create_task(consumer.next())
            publishing = asyncio.create_task(bus.publish("s", n, key="k"))
            for _ in range(n % 7):
                await asyncio.sleep(0)
            waiting.cancel()
            await publishing
            with contextlib.suppress(asyncio.CancelledError):
                delivery = await waiting
                seen.append(delivery.data)
                delivery.ack()
        while len(seen) < 100:
            delivery = await consumer.next(timeout=10)
            seen.append(delivery.data)
            delivery.ack()
    assert seen == list(range(100))
