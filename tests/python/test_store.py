"""What the server keeps under keys: the same words and answers as in Rust, where each is proven in depth."""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable

import pytest
import stargazer_core as sg
from stargazer_core.store import LogEntry, Notification


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"t:{uuid.uuid4().hex}"


@pytest.fixture
def store(bus: sg.Bus) -> sg.Store:
    return bus.store()


async def test_texts_are_bytes_and_conditions_hold(store: sg.Store, key: str) -> None:
    assert await store.get(key) is None
    await store.set(key, b"\x00\xff")
    assert await store.get(key) == b"\x00\xff"
    assert not await store.set_if_absent(key, "other")
    assert not await store.compare_and_set(key, "other", "new")
    assert await store.compare_and_set(key, b"\x00\xff", "Ü")
    assert await store.get(key) == "Ü".encode()
    assert not await store.compare_and_delete(key, "other")
    assert await store.exists(key)
    assert await store.compare_and_delete(key, "Ü")
    assert not await store.exists(key)
    assert await store.set_if_absent(key, "again")
    assert await store.delete(key, key + ":none") == 1
    assert await store.delete() == 0


async def test_keys_end_with_their_time(store: sg.Store, key: str) -> None:
    await store.set(key, "x", ttl=100)
    left = await store.time_to_live(key)
    assert left is not None
    assert 99 < left <= 100
    await store.set(key, "x")
    assert await store.time_to_live(key) is None
    assert await store.expire(key, 0.02)
    async with asyncio.timeout(10):
        while await store.exists(key):  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.005)
    assert not await store.expire(key, 1)


async def test_counters_count(store: sg.Store, key: str) -> None:
    assert [await store.increment(key), await store.increment(key, 10), await store.increment(key, -1)] == [1, 11, 10]
    assert await store.hash_increment(key + "h", "f", 5) == 5
    assert await store.hash_increment(key + "h", "f") == 6
    most = 999_999_999_999_999_999
    counts: list[Callable[[int], Awaitable[int]]] = [
        lambda by: store.increment(key + "m", by),
        lambda by: store.hash_increment(key + "h", "m", by),
    ]
    for count in counts:
        assert await count(most) == most
        for by in (1, most, 10**18, 2**63, 2**70):
            with pytest.raises(sg.InvalidError):
                await count(by)
        assert await count(-1) == most - 1, "it counts on"


async def test_hashes_keep_fields(store: sg.Store, key: str) -> None:
    assert await store.hash_set(key, {"a": "1", "b": b"\xff"}, ttl=50) == 2
    assert await store.hash_set(key, {"a": "2"}) == 0
    assert await store.hash_get(key, "a") == b"2"
    assert await store.hash_get(key, "c") is None
    assert await store.hash_get_all(key) == {"a": b"2", "b": b"\xff"}
    assert not await store.hash_set_if_absent(key, "a", "3")
    assert await store.hash_set_if_absent(key, "c", "3")
    assert await store.hash_exists(key, "c")
    assert await store.hash_len(key) == 3
    assert await store.hash_delete(key, "a", "x") == 1
    assert await store.time_to_live(key) is not None


async def test_sets_keep_members(store: sg.Store, key: str) -> None:
    assert await store.set_add(key, "a", b"\xff", "a") == 2
    assert await store.set_members(key) == {b"a", b"\xff"}
    assert await store.set_contains(key, b"\xff")
    assert await store.set_remove(key, "a", "b") == 1
    assert not await store.set_contains(key, "a")


async def test_sorted_sets_are_read_by_score(store: sg.Store, key: str) -> None:
    assert await store.sorted_add(key, {"b": 2, "a": 2.0, "c": -1.5}) == 3
    assert await store.sorted_range(key) == [(b"c", -1.5), (b"a", 2.0), (b"b", 2.0)]
    assert await store.sorted_range(key, 0, math.inf, count=1) == [(b"a", 2.0)]
    assert await store.sorted_remove(key, "a", "x") == 1
    with pytest.raises(sg.InvalidError, match="members"):
        await store.sorted_add(key, ["a"])  # type: ignore[arg-type]


async def test_lists_keep_their_order(store: sg.Store, key: str) -> None:
    assert await store.list_push(key, "a", "b") == 2
    assert await store.list_push(key, b"\xff", ttl=50) == 3
    assert await store.list_range(key) == [b"a", b"b", b"\xff"]
    assert await store.list_range(key, -2, -1) == [b"b", b"\xff"]
    await store.list_trim(key, 1, -1)
    assert [await store.list_pop(key), await store.list_pop(key), await store.list_pop(key)] == [b"b", b"\xff", None]


async def test_a_batch_is_carried_out_as_a_whole(store: sg.Store, key: str) -> None:
    assert await store.batch().commit() == []
    batch = store.batch().set(key, "v").hash_set(key + "h", {"f": "1"}).increment(key + "n", 5)
    batch.set_add(key + "s", "m").list_push(key + "l", "x").log_append(key + "g", {"f": "1"}).set_if_absent(key, "w")
    assert len(batch) == 7
    answers = await batch.commit()
    assert answers[:5] == [True, 1, 5, 1, 1]
    assert answers[6] is False
    assert (await store.log_read(key + "g"))[0].id == answers[5]
    with pytest.raises(sg.InvalidError):
        await store.batch().set(key + "new", "x").hash_set(key, {"f": "1"}).commit()
    assert not await store.exists(key + "new")


async def test_a_batch_hangs_on_its_conditions(store: sg.Store, key: str) -> None:
    await store.set_add(key, "member")
    await store.batch().require_member(key, "member").require_absent(key + "a").set(key + "a", "1").commit()
    for batch, place in [
        (store.batch().set(key + "b", "2").require_absent(key + "a"), "1"),
        (store.batch().require_member(key, "other").set(key + "b", "2"), "0"),
    ]:
        with pytest.raises(sg.ConflictError) as raised:
            await batch.commit()
        assert raised.value.context["unmet"] == place
    assert not await store.exists(key + "b")


async def test_a_key_of_another_kind_is_told(store: sg.Store, key: str) -> None:
    await store.list_push(key, "a")
    with pytest.raises(sg.InvalidError, match="list"):
        await store.get(key)


async def test_a_log_is_read_from_any_place(store: sg.Store, key: str) -> None:
    assert await store.log_last(key) == "0-0"
    ids = [await store.log_append(key, {"n": str(n)}, max_len=1000) for n in range(5)]
    assert await store.log_last(key) == ids[-1]
    assert [entry.id for entry in await store.log_read(key)] == ids
    assert await store.log_read(key, ids[1], count=1) == [LogEntry(ids[2], {"n": b"2"})]
    assert await store.log_trim(key, ids[1]) == 2
    assert [entry.id for entry in await store.log_read(key)] == ids[2:]
    with pytest.raises(sg.InvalidError, match="id"):
        await store.log_read(key, "no id")


async def test_a_tail_hears_of_what_comes(store: sg.Store, key: str) -> None:
    assert await store.log_tail(key, "0-0", wait=0.01) == []
    tail = asyncio.ensure_future(store.log_tail(key, "0-0", wait=30))
    await asyncio.sleep(0)
    written = await store.log_append(key, {"a": "b"})
    assert await tail == [LogEntry(written, {"a": b"b"})]


async def test_notifications_reach_those_who_listen(bus: sg.Bus, store: sg.Store, key: str) -> None:
    assert await store.notify(key, "nobody") == 0
    async with await store.subscribe(key, key + "2") as ear:
        assert await store.notify(key, b"\xff") == 1
        waiting = asyncio.ensure_future(ear.next())
        # Whoever gives up loses nothing.
        await asyncio.sleep(0)
        waiting.cancel()
        await store.notify(key + "2", "second")
        heard = [await ear.next(), await ear.next()]
        assert heard == [Notification(key, b"\xff"), Notification(key + "2", b"second")]
        assert heard[0] is not None
        assert not heard[0].lost
    assert await ear.next() is None
    with pytest.raises(sg.InvalidError, match="channel"):
        await store.subscribe()
    still = await store.subscribe(key)
    await bus.close()
    assert [heard async for heard in still] == []


async def test_wrong_arguments_are_named(store: sg.Store, key: str) -> None:
    with pytest.raises(sg.InvalidError, match="value"):
        await store.set(key, 5)  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidError, match="ttl"):
        await store.set(key, "x", ttl=-1)
    with pytest.raises(sg.InvalidError, match="field"):
        await store.hash_set(key, {"a": 1})  # type: ignore[dict-item]
