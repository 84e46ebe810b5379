"""One run of one case in Python: ``peer.py URL CASE MESSAGES ENVELOPES``.

Prepares, prints ``ready``, waits for a line, runs, and prints what it took as one line of JSON. ``peer.py versions``
tells what it runs on. Ours and its rivals run on the same plain asyncio loop.
"""

import asyncio
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import hiredis
import msgpack
import redis
import redis.asyncio
import stargazer_core as sg

STREAM, GROUP = "sg:stream:inbound", "sg:workers"
IN_FLIGHT = 64
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Witness:
    """What a handler saw: each message once, and each channel in order."""

    def __init__(self, messages: int) -> None:
        self.seen: set[int] = set()
        self.latest: dict[str, int] = {}
        self.messages = messages
        self.disorder = 0

    def note(self, channel: str, message_id: str) -> None:
        number = int(message_id)
        self.seen.add(number)
        if number < self.latest.get(channel, -1):
            self.disorder += 1
        else:
            self.latest[channel] = number

    @property
    def handled(self) -> int:
        return len(self.seen)


class Clock:
    """Starts when we are told to."""

    def __init__(self) -> None:
        print("ready", flush=True)
        sys.stdin.readline()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self, handled: int, disorder: int = 0) -> None:
        seconds, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "handled": handled, "disorder": disorder}), flush=True)


async def in_tasks(messages: int, one: Callable[[int], Awaitable[object]]) -> None:
    numbers = iter(range(messages))

    async def work() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def publish_ours(url: str, messages: int, envelopes: list[dict[str, Any]]) -> None:
    ready = [sg.Inbound(envelope) for envelope in envelopes]
    async with sg.connect(url) as bus:
        clock = Clock()
        await in_tasks(messages, lambda n: bus.publish_inbound(ready[n % len(ready)]))
        clock.stop(messages)


async def publish_tasks(url: str, messages: int, envelopes: list[dict[str, Any]]) -> None:
    async with redis.asyncio.from_url(url) as client:
        await client.ping()
        clock = Clock()
        await in_tasks(messages, lambda n: client.xadd(STREAM, {"data": msgpack.packb(envelopes[n % len(envelopes)])}))
        clock.stop(messages)


async def publish_pipeline(url: str, messages: int, envelopes: list[dict[str, Any]]) -> None:
    async with redis.asyncio.from_url(url) as client:
        await client.ping()
        clock = Clock()
        for start in range(0, messages, IN_FLIGHT):
            async with client.pipeline(transaction=False) as burst:
                for n in range(start, min(messages, start + IN_FLIGHT)):
                    burst.xadd(STREAM, {"data": msgpack.packb(envelopes[n % len(envelopes)])})
                await burst.execute()
        clock.stop(messages)


async def lanes_ours(url: str, messages: int, _: list[dict[str, Any]]) -> None:
    await in_order(url, messages, "lanes")


async def exclusive_ours(url: str, messages: int, _: list[dict[str, Any]]) -> None:
    await in_order(url, messages, "exclusive")


async def in_order(url: str, messages: int, ordering: Literal["lanes", "exclusive"]) -> None:
    witness = Witness(messages)

    async def handle(message: sg.Inbound) -> None:
        witness.note(message.channel_id, message.message_id)

    async with sg.connect(url) as bus:
        clock = Clock()
        async with bus.consume_inbound(ordering=ordering) as inbox:
            await inbox.run(handle, until_idle=True)
            clock.stop(witness.handled, witness.disorder)


async def none_ours(url: str, messages: int, _: list[dict[str, Any]]) -> None:
    witness = Witness(messages)
    async with sg.connect(url) as bus:
        clock = Clock()
        async with bus.consume_inbound(ordering="none") as inbox:
            async for delivery in inbox:
                message = delivery.data
                witness.note(message.channel_id, message.message_id)
                delivery.ack()
                if witness.handled == messages:
                    break
        clock.stop(witness.handled, witness.disorder)


async def read(client: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    reply = await client.xreadgroup(GROUP, "bench", {STREAM: ">"}, count=100)
    # A list of pairs under the second version of the protocol, a dict of lists of pages under the third.
    if isinstance(reply, dict):
        return [entry for pages in reply.values() for page in pages for entry in page]
    return reply[0][1] if reply else []


async def lanes_lock(url: str, messages: int, _: list[dict[str, Any]]) -> None:
    """The original's way, re-created from its documentation: a lock for each channel, taken after reading."""
    witness = Witness(messages)
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with redis.asyncio.from_url(url) as client:
        release = client.register_script(RELEASE)

        async def handle(entry: bytes, body: bytes) -> None:
            message = msgpack.unpackb(body)
            key = f"sg:lock:channel:{message['channel_id']}"
            while not await client.set(key, entry, nx=True, px=30_000):  # noqa: ASYNC110 - the lock is the server's
                await asyncio.sleep(0.01)
            witness.note(message["channel_id"], message["message_id"])
            await release(keys=[key], args=[entry])
            await client.xack(STREAM, GROUP, entry)
            slots.release()

        await client.ping()
        clock = Clock()
        async with asyncio.TaskGroup() as tasks:
            while entries := await read(client):
                for entry, fields in entries:
                    await slots.acquire()
                    tasks.create_task(handle(entry, fields[b"data"]))
        clock.stop(witness.handled, witness.disorder)


async def none_batches(url: str, messages: int, _: list[dict[str, Any]]) -> None:
    witness = Witness(messages)
    async with redis.asyncio.from_url(url) as client:
        await client.ping()
        clock = Clock()
        while entries := await read(client):
            for _id, fields in entries:
                message = msgpack.unpackb(fields[b"data"])
                witness.note(message["channel_id"], message["message_id"])
            await client.xack(STREAM, GROUP, *(entry for entry, _ in entries))
        clock.stop(witness.handled, witness.disorder)


CASES = {
    "publish-ours": publish_ours,
    "publish-tasks": publish_tasks,
    "publish-pipeline": publish_pipeline,
    "lanes-ours": lanes_ours,
    "exclusive-ours": exclusive_ours,
    "none-ours": none_ours,
    "lanes-lock": lanes_lock,
    "none-batches": none_batches,
}


def main(arguments: list[str]) -> None:
    if arguments == ["versions"]:
        print(
            f"{platform.python_version()}, stargazer_core {sg.__version__}, redis-py {redis.__version__}, "
            f"hiredis {hiredis.__version__}, msgpack {'.'.join(map(str, msgpack.version))}"
        )
        return
    url, case, messages, path = arguments
    with open(path, encoding="utf-8") as file:
        envelopes = json.load(file)
    asyncio.run(CASES[case](url, int(messages), envelopes))


main(sys.argv[1:])
