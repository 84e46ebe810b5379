"""What is lost and comes back: processes, servers, groups. The names are those of ``scenarios.toml``."""

import asyncio
import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import redis
import stargazer_core as sg
from harness.server import Server

LEASE: dict[str, Any] = {"lease": 1.0, "sweep": 0.25}

HOLDER = """
    import asyncio, sys
    import stargazer_core as sg

    async def main(url, stream):
        async with sg.connect(url) as bus, bus.consume(stream, "g", lease=1.0, sweep=0.25) as consumer:
            async def hold(n):
                print(n, flush=True)
                await asyncio.sleep(60)
            await consumer.run(hold, concurrency=4)

    asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_work_of_a_dead_consumer_runs_elsewhere(server: Server, names: dict[str, Any]) -> None:
    stream = names["inbound_stream"]
    async with sg.connect(server.url, **names) as bus:
        await asyncio.gather(*(bus.publish(stream, n, key=str(n % 4)) for n in range(12)))
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here yet
            [sys.executable, "-c", textwrap.dedent(HOLDER), server.url, stream], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        held = {int(process.stdout.readline()) for _ in range(4)}
        assert held == {0, 1, 2, 3}
        process.kill()
        process.communicate()
        seen: dict[int, list[int]] = {lane: [] for lane in range(4)}
        again = set()

        async def handler(n: int, d: sg.Delivery) -> None:
            seen[n % 4].append(n)
            if d.redelivered:
                again.add(n)

        async with bus.consume(stream, "g", **LEASE) as consumer:
            running = asyncio.create_task(consumer.run(handler))
            async with asyncio.timeout(10):
                while sum(map(len, seen.values())) < 12:  # noqa: ASYNC110 - counted by the handler
                    await asyncio.sleep(0.01)
            await consumer.close()
            await running
        assert seen == {lane: [lane, lane + 4, lane + 8] for lane in range(4)}
        assert held <= again


async def test_a_restarted_server_is_used_again(own_server: Server, names: dict[str, Any]) -> None:
    async with sg.connect(own_server.url, publish_timeout=0.2, **names) as bus:
        await bus.publish("s", 1, message_id="m1")
        seen: asyncio.Queue[int] = asyncio.Queue()

        async def handler(n: int) -> None:
            seen.put_nowait(n)

        consumer = bus.consume("s", "g", **LEASE)
        running = asyncio.create_task(consumer.run(handler))
        assert await asyncio.wait_for(seen.get(), 5) == 1
        own_server.kill()
        with pytest.raises(sg.UnavailableError) as caught:
            await bus.publish("s", 2, message_id="m2")
        assert caught.value.context["stored"] in ("no", "unknown")
        own_server.restart()
        async with asyncio.timeout(10):
            while True:
                try:
                    await bus.publish("s", 2, message_id="m2")
                    break
                except sg.UnavailableError:
                    await asyncio.sleep(0.05)
            while await seen.get() != 2:
                pass
        await consumer.close()
        await running


async def test_an_outage_is_one_line_in_the_log(
    own_server: Server, names: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stargazer_core")

    def said(words: str) -> int:
        return sum(words in record.getMessage() for record in caplog.records if record.name == "stargazer_core")

    async with sg.connect(own_server.url, **names) as bus:
        consumer = bus.consume("s", "g", **LEASE)
        running = asyncio.create_task(consumer.run(_nothing))
        await bus.publish("s", 1)
        own_server.kill()
        async with asyncio.timeout(10):
            while not said("again"):  # noqa: ASYNC110 - the log rings no bell
                await asyncio.sleep(0.05)
        # Further failures of the streak add nothing.
        await asyncio.sleep(0.5)
        lost = len([record for record in caplog.records if record.levelno >= logging.WARNING])
        own_server.restart()
        async with asyncio.timeout(10):
            while not said("connected again"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await consumer.close()
        await running
    assert lost == 1, caplog.text


async def _nothing(body: Any) -> None:
    pass


async def test_a_lost_group_is_made_again(server: Server, names: dict[str, Any]) -> None:
    client: Any = redis.Redis.from_url(server.url)
    async with sg.connect(server.url, **names) as bus:
        await asyncio.gather(*(bus.publish("s", n, key="k") for n in range(3)))
        async with bus.consume("s", "g", **LEASE) as consumer:
            first = await consumer.next(timeout=5)
            first.ack()
            second = await consumer.next(timeout=5)

            async def made_again() -> sg.Notice:
                return await anext(n async for n in consumer.notices() if n.kind == "group_recreated")

            listening = asyncio.create_task(made_again())
            await asyncio.sleep(0)
            client.xgroup_destroy(f"{names['stream_prefix']}:s", "g")
            await bus.publish("s", 3, key="k")
            del second
            seen: list[int] = []
            async with asyncio.timeout(10):
                while len(seen) < 3:
                    try:
                        delivery = await consumer.next()
                    except sg.StaleError:
                        continue
                    seen.append(delivery.data)
                    delivery.ack()
            assert seen == [1, 2, 3]
            told = await asyncio.wait_for(listening, 5)
            assert told.details == {"from": "0-0", "missing": "group"}
    client.close()


async def test_a_bus_is_closed_although_a_consumer_could_not_report(own_server: Server) -> None:
    bus = await sg.connect(own_server.url)
    consumer = bus.consume("s", "g", drain_timeout=0.2)
    await bus.publish("s", 1)
    begun = asyncio.Event()

    async def handler(n: int) -> None:
        begun.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(consumer.run(handler))
    async with asyncio.timeout(10):
        await begun.wait()
    own_server.kill()
    with pytest.raises(sg.UnavailableError):
        await bus.close()
    with pytest.raises(sg.ClosedError):
        await bus.publish("s", 2)
    await asyncio.gather(running, return_exceptions=True)
