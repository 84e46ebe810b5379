"""taskiq with taskiq-redis' broker on streams (https://taskiq-python.github.io/available-components/brokers.html).

What its documentation offers for speed: uvloop, which its worker takes when it is installed; a worker that does not
parse arguments by their types (``--no-parse``) and runs 100 tasks at a time
(https://taskiq-python.github.io/guide/cli.html); bodies as msgpack. No results are kept.
"""

import asyncio
import logging
from typing import Any

import redis.asyncio
from bench import BATCH, GROUP, STREAM, Run, Witness, main
from taskiq.api import run_receiver_task
from taskiq.serializers import MSGPackSerializer
from taskiq_redis import RedisStreamBroker


def broker_of(run: Run) -> RedisStreamBroker:
    broker = RedisStreamBroker(run.url, queue_name=STREAM, consumer_group_name=GROUP, consumer_id="0", xread_block=200)
    return broker.with_serializer(MSGPackSerializer())


async def publish(run: Run) -> None:
    broker = broker_of(run)

    @broker.task("handle")
    async def handle(message: dict[str, Any]) -> None:
        """Only its name is sent."""

    await broker.startup()
    await run.publish(lambda n: handle.kiq(run.envelope(n)))
    await broker.shutdown()


async def consume(run: Run) -> None:
    witness = Witness()
    done = asyncio.Event()
    broker = broker_of(run)

    @broker.task("handle")
    async def handle(message: dict[str, Any]) -> None:
        witness.note(message["channel_id"], message["message_id"])
        if witness.handled == run.messages:
            done.set()

    # That it is told to end is no news.
    logging.getLogger("taskiq.receiver").setLevel(logging.ERROR)
    await broker.startup()
    for start in range(0, run.messages, BATCH):
        numbers = range(start, min(run.messages, start + BATCH))
        await asyncio.gather(*(handle.kiq(run.numbered(n)) for n in numbers))
    async with redis.asyncio.from_url(run.url) as client:
        await client.ping()
        run.start()
        working = asyncio.create_task(run_receiver_task(broker, validate_params=False, max_async_tasks=100))
        await done.wait()
        while (await client.xpending(STREAM, GROUP))["pending"]:  # noqa: ASYNC110 - the server is asked
            await asyncio.sleep(0.001)
        run.stop(witness.handled, witness.disorder)
    working.cancel()
    await asyncio.wait([working])
    await broker.shutdown()


main({"publish": publish, "consume": consume}, ["taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"], uvloop=True)
