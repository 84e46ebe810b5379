"""Closing a bus that several threads use: everybody is let go, and told."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

import pytest
import stargazer_core as sg

THREADS = 4


@pytest.fixture
def open_bus(url: str, names: dict[str, Any]) -> Callable[[], sg.SyncBus]:
    return lambda: sg.SyncBus(url, **names)


def started(n: int, function: Callable[[], Any]) -> tuple[list[threading.Thread], list[BaseException | None]]:
    """Threads that run a function, and how each of them ended."""
    ends: list[BaseException | None] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            ends.append(error)
        else:
            ends.append(None)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads, ends


def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_closing_lets_everybody_go_who_publishes(open_bus: Callable[[], sg.SyncBus]) -> None:
    for _ in range(10):
        bus, begun = open_bus(), threading.Barrier(THREADS + 1)

        def publish(bus: sg.SyncBus = bus, begun: threading.Barrier = begun) -> None:
            bus.publish("s", 0)
            begun.wait()
            while True:
                bus.publish("s", 1)

        threads, ends = started(THREADS, publish)
        begun.wait()
        closer, [*_] = started(1, bus.close)
        joined([*threads, *closer])
        assert [type(end) for end in ends] == [sg.ClosedError] * THREADS


def test_closing_cancels_what_is_waited_for(open_bus: Callable[[], sg.SyncBus]) -> None:
    bus, under_way, cleaned = open_bus(), threading.Event(), threading.Event()

    async def long(_: sg.Bus) -> None:
        try:
            under_way.set()
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    threads, ends = started(1, lambda: bus.wait(long))
    assert under_way.wait(20)
    bus.close()
    joined(threads)
    assert [type(end) for end in ends] == [sg.ClosedError]
    assert cleaned.is_set()


def test_several_threads_may_close_it(open_bus: Callable[[], sg.SyncBus]) -> None:
    for _ in range(10):
        before = threading.active_count()
        bus, begun = open_bus(), threading.Barrier(THREADS)

        def close(bus: sg.SyncBus = bus, begun: threading.Barrier = begun) -> None:
            begun.wait()
            bus.close()

        threads, ends = started(THREADS, close)
        joined(threads)
        assert ends == [None] * THREADS
        assert threading.active_count() == before


async def test_where_closing_is_refused_the_bus_goes_on(open_bus: Callable[[], sg.SyncBus]) -> None:
    bus = await asyncio.to_thread(open_bus)
    with pytest.raises(sg.InvalidError, match="running event loop"):
        bus.close()
    await asyncio.to_thread(bus.publish, "s", 1)
    assert (await asyncio.to_thread(bus.stream_info, "s")).length == 1
    await asyncio.to_thread(bus.close)
    # There is nothing left to hold the loop for.
    bus.close()


def read_events(bus: sg.SyncBus, stream: str) -> Any:
    """An iteration that is under way."""
    with bus.events(stream) as events:
        events.publish_and_wait("agent.complete", payload={})
    reading = iter(bus.event_reader(stream, last_id="0"))
    next(reading)
    return reading


def test_an_iteration_may_be_dropped_after_its_bus(open_bus: Callable[[], sg.SyncBus], names: dict[str, Any]) -> None:
    bus = open_bus()
    left, right = (read_events(bus, f"{names['stream_prefix']}:events{n}") for n in range(2))
    bus.close()
    # As its finaliser does.
    left.close()
    with pytest.raises(sg.ClosedError):
        next(right)


async def test_an_iteration_may_be_dropped_in_a_running_loop(
    open_bus: Callable[[], sg.SyncBus], names: dict[str, Any]
) -> None:
    bus = await asyncio.to_thread(open_bus)
    reading = await asyncio.to_thread(read_events, bus, f"{names['stream_prefix']}:events")
    reading.close()
    await asyncio.to_thread(bus.close)


def test_work_that_ends_itself_ends_nothing_else(open_bus: Callable[[], sg.SyncBus]) -> None:
    async def leave(_: sg.Bus) -> None:
        raise SystemExit(3)

    async def cancel_itself(_: sg.Bus) -> None:
        raise asyncio.CancelledError

    with open_bus() as bus:
        with pytest.raises(SystemExit):
            bus.wait(leave)
        with pytest.raises(concurrent.futures.CancelledError):
            bus.wait(cancel_itself)
        bus.publish("s", 1)
