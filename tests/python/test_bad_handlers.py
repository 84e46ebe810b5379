"""Handlers that do what they should not: each has an outcome, those of the table in docs/python.md.

What they return or raise is told in ``test_handler.py``, bodies that do not fit in ``test_bodies.py``.
"""

import asyncio
import threading
from typing import Any

import pytest
import stargazer_core as sg

QUICK: dict[str, Any] = {"retry_base": 0.01, "retry_jitter": 0}


async def test_a_handler_that_holds_the_loop_keeps_its_work(bus: sg.Bus, url: str, names: dict[str, Any]) -> None:
    await bus.publish("s", 1)
    quick: dict[str, Any] = {"lease": 0.4, "sweep": 0.1}
    holds, go_on = threading.Event(), threading.Event()
    seen: list[int] = []
    found: list[type[BaseException]] = []

    async def handler(n: int) -> None:
        seen.append(n)
        holds.set()
        assert go_on.wait(20)

    def elsewhere() -> None:
        """Another process would see the same: a bus, a loop and a thread of its own."""
        with sg.SyncBus(url, **names) as other, other.consume("s", "g", **quick) as consumer:
            assert holds.wait(20)
            try:
                # Three leases long.
                consumer.next(timeout=1.5)
            except BaseException as error:
                found.append(type(error))
            go_on.set()

    other = threading.Thread(target=elsewhere)
    other.start()
    async with bus.consume("s", "g", **quick) as consumer:
        await asyncio.wait_for(consumer.run(handler, until_idle=True), 30)
    await asyncio.get_running_loop().run_in_executor(None, other.join)
    assert (seen, found) == ([1], [sg.TimeoutError])
    assert (await bus.stream_info("s")).length == 0


async def test_a_handler_that_finishes_when_it_is_cancelled_is_heard(bus: sg.Bus) -> None:
    await bus.publish("s", 1)
    started = asyncio.Event()

    async def handler(n: int) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            # It has done its work, and says so.
            return

    async with bus.consume("s", "g") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await asyncio.wait_for(started.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (await bus.stream_info("s")).length == 0


async def test_an_outcome_that_cannot_be_is_a_failure(bus: sg.Bus) -> None:
    await bus.publish("s", 1)

    async def handler(n: int) -> sg.Outcome:
        return sg.Outcome.retry(after=-1)

    async with bus.consume("s", "g", max_attempts=2, **QUICK) as consumer:
        await asyncio.wait_for(consumer.run(handler, until_idle=True), 20)
    [letter] = (await bus.dead_letters().list()).letters
    assert "ArgumentError: after must be" in letter.error


async def test_one_that_ends_the_program_gives_the_others_back(bus: sg.Bus) -> None:
    class End(BaseException):
        """As ``SystemExit``, which pytest would take for its own."""

    for n in range(4):
        await bus.publish("s", n)
    started: list[int] = []
    all_run = asyncio.Event()

    async def handler(n: int) -> None:
        started.append(n)
        if len(started) == 4:
            all_run.set()
        await all_run.wait()
        if n == 3:
            raise End
        await asyncio.sleep(60)

    async with bus.consume("s", "g") as consumer:
        with pytest.raises(End):
            await asyncio.wait_for(consumer.run(handler), 20)
        again = [await consumer.next(timeout=5) for _ in range(4)]
        assert sorted(d.data for d in again) == list(range(4))
        assert {d.attempt for d in again} == {1}
