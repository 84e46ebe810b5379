"""The ordering modes beside lanes: one consumer at a time, and the locks of the original."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
import stargazer_core as sg
from harness.server import Server

CHANNELS = 3

# As the original's workers give a lock up: only if it is theirs.
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def say(channel: str, text: str) -> sg.Inbound:
    return sg.inbound("web", channel=channel, user="u1", text=text)


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await done():  # noqa: ASYNC110 - it may be a question to the server
            await asyncio.sleep(0.005)


async def test_one_exclusive_consumer_works_and_another_takes_over(bus: sg.Bus) -> None:
    seen: list[tuple[str, str, str]] = []

    def handler(who: str) -> Callable[[sg.Inbound], Awaitable[None]]:
        async def handle(msg: sg.Inbound) -> None:
            await asyncio.sleep(0.001)
            seen.append((who, msg.channel_id, msg.content))

        return handle

    async def have(n: int) -> bool:
        return len(seen) >= n

    consumers = {who: bus.consume_inbound(ordering="exclusive") for who in ("one", "two")}
    running = {who: asyncio.create_task(consumer.run(handler(who))) for who, consumer in consumers.items()}
    for n in range(30):
        await bus.publish_inbound(say(f"c{n % CHANNELS}", f"{n:02}"))
    await until(lambda: have(30))
    works = {who for who, _, _ in seen}
    assert len(works) == 1, "the other stands by"
    [worker] = works
    await consumers[worker].close()
    for n in range(30, 60):
        await bus.publish_inbound(say(f"c{n % CHANNELS}", f"{n:02}"))
    # The default lease is 15 s: nobody waits for it.
    async with asyncio.timeout(8):
        await until(lambda: have(60))
    assert {who for who, _, _ in seen[30:]} == {"one", "two"} - works
    for channel in range(CHANNELS):
        texts = [text for _, of, text in seen if of == f"c{channel}"]
        assert texts == sorted(texts)
    for consumer in consumers.values():
        await consumer.close()
    await asyncio.gather(*running.values())


async def test_locked_channels_run_one_at_a_time(bus: sg.Bus) -> None:
    running: set[str] = set()
    most = done = 0

    async def handler(msg: sg.Inbound) -> None:
        nonlocal most, done
        assert msg.channel_id not in running
        running.add(msg.channel_id)
        most = max(most, len(running))
        await asyncio.sleep(0.005)
        running.remove(msg.channel_id)
        done += 1

    consumers = [bus.consume_inbound(ordering="lock", concurrency=4) for _ in range(2)]
    tasks = [asyncio.create_task(consumer.run(handler)) for consumer in consumers]
    for n in range(60):
        await bus.publish_inbound(say(f"c{n % CHANNELS}", "x"))

    async def all_done() -> bool:
        return done >= 60

    await until(all_done)
    for consumer in consumers:
        await consumer.close()
    await asyncio.gather(*tasks)
    assert done == 60
    assert most > 1


@pytest.mark.parametrize("by", ["channel_id", "channel_key"])
async def test_a_channel_that_another_program_locked_waits(server: Server, names: dict[str, Any], by: str) -> None:
    client: Any = redis.Redis.from_url(server.url)
    channel, token = f"c-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    theirs = f"sg:lock:channel:{channel if by == 'channel_id' else f'web:{channel}'}"

    def lock() -> bool:
        return client.set(theirs, token, nx=True, ex=30) is True

    async with sg.connect(server.url, role="worker", **names) as bus:
        assert lock()
        await bus.publish_inbound(say(channel, "waits"))
        await bus.publish_inbound(say("free", "runs"))
        async with bus.consume_inbound(ordering="lock", lock_id="both", lock_ttl=1) as inbox:
            first = await inbox.next(timeout=5)
            assert first.data.content == "runs"
            first.ack()
            with pytest.raises(sg.TimeoutError):
                await inbox.next(timeout=0.5)
            assert client.eval(UNLOCK, 1, theirs, token) == 1
            second = await inbox.next(timeout=5)
            assert second.data.content == "waits"
            for _ in range(15):
                assert not lock(), "it is ours and renewed"
                await asyncio.sleep(0.1)
            # Ours has the form of theirs.
            assert str(uuid.UUID(client.get(theirs).decode())) == client.get(theirs).decode()
            second.ack()

            async def free() -> bool:
                return lock()

            await until(free)
        assert client.eval(UNLOCK, 1, theirs, token) == 1, "leaving touches no lock of others"
    client.close()
