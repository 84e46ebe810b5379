"""FastStream on Redis Streams with a group (https://faststream.ag2.ai/latest/redis/streams/groups/).

What its documentation offers for speed: uvloop, which its command line takes when it is installed; subscribers of
batches (https://faststream.ag2.ai/latest/redis/streams/batch/), a row of their own here, since their handler gets a
list; no types to validate (``apply_types=False``). Logging is off. Requests: https://faststream.ag2.ai/latest/redis/rpc/.
"""

import asyncio
from typing import Any

import redis.asyncio
from bench import BATCH, GROUP, STREAM, Run, Witness, main
from faststream.redis import RedisBroker, StreamSub

CALLS = "bench:calls"


def broker_of(run: Run) -> RedisBroker:
    # A request takes two connections, and the pool has 100 unless told.
    return RedisBroker(run.url, apply_types=False, logger=None, max_connections=2 * run.depth + 100)


async def publish(run: Run) -> None:
    async with broker_of(run) as broker:
        await run.publish(lambda n: broker.publish(run.envelope(n), stream=STREAM))


async def consume(run: Run) -> None:
    witness = Witness()
    broker = broker_of(run)
    done = asyncio.Event()

    @broker.subscriber(stream=StreamSub(STREAM, group=GROUP, consumer="bench", last_id="0", max_records=BATCH))
    async def handle(message: dict[str, Any]) -> None:
        note(message, witness, run, done)

    await drain(run, broker, witness, done)


async def batches(run: Run) -> None:
    witness = Witness()
    broker = broker_of(run)
    done = asyncio.Event()
    what = StreamSub(STREAM, group=GROUP, consumer="bench", last_id="0", max_records=BATCH, batch=True)

    @broker.subscriber(stream=what)
    async def handle(messages: list[dict[str, Any]]) -> None:
        for message in messages:
            note(message, witness, run, done)

    await drain(run, broker, witness, done)


def note(message: dict[str, Any], witness: Witness, run: Run, done: asyncio.Event) -> None:
    witness.note(message["channel_id"], message["message_id"])
    if witness.handled == run.messages:
        done.set()


async def drain(run: Run, broker: RedisBroker, witness: Witness, done: asyncio.Event) -> None:
    """Fills the stream, then measures from the start of the broker until everything is acknowledged."""
    async with redis.asyncio.from_url(run.url) as client:
        await broker.connect()
        for start in range(0, run.messages, BATCH):
            numbers = range(start, min(run.messages, start + BATCH))
            await asyncio.gather(*(broker.publish(run.numbered(n), stream=STREAM) for n in numbers))
        run.start()
        await broker.start()
        await done.wait()
        while (await client.xpending(STREAM, GROUP))["pending"]:  # noqa: ASYNC110 - the server is asked
            await asyncio.sleep(0.001)
        run.stop(witness.handled, witness.disorder)
        await broker.stop()


async def request(run: Run) -> None:
    async with broker_of(run) as broker:

        async def call(n: int) -> Any:
            answer = await broker.request({"n": n}, stream=CALLS)
            return await answer.decode()

        await run.ask(call)


async def serve(run: Run) -> None:
    broker = broker_of(run)

    @broker.subscriber(stream=StreamSub(CALLS, group=GROUP, consumer="bench", last_id="0", max_records=BATCH))
    async def echo(message: dict[str, Any]) -> Any:
        return message["n"]

    await broker.start()
    await run.serve()
    await broker.stop()


CASES = {"publish": publish, "consume": consume, "batches": batches, "request": request, "serve": serve}

main(CASES, ["faststream", "redis", "hiredis", "uvloop"], uvloop=True)
