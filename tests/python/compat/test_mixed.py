"""One fleet of three kinds: programs that do by hand with redis-py what the original does, the original's API over this
package, and the package's own API. All of them write, and all of them read in the same groups."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import redis.asyncio
import stargazer_core as sg
from stargazer_core.compat import InboundStreamConsumer, OutboundStreamConsumer, RedisEventBus

INBOUND, OUTBOUND = "sg:stream:inbound", "sg:stream:outbound:web"
WORKERS, GATEWAYS = "sg:workers", "stargazer_gateways"
MESSAGES, CHANNELS = 300, 12
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Fleet:
    """What the workers and gateways have in common: what they saw, and whether channels kept apart."""

    def __init__(self) -> None:
        self.handled: dict[str, list[int]] = {}
        self.sent: dict[str, list[int]] = {}
        self.running: Counter[str] = Counter()
        self.collisions: list[str] = []
        self.over = False

    async def handle(self, who: str, payload: dict[str, Any]) -> dict[str, Any]:
        channel = payload["channel_id"]
        if self.running[channel]:
            self.collisions.append(channel)
        self.running[channel] += 1
        await asyncio.sleep(0.002)
        self.running[channel] -= 1
        n = int(payload["content"])
        self.handled.setdefault(who, []).append(n)
        return {"type": "message", "channel_id": channel, "platform": "web", "text": str(n), "trace_id": "t"}

    def send(self, who: str, payload: dict[str, Any]) -> None:
        self.sent.setdefault(who, []).append(int(payload["text"]))


def message(n: int) -> dict[str, Any]:
    channel = f"c{n % CHANNELS}"
    return {
        "channel_key": f"web:{channel}",
        "platform": "web",
        "channel_id": channel,
        "user_id": "u",
        "username": "u",
        "content": str(n),
        "message_id": f"m{n}",
        "timestamp": 1.0,
        "trace_id": f"t{n}",
        "is_addressed": True,
    }


async def add(client: Any, stream: str, body: dict[str, Any]) -> None:
    """As the original publishes."""
    fields = {"data": msgpack.packb(body), "ts": "1700000000.0", "trace_id": body["trace_id"]}
    await client.xadd(stream, fields, maxlen=100_000, approximate=True)


async def read(client: Any, fleet: Fleet, stream: str, group: str) -> AsyncIterator[tuple[bytes, dict[str, Any]]]:
    """As the original reads, but without blocking: whom the server has waiting it serves before all others."""
    while not fleet.over:
        for _, entries in await client.xreadgroup(group, "original", {stream: ">"}, count=5) or []:
            for entry, fields in entries:
                yield entry, msgpack.unpackb(fields[b"data"])
        await asyncio.sleep(0.005)


async def original_worker(client: Any, fleet: Fleet) -> None:
    """As the original consumes: each message in a task of its own, under the lock of its channel."""

    async def work(entry: bytes, payload: dict[str, Any]) -> None:
        key, token = f"sg:lock:channel:{payload['channel_id']}", uuid.uuid4().hex
        while not await client.set(key, token, nx=True, ex=30):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await add(client, OUTBOUND, await fleet.handle("original", payload))
        await client.xack(INBOUND, WORKERS, entry)
        await client.eval(RELEASE, 1, key, token)

    async with asyncio.TaskGroup() as tasks:
        async for entry, payload in read(client, fleet, INBOUND, WORKERS):
            tasks.create_task(work(entry, payload))


async def original_gateway(client: Any, fleet: Fleet) -> None:
    async for entry, payload in read(client, fleet, OUTBOUND, GATEWAYS):
        fleet.send("original", payload)
        await client.xack(OUTBOUND, GATEWAYS, entry)


async def test_original_compat_and_own_api_share_streams_and_groups(
    url: str, client: redis.asyncio.Redis, witness: Any
) -> None:
    fleet = Fleet()
    old = RedisEventBus(client, "standalone", "n")
    await old.ensure_streams(["web"])
    await client.xgroup_create(OUTBOUND, GATEWAYS, id="0")

    async def compat_handler(payload: dict[str, Any]) -> None:
        await old.publish_outbound("web", await fleet.handle("compat", payload))

    async def compat_sender(payload: dict[str, Any]) -> None:
        fleet.send("compat", payload)

    async with sg.connect(url, retention="capped", max_len=100_000, inline_bodies=True) as bus:

        async def own_handler(msg: sg.Inbound, delivery: sg.Delivery) -> None:
            await delivery.bus.publish_outbound("web", await fleet.handle("own", msg))

        async def own_sender(action: sg.Outbound) -> None:
            fleet.send("own", action)

        compat_inbox = InboundStreamConsumer(client, "worker-compat", compat_handler)
        compat_outbox = OutboundStreamConsumer(client, "gateway-compat", compat_sender, ["web"])
        inbox = bus.consume_inbound(ordering="lock", concurrency=4)
        outbox = bus.consume_outbound("web", group=GATEWAYS)
        others = [
            asyncio.create_task(original_worker(client, fleet)),
            asyncio.create_task(original_gateway(client, fleet)),
        ]
        own = [asyncio.create_task(inbox.run(own_handler)), asyncio.create_task(outbox.run(own_sender))]
        await compat_inbox.start()
        await compat_outbox.start()
        count = 0
        async with asyncio.timeout(50):
            # Until every kind of worker and gateway has had its share, which is for chance to say.
            while count < MESSAGES or len(fleet.handled) < 3 or len(fleet.sent) < 3:
                if count % 3 == 0:
                    await add(client, INBOUND, message(count))
                elif count % 3 == 1:
                    await old.publish_inbound(message(count))
                else:
                    await bus.publish_inbound(message(count))
                count += 1
                await asyncio.sleep(0.001)
            while sum(map(len, fleet.sent.values())) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        fleet.over = True
        await asyncio.gather(*others)
        await asyncio.gather(compat_inbox.stop(), compat_outbox.stop(), inbox.close(), outbox.close())
        await asyncio.gather(*own)

    assert sorted(n for part in fleet.handled.values() for n in part) == list(range(count)), "each of them once"
    assert sorted(n for part in fleet.sent.values() for n in part) == list(range(count))
    assert set(fleet.handled) == set(fleet.sent) == {"original", "compat", "own"}
    assert fleet.collisions == [], "never two of one channel at a time"
    for stream in (INBOUND, OUTBOUND):
        pending = {row["name"]: row["pending"] for row in witness.xinfo_groups(stream)}
        assert set(pending.values()) == {0}, pending
        assert witness.xlen(stream) == count, "nothing is deleted under the original's retention"
    assert not witness.keys("sg:lock:*")
    assert not witness.exists("sg:stream:dlq")


async def test_a_worker_of_ours_with_full_promises_reads_what_compat_publishes(url: str) -> None:
    old = RedisEventBus(url, "standalone", "n")
    for n in range(4):
        await old.publish_inbound({**message(n), "channel_id": "c", "channel_key": "web:c", "is_addressed": n != 2})
    async with sg.connect(url, role="worker") as bus, bus.consume_inbound() as inbox:
        seen: list[tuple[str, str | None, str]] = []

        async def handle(msg: sg.Inbound, delivery: sg.Delivery) -> None:
            seen.append((msg.content, delivery.lane, delivery.trace_id))

        await inbox.run(handle, until_idle=True)
    lane = "web:c"
    assert sorted(seen) == [("0", lane, "t0"), ("1", lane, "t1"), ("2", None, "t2"), ("3", lane, "t3")]
    assert [content for content, of, _ in seen if of] == ["0", "1", "3"]


async def test_a_consumer_of_compat_reads_what_the_own_api_publishes(url: str) -> None:
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    # A body that the own API would store beside its entry.
    big = "x" * 100_000
    async with sg.connect(url, inline_bodies=True) as bus:
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text=big))
        await bus.publish_outbound("web", sg.file("c1", "a.bin", b"\x00\xff"))
    inbox, outbox = InboundStreamConsumer(url, "w", seen.put), OutboundStreamConsumer(url, "g", seen.put, ["web"])
    await inbox.start()
    assert (await asyncio.wait_for(seen.get(), 20))["content"] == big
    await outbox.start()
    payload = await asyncio.wait_for(seen.get(), 20)
    assert (payload["type"], payload["filename"], payload["data"]) == ("file", "a.bin", "AP8=")
    await inbox.stop()
    await outbox.stop()
