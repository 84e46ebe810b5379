"""``InboundStreamConsumer`` and ``OutboundStreamConsumer``: each test's name is a sentence of the original's page.

redis-py writes what the consumers read and looks at what they leave on the server.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
import redis.asyncio
import stargazer_core as sg
from harness.server import Server
from stargazer_core.compat import InboundStreamConsumer, OutboundStreamConsumer, RedisEventBus

INBOUND, OUTBOUND, DEAD = "sg:stream:inbound", "sg:stream:outbound", "sg:stream:dlq"
WORKERS, GATEWAYS = "sg:workers", "stargazer_gateways"


def put(witness: Any, stream: str = INBOUND, **body: Any) -> bytes:
    """An entry as the original writes one."""
    body = {"channel_key": "web:c1", "channel_id": "c1", "is_addressed": True, "trace_id": "t1", **body}
    fields = {"data": msgpack.packb(body), "ts": "1700000000.5", "trace_id": body["trace_id"]}
    entry: bytes = witness.xadd(stream, fields)
    return entry


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.005)


def settled(witness: Any, stream: str, group: str) -> Callable[[], bool]:
    """Whether a group has read everything and acknowledged it."""

    def done() -> bool:
        if not witness.exists(stream):
            return False
        last = witness.xinfo_stream(stream)["last-generated-id"]
        found = [row for row in witness.xinfo_groups(stream) if row["name"] == group.encode()]
        return bool(found) and found[0]["pending"] == 0 and found[0]["last-delivered-id"] == last

    return done


class Seen:
    """A function for consumers that keeps what it was given."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self.running = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Exception | None = None

    async def __call__(self, payload: dict[str, Any]) -> None:
        self.payloads.append(payload)
        self.running += 1
        try:
            await self.gate.wait()
            if self.fails is not None:
                raise self.fails
        finally:
            self.running -= 1


@pytest.fixture
def seen() -> Seen:
    return Seen()


Start = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def start(url: str) -> AsyncIterator[Start]:
    """Starts a consumer and stops it when the test is over."""
    started = []

    async def starting(kind: type[Any], *arguments: Any, **named: Any) -> Any:
        consumer = kind(url, *arguments, **named)
        started.append(consumer)
        await consumer.start()
        return consumer

    yield starting
    for consumer in started:
        await consumer.stop()


def test_the_signatures_are_those_of_the_page() -> None:
    inbound = inspect.signature(InboundStreamConsumer).parameters
    assert {name: parameter.default for name, parameter in inbound.items()} == {
        "redis": inspect.Parameter.empty,
        "consumer_name": inspect.Parameter.empty,
        "process_fn": inspect.Parameter.empty,
        "autoclaim_interval": 30.0,
        "autoclaim_min_idle": 60000,
        "state_machine": None,
    }
    outbound = inspect.signature(OutboundStreamConsumer).parameters
    assert list(outbound) == ["redis", "consumer_name", "process_fn", "platforms"]
    for kind in (InboundStreamConsumer, OutboundStreamConsumer):
        assert inspect.iscoroutinefunction(kind.start)
        assert inspect.iscoroutinefunction(kind.stop)


async def test_configuring_a_consumer_starts_no_background_work_and_no_redis_io(url: str, witness: Any) -> None:
    before = len(asyncio.all_tasks())
    clients = len(witness.client_list())
    InboundStreamConsumer(url, "worker-1", Seen())
    OutboundStreamConsumer(url, "gateway-1", Seen(), ["web"])
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before
    assert (len(witness.client_list()), witness.keys()) == (clients, [])


async def test_the_callback_is_invoked_with_the_deserialized_payload_dict(
    start: Start, witness: Any, seen: Seen
) -> None:
    body: dict[str, Any] = {
        "content": "Grüße 👍",
        "attachments": [{"data": b"\x00\xff"}],
        "odd": [1, 2.5, None],
        "reply_to": None,
    }
    put(witness, **body)
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(settled(witness, INBOUND, WORKERS))
    [payload] = seen.payloads
    assert type(payload) is dict
    assert payload == {"channel_key": "web:c1", "channel_id": "c1", "is_addressed": True, "trace_id": "t1", **body}
    assert witness.xlen(INBOUND) == 1, "the original's streams keep what was acknowledged"


async def test_a_payload_of_any_shape_reaches_the_callback(start: Start, witness: Any, seen: Seen) -> None:
    witness.xadd(INBOUND, {"data": msgpack.packb({"hello": 1})})
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(settled(witness, INBOUND, WORKERS))
    assert seen.payloads == [{"hello": 1}]


async def test_what_the_callback_returns_means_nothing(start: Start, witness: Any) -> None:
    async def process(payload: dict[str, Any]) -> Any:
        return payload

    put(witness)
    await start(InboundStreamConsumer, "worker-1", process)
    await until(settled(witness, INBOUND, WORKERS))
    assert not witness.exists(DEAD)


async def test_redis_distributes_messages_across_workers(start: Start, witness: Any) -> None:
    first, second = Seen(), Seen()
    await start(InboundStreamConsumer, "worker-1", first)
    await start(InboundStreamConsumer, "worker-2", second)
    for n in range(50):
        put(witness, channel_id=f"c{n}", channel_key=f"web:c{n}")
    await until(settled(witness, INBOUND, WORKERS))
    channels = [payload["channel_id"] for payload in first.payloads + second.payloads]
    assert sorted(channels) == sorted(f"c{n}" for n in range(50)), "each of them once"


async def test_each_worker_has_a_name_of_its_own_in_the_worker_group(start: Start, witness: Any, seen: Seen) -> None:
    await start(InboundStreamConsumer, "worker-ab12cd34", seen)
    put(witness)
    await until(lambda: bool(seen.payloads))
    names = [row["name"].decode() for row in witness.xinfo_consumers(INBOUND, WORKERS)]
    assert [name.startswith("worker-ab12cd34") for name in names] == [True]


async def test_addressed_messages_of_a_channel_wait_for_the_lock_that_an_original_s_worker_holds(
    start: Start, witness: Any, seen: Seen
) -> None:
    witness.set("sg:lock:channel:c1", "somebody's token", px=60_000)
    put(witness, content="locked")
    put(witness, content="not addressed", is_addressed=False)
    put(witness, content="free", channel_id="c2", channel_key="web:c2")
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(lambda: len(seen.payloads) == 2)
    assert {payload["content"] for payload in seen.payloads} == {"not addressed", "free"}
    witness.delete("sg:lock:channel:c1")
    await until(lambda: len(seen.payloads) == 3)
    await until(settled(witness, INBOUND, WORKERS))


async def test_the_lock_of_the_channel_is_held_while_a_message_is_processed(
    start: Start, witness: Any, seen: Seen
) -> None:
    seen.gate.clear()
    put(witness)
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(lambda: seen.running == 1)
    # By the channel's id and by its key, since it is not documented which of them the original takes.
    assert 25 < witness.ttl("sg:lock:channel:c1") <= 30
    assert 25 < witness.ttl("sg:lock:channel:web:c1") <= 30
    seen.gate.set()
    await until(lambda: not witness.keys("sg:lock:*"))


async def test_a_message_is_retried_and_after_three_attempts_goes_to_the_dead_letters_with_an_ack(
    start: Start, witness: Any, seen: Seen
) -> None:
    seen.fails = ValueError("no such city")
    entry = put(witness, content="x")
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(lambda: bool(witness.exists(DEAD)))
    assert len(seen.payloads) == 3
    [(_, letter)] = witness.xrange(DEAD)
    assert letter[b"original_stream"] == INBOUND.encode()
    assert letter[b"original_msg_id"] == entry
    assert b"no such city" in letter[b"error"]
    assert letter[b"attempt"] == b"3"
    assert msgpack.unpackb(letter[b"data"])["content"] == "x"
    assert (letter[b"ts"], letter[b"trace_id"]) == (b"1700000000.5", b"t1")
    await until(settled(witness, INBOUND, WORKERS))


async def test_what_is_no_payload_goes_to_the_dead_letters_and_to_no_callback(
    start: Start, witness: Any, seen: Seen
) -> None:
    witness.xadd(INBOUND, {"data": b"\xc1\xc1", "ts": "1", "trace_id": ""})
    await start(InboundStreamConsumer, "worker-1", seen)
    await until(lambda: bool(witness.exists(DEAD)))
    assert seen.payloads == []
    assert witness.xrange(DEAD)[0][1][b"data"] == b"\xc1\xc1"


async def test_the_autoclaim_daemon_reclaims_messages_orphaned_by_crashed_workers(
    start: Start, witness: Any, seen: Seen
) -> None:
    witness.xgroup_create(INBOUND, WORKERS, id="0", mkstream=True)
    put(witness, content="orphan")
    witness.xreadgroup(WORKERS, "worker-dead", {INBOUND: ">"})
    await start(InboundStreamConsumer, "worker-1", seen, autoclaim_interval=0.1, autoclaim_min_idle=200)
    await until(lambda: bool(seen.payloads))
    await until(settled(witness, INBOUND, WORKERS))
    assert [payload["content"] for payload in seen.payloads] == ["orphan"]


@pytest.mark.parametrize(("interval", "idle"), [(0.0, 0), (600.0, 5), (30.0, 60000)])
async def test_any_tuning_of_the_autoclaim_is_taken(
    start: Start, witness: Any, seen: Seen, interval: float, idle: int
) -> None:
    put(witness)
    await start(InboundStreamConsumer, "w", seen, autoclaim_interval=interval, autoclaim_min_idle=idle)
    await until(settled(witness, INBOUND, WORKERS))
    assert len(seen.payloads) == 1


class Machine:
    """A trace state machine, sync."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def transition(self, trace_id: str, state: str) -> None:
        self.seen.append((trace_id, state))


class AsyncMachine(Machine):
    async def transition(self, trace_id: str, state: str) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.seen.append((trace_id, state))


class BrokenMachine(Machine):
    def transition(self, trace_id: str, state: str) -> None:
        super().transition(trace_id, state)
        raise RuntimeError("broken")


@pytest.mark.parametrize("kind", [Machine, AsyncMachine, BrokenMachine])
async def test_the_state_machine_records_claimed_and_completed_sync_or_async_and_its_failure_changes_nothing(
    start: Start, witness: Any, seen: Seen, kind: type[Machine], caplog: pytest.LogCaptureFixture
) -> None:
    machine = kind()
    put(witness, trace_id="t7")
    await start(InboundStreamConsumer, "worker-1", seen, state_machine=machine)
    await until(settled(witness, INBOUND, WORKERS))
    assert machine.seen == [("t7", "CLAIMED"), ("t7", "COMPLETED")]
    assert not witness.exists(DEAD)
    assert ("state machine failed" in caplog.text) == (kind is BrokenMachine)


async def test_the_state_machine_records_errored_for_each_attempt_that_failed(
    start: Start, witness: Any, seen: Seen
) -> None:
    machine = Machine()
    seen.fails = ValueError("x")
    put(witness)
    put(witness, trace_id="")
    await start(InboundStreamConsumer, "worker-1", seen, state_machine=machine)
    await until(lambda: witness.xlen(DEAD) == 2)
    assert machine.seen == [("t1", "CLAIMED"), ("t1", "ERRORED")] * 3, "what has no trace is not traced"


async def test_stop_lets_messages_already_mid_processing_finish_their_ack(url: str, witness: Any, seen: Seen) -> None:
    seen.gate.clear()
    put(witness)
    consumer = InboundStreamConsumer(url, "worker-1", seen)
    await consumer.start()
    await until(lambda: seen.running == 1)
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    put(witness, content="too late")
    seen.gate.set()
    await stopping
    assert seen.running == 0
    assert len(seen.payloads) == 1
    [group] = witness.xinfo_groups(INBOUND)
    assert group["pending"] == 0
    assert witness.xinfo_consumers(INBOUND, WORKERS) == [], "nobody is left behind"


async def test_stop_gathers_exceptions_rather_than_raising_them(url: str, witness: Any, seen: Seen) -> None:
    seen.gate.clear()
    seen.fails = ValueError("x")
    put(witness)
    consumer = InboundStreamConsumer(url, "worker-1", seen)
    await consumer.start()
    await until(lambda: seen.running == 1)
    stopping = asyncio.create_task(consumer.stop())
    seen.gate.set()
    await stopping
    assert witness.xlen(INBOUND) == 1
    assert not witness.exists(DEAD)


async def test_after_stop_no_task_and_no_connection_is_left_and_it_may_be_started_again(
    url: str, witness: Any, seen: Seen
) -> None:
    def connections() -> int:
        return sum(int(row["db"]) == 9 for row in witness.client_list())

    tasks, clients = len(asyncio.all_tasks()), connections()
    consumer = InboundStreamConsumer(url, "worker-1", seen)
    gateway = OutboundStreamConsumer(url, "gateway-1", seen, ["web", "mail"])
    await consumer.stop()
    for n in range(2):
        await asyncio.gather(consumer.start(), gateway.start())
        await asyncio.gather(consumer.start(), gateway.start())
        put(witness)
        put(witness, f"{OUTBOUND}:mail")
        await until(lambda n=n: len(seen.payloads) == 2 * n + 2)  # type: ignore[misc]
        await asyncio.gather(consumer.stop(), gateway.stop())
        await consumer.stop()
        assert len(asyncio.all_tasks()) == tasks
        await until(lambda: connections() == clients)


async def test_stop_ends_a_consumer_that_never_reached_its_server(seen: Seen) -> None:
    consumer = InboundStreamConsumer("redis://127.0.0.1:1", "worker-1", seen)
    await consumer.start()
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await consumer.stop()


async def test_start_returns_at_once_and_waits_for_a_server_that_comes_later(
    own_server: Server, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    own_server.kill()
    consumer = InboundStreamConsumer(own_server.url, "worker-1", seen)
    async with asyncio.timeout(1):
        await consumer.start()
    own_server.restart()
    async with redis.asyncio.Redis.from_url(own_server.url) as client:
        await client.xadd(INBOUND, {"data": msgpack.packb({"n": 1})})
    await until(lambda: bool(seen.payloads))
    await consumer.stop()


async def test_a_consumer_that_is_kept_from_its_group_says_so_once_and_goes_on_when_it_can(
    url: str, start: Start, witness: Any, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stargazer_core.compat")
    async with sg.connect(url) as bus:
        other = bus.consume_inbound()
        waiting = asyncio.create_task(other.run(seen))
        await until(lambda: bool(witness.exists(f"{INBOUND}:{'sg%3Aworkers'}:consumers")))
        await start(InboundStreamConsumer, "worker-1", Seen())
        await until(lambda: "kept from its group" in caplog.text)
        await other.close()
        await waiting
    put(witness)
    await until(settled(witness, INBOUND, WORKERS))
    assert caplog.text.count("kept from its group") == 1


async def test_the_outbound_consumer_reads_the_stream_of_each_configured_platform(
    start: Start, witness: Any, seen: Seen
) -> None:
    for platform in ("discord", "matrix", "another"):
        put(witness, f"{OUTBOUND}:{platform}", platform=platform)
    await start(OutboundStreamConsumer, "gateway-1", seen, ["discord", "matrix"])
    for platform in ("discord", "matrix"):
        await until(settled(witness, f"{OUTBOUND}:{platform}", GATEWAYS))
    assert sorted(payload["platform"] for payload in seen.payloads) == ["discord", "matrix"]
    assert all(type(payload) is dict for payload in seen.payloads)


async def test_the_group_stargazer_gateways_is_created_when_it_is_missing_and_used_when_it_is_there(
    start: Start, witness: Any, seen: Seen
) -> None:
    stream = f"{OUTBOUND}:web"
    witness.xgroup_create(stream, GATEWAYS, id="0", mkstream=True)
    put(witness, stream, content="done")
    [[_, [(done, _)]]] = witness.xreadgroup(GATEWAYS, "original", {stream: ">"})
    witness.xack(stream, GATEWAYS, done)
    put(witness, stream, content="new")
    await start(OutboundStreamConsumer, "gateway-1", seen, ["web"])
    await until(settled(witness, stream, GATEWAYS))
    assert [payload["content"] for payload in seen.payloads] == ["new"]
    await start(OutboundStreamConsumer, "gateway-1", seen, ["mail"])
    await until(lambda: bool(witness.exists(f"{OUTBOUND}:mail")))
    await until(lambda: [row["name"] for row in witness.xinfo_groups(f"{OUTBOUND}:mail")] == [GATEWAYS.encode()])


async def test_an_empty_list_of_platforms_causes_start_to_no_op_with_a_warning(
    url: str, witness: Any, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = OutboundStreamConsumer(url, "gateway-1", Seen(), [])
    before = len(asyncio.all_tasks())
    await consumer.start()
    assert len(asyncio.all_tasks()) == before
    assert "no platforms" in caplog.text
    assert witness.keys() == []
    await consumer.stop()


async def test_what_is_for_one_channel_is_sent_in_its_order(start: Start, witness: Any) -> None:
    sent: dict[str, list[int]] = {"a": [], "b": []}

    async def send(payload: dict[str, Any]) -> None:
        await asyncio.sleep(0.001 if payload["n"] % 2 else 0)
        sent[payload["channel_id"]].append(payload["n"])

    for n in range(40):
        put(witness, f"{OUTBOUND}:web", channel_key="", channel_id="ab"[n % 2], n=n)
    await start(OutboundStreamConsumer, "gateway-1", send, ["web"])
    await until(settled(witness, f"{OUTBOUND}:web", GATEWAYS))
    assert sent == {"a": list(range(0, 40, 2)), "b": list(range(1, 40, 2))}


async def test_stop_of_the_outbound_consumer_lets_sends_underway_complete_and_ack(
    url: str, witness: Any, seen: Seen
) -> None:
    seen.gate.clear()
    put(witness, f"{OUTBOUND}:web")
    consumer = OutboundStreamConsumer(url, "gateway-1", seen, ["web"])
    await consumer.start()
    await until(lambda: seen.running == 1)
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.02)
    assert not stopping.done()
    seen.gate.set()
    await stopping
    [group] = witness.xinfo_groups(f"{OUTBOUND}:web")
    assert (group["pending"], len(seen.payloads)) == (0, 1)


async def test_a_message_that_takes_long_is_not_claimed_from_a_worker_that_lives(
    start: Start, witness: Any, seen: Seen
) -> None:
    seen.gate.clear()
    witness.xgroup_create(INBOUND, WORKERS, id="0", mkstream=True)
    # One of the original's workers is about; ours renews what it holds while that is so.
    witness.xgroup_createconsumer(INBOUND, WORKERS, "worker-original")
    put(witness)
    await start(InboundStreamConsumer, "worker-1", seen, autoclaim_interval=0.2, autoclaim_min_idle=600)
    await until(lambda: seen.running == 1)
    for _ in range(20):
        await asyncio.sleep(0.1)
        claimed = witness.xautoclaim(INBOUND, WORKERS, "worker-original", min_idle_time=1000)
        assert claimed[1] == []
    seen.gate.set()
    await until(settled(witness, INBOUND, WORKERS))
    assert len(seen.payloads) == 1


async def test_consumers_run_in_one_process_without_a_server() -> None:
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    url = "memory://compat-consumers"
    bus = RedisEventBus(url, "standalone", "n")
    consumers: list[Any] = [
        InboundStreamConsumer(url, "w", seen.put),
        OutboundStreamConsumer(url, "g", seen.put, ["web"]),
    ]
    for consumer in consumers:
        await consumer.start()
    await bus.publish_inbound({"n": 1})
    await bus.publish_outbound("web", {"n": 2})
    assert {(await asyncio.wait_for(seen.get(), 20))["n"] for _ in consumers} == {1, 2}
    for consumer in consumers:
        await consumer.stop()
    await bus.aclose()
