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
