"""Time that a test moves, and what notebooks show."""

import asyncio

import pytest
import stargazer_core as sg

pytest_plugins = ["pytester"]


async def test_time_stands_still_until_it_is_moved() -> None:
    async with sg.connect("memory://", virtual_time=True) as bus:
        attempts = []

        async def failing(body: int, delivery: sg.Delivery) -> None:
            attempts.append((delivery.attempt, bus.time.now))
            if delivery.attempt < 3:
                raise RuntimeError("again")

        await bus.publish("s", 1)
        async with bus.consume("s", "g", retry_base=10, retry_jitter=0) as consumer:
            run = asyncio.create_task(consumer.run(failing, until_idle=True))
            while not run.done():
                await bus.time.advance(1)
        assert [attempt for attempt, _ in attempts] == [1, 2, 3]
        (_, first), (_, second), (_, third) = attempts
        assert second - first >= 10
        assert third - second >= 20


async def test_a_message_id_is_forgotten_after_its_window() -> None:
    async with sg.connect("memory://", virtual_time=True, dedupe_window=60) as bus:
        first = await bus.publish("s", 1, message_id="m")
        await bus.time.advance(59)
        assert (await bus.publish("s", 1, message_id="m")).duplicate
        await bus.time.advance(2)
        again = await bus.publish("s", 1, message_id="m")
        assert not again.duplicate
        assert again.id != first.id


async def test_time_that_is_everybodys_is_not_moved(url: str) -> None:
    with pytest.raises(sg.InvalidError, match="virtual_time"):
        await sg.connect(url, virtual_time=True)
    async with sg.connect(url) as bus:
        with pytest.raises(sg.InvalidError, match="virtual_time"):
            _ = bus.time


async def test_a_time_limit_is_of_the_bus_and_is_told_whole() -> None:
    async with sg.connect("memory://", virtual_time=True) as bus, bus.consume("s", "g", body=int) as consumer:
        for waiting in (lambda: consumer.next(timeout=60), lambda: consumer.next_batch(5, timeout=60)):
            task, before = asyncio.create_task(waiting()), (await bus.dead_letters().inspect()).count
            for refused in (1, 2):
                await bus.publish("s", "no number")
                async with asyncio.timeout(10):
                    while (await bus.dead_letters().inspect()).count < before + refused:  # noqa: ASYNC110 - nothing tells
                        await asyncio.sleep(0)
                if refused == 1:
                    await bus.time.advance(40)
            await bus.time.advance(19)
            assert not task.done()
            await bus.time.advance(2)
            with pytest.raises(sg.TimeoutError, match="within 60 s"):
                await asyncio.wait_for(task, 10)


async def test_the_time_that_a_call_has_left_is_of_the_bus() -> None:
    async with sg.connect("memory://", virtual_time=True) as bus:
        begun, told, left = asyncio.Event(), asyncio.Event(), list[float | None]()

        async def slow(request: sg.Request) -> None:
            left.append(request.time_left())
            begun.set()
            await told.wait()
            left.append(request.time_left())

        async with bus.serve({"slow": slow}):
            call = asyncio.create_task(bus.call("slow", timeout=60))
            await asyncio.wait_for(begun.wait(), 10)
            await bus.time.advance(20)
            told.set()
            await asyncio.wait_for(call, 10)
        assert left[0] is not None
        assert left[1] == pytest.approx(left[0] - 20, abs=0.01)
        assert left[0] == pytest.approx(60, abs=1)


def test_pytest_finds_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile(
        """
        import stargazer_core as sg

        async def test_retries_take_no_time(bus):
            await bus.publish_inbound(sg.inbound("web", channel="c", user="u", text="hello"))
            async with bus.consume_inbound(retry_base=3600, retry_max=3600) as inbox:
                (await inbox.next(timeout=5)).retry()
                await bus.time.advance(7200)
                assert (await inbox.next(timeout=5)).attempt == 2
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:valkey")
    result.assert_outcomes(passed=1)


async def test_notebooks_show_tables() -> None:
    async with sg.connect("memory://") as bus:
        await bus.publish("s", 1, key="<b>")
        async with bus.consume("s", "g") as consumer:
            await consumer.next(timeout=5)
            shown = (await bus.stream_info("s"))._repr_html_()
            assert "<tr><th>length</th><td>1</td></tr>" in shown
            assert "<tr><th>name</th><td>g</td></tr>" in shown
        (entry,) = await bus.entries("s")
        assert "&lt;b&gt;" in entry._repr_html_()
