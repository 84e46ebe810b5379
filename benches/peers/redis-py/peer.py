"""redis-py: the client that people write their own bus with, and the original's.

Its documentation recommends for speed the compiled parser hiredis (https://pypi.org/project/redis/, "Installation")
and pipelines without a transaction (https://redis.readthedocs.io/en/stable/examples/pipeline_examples.html). Bodies are
msgpack.
"""

import asyncio
from typing import Any

import msgpack
import redis.asyncio
from bench import BATCH, GROUP, STREAM, Run, Witness, main

IN_FLIGHT = 64
CALLS, REPLIES = "bench:calls", "bench:replies"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def connect(run: Run) -> Any:
    """A client whose pool, of 100 connections unless told, has one for everything in flight."""
    return redis.asyncio.from_url(run.url, max_connections=run.depth + IN_FLIGHT)


async def ready(client: Any, depth: int) -> None:
    """Opens the connections, which is not measured."""
    await asyncio.gather(*(client.ping() for _ in range(depth)))


async def publish(run: Run) -> None:
    async with connect(run) as client:
        await ready(client, run.depth)
        await run.publish(lambda n: client.xadd(STREAM, {"data": msgpack.packb(run.envelope(n))}))


async def pipeline(run: Run) -> None:
    async with connect(run) as client:
        await client.ping()
        run.start()
        for start in range(0, run.messages, run.depth):
            async with client.pipeline(transaction=False) as burst:
                for n in range(start, min(run.messages, start + run.depth)):
                    burst.xadd(STREAM, {"data": msgpack.packb(run.envelope(n))})
                await burst.execute()
        run.stop(run.messages)


async def read(client: Any, stream: str = STREAM, block: int | None = None) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return entries(await client.xreadgroup(GROUP, "bench", {stream: ">"}, count=BATCH, block=block))


def entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    # A list of pairs under the second version of the protocol, a dict of lists of pages under the third.
    if isinstance(reply, dict):
        return [entry for pages in reply.values() for page in pages for entry in page]
    return reply[0][1] if reply else []


async def lock(run: Run) -> None:
    """The original's way, re-created from its documentation: a lock for each channel, taken after reading."""
    witness = Witness()
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with connect(run) as client:
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

        await ready(client, IN_FLIGHT)
        run.start()
        async with asyncio.TaskGroup() as tasks:
            while read_now := await read(client):
                for entry, fields in read_now:
                    await slots.acquire()
                    tasks.create_task(handle(entry, fields[b"data"]))
        run.stop(witness.handled, witness.disorder)


async def batches(run: Run) -> None:
    witness = Witness()
    async with connect(run) as client:
        await client.ping()
        run.start()
        while read_now := await read(client):
            for _id, fields in read_now:
                message = msgpack.unpackb(fields[b"data"])
                witness.note(message["channel_id"], message["message_id"])
            await client.xack(STREAM, GROUP, *(entry for entry, _ in read_now))
        run.stop(witness.handled, witness.disorder)


async def request(run: Run) -> None:
    """A request is an entry, and one reader of the reply stream hands each answer to whoever waits for it."""
    waiting: dict[int, asyncio.Future[Any]] = {}
    async with connect(run) as client, connect(run) as reader:

        async def hand_out() -> None:
            after = b"0"
            while True:
                for entry, fields in entries(await reader.xread({REPLIES: after}, count=BATCH, block=1000)):
                    after = entry
                    answer = msgpack.unpackb(fields[b"data"])
                    waiting.pop(answer["id"]).set_result(answer["result"])

        async def call(n: int) -> Any:
            waiting[n] = asyncio.get_running_loop().create_future()
            body = {"id": n, "name": "echo", "arguments": {"n": n}, "reply_to": REPLIES}
            answer = waiting[n]
            await client.xadd(CALLS, {"data": msgpack.packb(body)})
            return await answer

        await ready(client, run.depth)
        handing = asyncio.create_task(hand_out())
        await run.ask(call)
        handing.cancel()


async def serve(run: Run) -> None:
    """Reads what there is, and answers and acknowledges it in one pipeline."""
    async with connect(run) as client:
        await client.xgroup_create(CALLS, GROUP, "0", mkstream=True)

        async def answer() -> None:
            while True:
                read_now = await read(client, CALLS, block=1000)
                async with client.pipeline(transaction=False) as burst:
                    for entry, fields in read_now:
                        asked = msgpack.unpackb(fields[b"data"])
                        body = msgpack.packb({"id": asked["id"], "result": asked["arguments"]["n"]})
                        burst.xadd(asked["reply_to"], {"data": body}, maxlen=10_000)
                        burst.xack(CALLS, GROUP, entry)
                    await burst.execute()

        answering = asyncio.create_task(answer())
        await run.serve()
        answering.cancel()


CASES = {
    "publish": publish,
    "pipeline": pipeline,
    "lock": lock,
    "batches": batches,
    "request": request,
    "serve": serve,
}

main(CASES, ["redis", "hiredis", "msgpack"])
