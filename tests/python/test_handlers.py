"""Handlers by decorator."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import stargazer_core as sg


@dataclass
class Item:
    """A body."""

    name: str


async def test_decorated_handlers_run_together(bus: sg.Bus) -> None:
    said: list[str] = []

    @bus.on_inbound(concurrency=4)
    async def answer(message: sg.Inbound, delivery: sg.Delivery) -> None:
        await delivery.bus.publish("items", Item(message.content), key="k")

    @bus.on("items", "shop", body=Item)
    async def sell(item: Item) -> None:
        await bus.publish_outbound("web", sg.message("c1", f"sold {item.name}"))

    @bus.on_outbound("web")
    async def show(reply: sg.Outbound) -> None:
        said.append(reply.text)

    for n in range(20):
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u", text=str(n)))
    await asyncio.wait_for(bus.run(until_idle=True), 20)
    assert said == [f"sold {n}" for n in range(20)]
    # It is what it was.
    await sell(Item("by hand"))
    await bus.run(until_idle=True)
    assert said[-1] == "sold by hand"


async def test_handlers_are_registered_before_the_bus_is_connected(url: str, names: dict[str, Any]) -> None:
    app = sg.connect(url, role="worker", **names)
    seen: list[Any] = []

    @app.on("s", "g")
    async def handler(body: Any, delivery: sg.Delivery) -> None:
        seen.append(body)

    async with sg.connect(url, **names) as other:
        await other.publish("s", 1)
        await app.run(until_idle=True)
        # The bus of the run is closed, and another run connects anew.
        await other.publish("s", 2)
        await app.run(until_idle=True)
    assert seen == [1, 2]


async def test_a_run_ends_when_the_bus_is_closed(bus: sg.Bus) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    @bus.on("s", "g")
    async def handler(body: Any) -> None:
        started.set()
        await asyncio.sleep(0.05)
        ended.set()

    running = asyncio.create_task(bus.run())
    await bus.publish("s", 1)
    await asyncio.wait_for(started.wait(), 5)
    await asyncio.wait_for(bus.close(), 5)
    await asyncio.wait_for(running, 5)
    assert ended.is_set()


async def test_one_that_fails_ends_the_others(bus: sg.Bus) -> None:
    cancelled = asyncio.Event()

    @bus.on("a", "g")
    async def stays(body: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    @bus.on("b", "g")
    async def wrong(body: Any) -> Any:
        return body

    await bus.publish("a", 1)
    running = asyncio.create_task(bus.run())
    await bus.publish("b", "no outcome")
    with pytest.raises(sg.InvalidError, match="returned str"):
        await asyncio.wait_for(running, 5)
    assert cancelled.is_set()
    # Both are given back.
    for stream in "ab":
        async with bus.consume(stream, "g") as consumer:
            assert (await consumer.next(timeout=5)).attempt == 1


async def test_a_cancelled_run_gives_everything_back(bus: sg.Bus) -> None:
    started = asyncio.Event()

    @bus.on("s", "g")
    async def handler(body: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    await bus.publish("s", 1)
    running = asyncio.create_task(bus.run())
    await asyncio.wait_for(started.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with bus.consume("s", "g") as consumer:
        assert (await consumer.next(timeout=5)).data == 1


async def test_what_is_no_handler_is_refused_where_it_is_decorated(bus: sg.Bus) -> None:
    with pytest.raises(sg.InvalidError, match="decorate one"):
        await bus.run()
    for wrong in (None, 5, lambda: None, lambda a, b, c: None):
        with pytest.raises(sg.InvalidError) as caught:
            bus.on("s", "g")(wrong)  # type: ignore[type-var]
        assert caught.value.context["field"] == "handler"
