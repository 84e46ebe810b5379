"""``DistributedLock``: what is documented of the original's, with redis-py as its counterpart on the server."""

import asyncio
import inspect
import uuid
from typing import Any

import pytest
import stargazer_core as sg
from stargazer_core import compat
from stargazer_core.compat import DistributedLock

KEY = "sg:lock:channel:c1"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def test_the_defaults_are_those_of_the_page() -> None:
    parameters = inspect.signature(DistributedLock).parameters
    defaults = {name: parameter.default for name, parameter in list(parameters.items())[2:]}
    assert defaults == {"ttl": 30, "auto_renew": False, "max_renewals": 5, "abort_on_loss": True}
    assert list(parameters)[:2] == ["redis", "channel_id"]


async def test_the_lock_is_set_nx_ex_with_a_uuid4_text_unique_to_the_lock_object(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1")
    assert not witness.exists(KEY)
    assert await lock.acquire()
    assert lock.held
    assert uuid.UUID(witness.get(KEY).decode()).version == 4
    assert 29 <= witness.ttl(KEY) <= 30
    other = DistributedLock(url, "c2")
    await other.acquire()
    assert witness.get("sg:lock:channel:c2") != witness.get(KEY)
    assert await lock.release()
    assert not witness.exists(KEY)
    assert not lock.held
    await other.release()


async def test_who_holds_it_by_hand_excludes_us_and_the_other_way_round(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1")
    witness.set(KEY, "theirs", nx=True, ex=30)
    assert not await lock.acquire(blocking=False)
    assert not await lock.acquire(timeout=0.05)
    assert witness.eval(RELEASE, 1, KEY, "theirs") == 1
    assert await lock.acquire(blocking=False)
    assert witness.set(KEY, "theirs", nx=True, ex=30) is None
    assert witness.eval(RELEASE, 1, KEY, "theirs") == 0
    await lock.release()
    assert witness.set(KEY, "theirs", nx=True, ex=30)


async def test_a_blocking_acquire_waits_until_the_lock_is_free(url: str, witness: Any) -> None:
    witness.set(KEY, "theirs", ex=30)
    waiting = asyncio.create_task(DistributedLock(url, "c1").acquire())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    witness.delete(KEY)
    async with asyncio.timeout(10):
        assert await waiting


async def test_release_deletes_only_if_the_value_equals_the_token(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1")
    await lock.acquire()
    witness.set(KEY, "theirs", ex=30)
    assert not await lock.release()
    assert witness.get(KEY) == b"theirs"
    assert not await DistributedLock(url, "never taken").release()


async def test_renew_sets_the_time_only_if_the_value_equals_the_token(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1", ttl=60)
    assert not await lock.renew()
    await lock.acquire()
    witness.expire(KEY, 5)
    assert await lock.renew()
    assert 59 <= witness.ttl(KEY) <= 60
    witness.set(KEY, "theirs", ex=5)
    assert not await lock.renew()
    assert witness.ttl(KEY) <= 5
    await lock.release()


async def test_it_is_re_entrant_per_object(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1")
    async with lock:
        async with lock:
            assert await lock.acquire(blocking=False)
            await lock.release()
        assert witness.exists(KEY)
        assert not await DistributedLock(url, "c1").acquire(blocking=False), "another object is somebody else"
    assert not witness.exists(KEY)


async def test_the_watchdog_renews_the_lock(url: str, witness: Any) -> None:
    async with DistributedLock(url, "c1", ttl=1, auto_renew=True, max_renewals=None):
        token = witness.get(KEY)
        await asyncio.sleep(1.5)
        assert witness.get(KEY) == token


async def test_without_auto_renew_it_lapses_and_nobody_is_cancelled(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1", ttl=1)
    async with asyncio.timeout(10):
        await lock.acquire()
        while witness.exists(KEY):  # noqa: ASYNC110 - the server's clock ends it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    assert not await lock.release()


async def test_when_the_lease_is_lost_the_owner_s_task_is_cancelled(url: str, witness: Any) -> None:
    async def own() -> None:
        async with DistributedLock(url, "c1", ttl=1, auto_renew=True):
            witness.set(KEY, "theirs", ex=30)
            await asyncio.sleep(30)

    async with asyncio.timeout(10):
        with pytest.raises(sg.StaleError):
            await asyncio.create_task(own())
    assert witness.get(KEY) == b"theirs"


async def test_without_abort_on_loss_the_owner_goes_on(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1", ttl=1, auto_renew=True, abort_on_loss=False)
    await lock.acquire()
    witness.set(KEY, "theirs", ex=30)
    async with asyncio.timeout(10):
        while lock.held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not await lock.release()


async def test_without_redis_it_is_a_lock_of_this_process() -> None:
    one, two = DistributedLock(None, "c1"), DistributedLock(None, "c1")
    async with one:
        assert not await two.acquire(blocking=False)
        assert await DistributedLock(None, "c2").acquire(blocking=False)
    assert await two.acquire(blocking=False)
    assert await two.release()
    await compat.aclose()


async def test_locks_of_many_messages_share_one_connection(url: str, witness: Any) -> None:
    for n in range(20):
        async with DistributedLock(url, f"c{n}"):
            pass
    ours = [row for row in witness.client_list() if row["db"] == "9"]
    assert len(ours) <= 3


async def test_a_consumer_waits_for_a_lock_that_is_held_here(url: str, witness: Any) -> None:
    seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bus = compat.RedisEventBus(url, "worker", "n")
    consumer = compat.InboundStreamConsumer(url, "w", seen.put)
    async with DistributedLock(url, "c1"):
        await bus.publish_inbound({"channel_id": "c1", "channel_key": "web:c1", "is_addressed": True})
        await consumer.start()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(seen.get(), 0.3)
    await asyncio.wait_for(seen.get(), 20)
    await consumer.stop()


async def test_a_lock_can_be_taken_again_after_everything_was_closed(url: str, witness: Any) -> None:
    lock = DistributedLock(url, "c1")
    assert await lock.acquire()
    assert await lock.release()
    await compat.aclose()
    assert await lock.acquire()
    assert witness.exists(KEY)
    await lock.release()
