"""One bus and many event loops: threads, one after the other, closed in the middle, without readers."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stargazer_core as sg
import uvloop


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def talk(bus: sg.Bus, stream: str, n: int) -> list[int]:
    """Publishes numbers and reads them back."""
    await asyncio.gather(*(bus.publish(stream, i, key="k") for i in range(n)))
    seen: list[int] = []
    async with bus.consume(stream, "g") as consumer:
        while len(seen) < n:
            for delivery in await consumer.next_batch(n, timeout=10):
                seen.append(delivery.data)
                delivery.ack()
    return seen


@pytest.mark.parametrize("runs", [[asyncio.run], [uvloop.run], [asyncio.run, uvloop.run]], ids=len)
def test_four_threads_with_loops_of_their_own_share_a_bus(url: str, names: dict[str, Any], runs: list[Any]) -> None:
    bus = asyncio.run(_connected(url, names))
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(runs[n % len(runs)], talk(bus, f"s{n}", 200)) for n in range(4)]
        for one in done:
            assert one.result(30) == list(range(200))
    asyncio.run(bus.close())


async def _connected(url: str, names: dict[str, Any]) -> sg.Bus:
    return await sg.connect(url, **names)


def test_two_hundred_loops_leave_nothing_behind(names: dict[str, Any]) -> None:
    bus = asyncio.run(_connected("memory://", names))
    asyncio.run(talk(bus, "warm", 1))
    before = open_files()
    for n in range(200):
        assert asyncio.run(talk(bus, f"s{n}", 2)) == [0, 1]
    gc.collect()
    assert open_files() <= before
    asyncio.run(bus.close())


@pytest.mark.parametrize("made", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_two_loops_of_one_thread_take_turns(names: dict[str, Any], made: Any) -> None:
    one, other = asyncio.new_event_loop(), made()
    bus = one.run_until_complete(_connected("memory://", names))
    before = open_files()
    for n in range(10):
        assert one.run_until_complete(talk(bus, f"a{n}", 3)) == [0, 1, 2]
        assert other.run_until_complete(talk(bus, f"b{n}", 3)) == [0, 1, 2]
    assert open_files() <= before + 4
    other.run_until_complete(bus.close())
    one.close()
    other.close()


def test_a_loop_closed_with_work_pending_lets_it_go(url: str, names: dict[str, Any]) -> None:
    bus = asyncio.run(_connected(url, names))

    async def leave() -> None:
        consumer = bus.consume("s", "g")
        publishing = [asyncio.ensure_future(bus.publish("s", n)) for n in range(100)]
        waiting = asyncio.ensure_future(consumer.next())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        for task in [*publishing, waiting]:
            # Whoever leaves without looking back must not be told of it by the garbage collector.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.stop()

    loop = asyncio.new_event_loop()
    task = loop.create_task(leave())
    loop.run_forever()
    loop.close()
    del loop, task
    gc.collect()

    async def look() -> None:
        async with asyncio.timeout(10):
            while len(await bus.entries("s", count=1000)) < 100:  # noqa: ASYNC110 - nobody waits for these any more
                await asyncio.sleep(0.01)

    asyncio.run(look())
    asyncio.run(bus.close())


class Blind(asyncio.SelectorEventLoop):
    """A loop that can watch nothing for others, as Windows' proactor."""

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> bool:
        raise NotImplementedError


def test_a_loop_without_readers_is_woken_all_the_same(names: dict[str, Any]) -> None:
    loop = Blind()
    bus = loop.run_until_complete(_connected("memory://", names))
    assert loop.run_until_complete(talk(bus, "s", 300)) == list(range(300))
    loop.run_until_complete(bus.close())
    loop.close()
    deadline = time.monotonic() + 10
    while any(thread.name == "stargazer-bell" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_busy_thread_beside_the_loop_does_not_stop_it(names: dict[str, Any]) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        bus = asyncio.run(_connected("memory://", names))
        assert asyncio.run(talk(bus, "s", 500)) == list(range(500))
        asyncio.run(bus.close())
    finally:
        stop.set()
        thread.join()


async def test_outcomes_may_be_reported_by_another_thread(bus: sg.Bus) -> None:
    await asyncio.gather(*(bus.publish("s", n, key="k") for n in range(50)))
    with ThreadPoolExecutor(2) as threads:
        async with bus.consume("s", "g") as consumer:
            for n in range(50):
                delivery = await consumer.next(timeout=10)
                assert delivery.data == n
                await asyncio.get_running_loop().run_in_executor(threads, delivery.ack)
    assert (await bus.stream_info("s")).length == 0
