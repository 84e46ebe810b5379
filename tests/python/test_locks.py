"""Locks, leases and singleton jobs. The names are those of ``scenarios.toml``."""

import asyncio
import subprocess
import sys
import textwrap
import uuid
from typing import Any, Literal

import pytest
import redis
import stargazer_core as sg
from harness.server import ROOT, Server
from python.values import load

TTL = 1.0


@pytest.fixture
def name() -> str:
    """A lock that no other test uses."""
    return f"t{uuid.uuid4().hex}"


async def test_a_lock_has_one_holder(bus: sg.Bus, url: str, name: str) -> None:
    async with sg.connect(url) as other:
        held, waits = bus.lock(name, ttl=TTL), other.lock(name, ttl=TTL)
        await held.acquire()
        assert not await waits.try_acquire()
        with pytest.raises(sg.TimeoutError, match="somebody else"):
            await waits.acquire(timeout=0.1)
        woken = asyncio.create_task(waits.acquire())
        # Longer than it lasts: it is renewed beside its owner.
        await asyncio.sleep(TTL * 2)
        assert held.held
        assert not woken.done()
        assert await held.release()
        await woken
        assert await bus.lock(f"{name}-other", ttl=TTL).try_acquire(), "names do not meet"
        assert await waits.release()
        assert not await waits.release()


async def test_the_loss_of_a_lock_ends_what_runs_under_it(bus: sg.Bus, name: str) -> None:
    ended = False

    async def works() -> None:
        nonlocal ended
        async with bus.lock(name, ttl=TTL, max_renewals=0):
            await asyncio.sleep(60)
            ended = True

    with pytest.raises(sg.StaleError, match="as often as it may be"):
        await works()
    assert not ended
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "nothing of the cancellation is left"
    await asyncio.sleep(0)
    async with bus.lock(name, ttl=TTL, max_renewals=0, abort_on_loss=False) as told:
        loss = await told.lost()
        assert isinstance(loss, sg.StaleError)
        assert not told.held
    assert await bus.lock(name, ttl=TTL).try_acquire()


async def test_a_loss_is_no_ones_cancellation_but_the_owners(bus: sg.Bus, name: str) -> None:
    """A cancellation from outside stays one, errors of the block stay errors, and other tasks are left alone."""

    async def works() -> None:
        async with bus.lock(name, ttl=TTL, max_renewals=0):
            await asyncio.sleep(60)

    outside = asyncio.create_task(works())
    await asyncio.sleep(0.05)
    outside.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outside
    lock = bus.lock(name, ttl=TTL, max_renewals=0)
    with pytest.raises(ZeroDivisionError):
        async with lock:
            raise ZeroDivisionError
    bystander = asyncio.create_task(asyncio.sleep(TTL * 1.5))
    with pytest.raises(sg.StaleError):
        await asyncio.create_task(works())
    with pytest.raises(sg.StaleError):
        async with lock, lock:
            await asyncio.sleep(60)
    await bystander
    # Without a block, the cancellation is all that is told.
    lock = bus.lock(name, ttl=TTL, max_renewals=0)

    async def plain() -> None:
        await lock.acquire()
        try:
            await asyncio.sleep(60)
        finally:
            await lock.release()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(plain())
    async with bus.lock(name, wait=1):
        pass


async def test_a_lock_is_entered_again_by_its_object(bus: sg.Bus, name: str) -> None:
    lock, other = bus.lock(name, ttl=TTL), bus.lock(name, ttl=TTL)
    async with lock:
        async with lock:
            assert not await other.try_acquire()
        assert lock.held
        assert not await other.try_acquire()
    assert not lock.held
    assert await other.try_acquire()
    assert await other.renew()
    assert not await lock.renew()


async def test_who_stops_waiting_for_a_lock_takes_nothing(bus: sg.Bus, name: str) -> None:
    held, asks = bus.lock(name, ttl=TTL), bus.lock(name, ttl=TTL)
    await held.acquire()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asks.acquire()
    await held.release()
    for _ in range(20):
        # Given up at some point between the request and its answer.
        asking = asyncio.create_task(asks.acquire())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    third = bus.lock(name, ttl=TTL)
    await third.acquire(timeout=TTL / 2)
    await asyncio.sleep(TTL)
    assert third.held
    assert not asks.held


async def test_a_lock_of_the_original_is_the_same_lock(server: Server) -> None:
    channel = uuid.uuid4().hex
    key = f"sg:lock:channel:{channel}"
    with redis.Redis(port=server.port) as raw:
        async with sg.connect(server.url) as bus:
            assert raw.set(key, "theirs", nx=True, ex=30)
            lock = bus.channel_lock(channel)
            assert not await lock.try_acquire()
            raw.delete(key)
            await lock.acquire(timeout=5)
            token = raw.get(key)
            assert isinstance(token, bytes)
            assert uuid.UUID(token.decode()).version == 4
            assert lock.token == token.decode()
            left = raw.pttl(key)
            assert isinstance(left, int)
            assert 0 < left <= 30_000
            assert not await bus.lock(key).try_acquire(), "a name with a colon is the key"
            assert await lock.release()
            # Theirs in our place: ours is told at its next renewal, and leaves theirs alone.
            lock = bus.channel_lock(channel, ttl=TTL, abort_on_loss=False)
            await lock.acquire()
            raw.set(key, "theirs", ex=30)
            async with asyncio.timeout(TTL):
                assert isinstance(await lock.lost(), sg.StaleError)
            assert not await lock.release()
            assert raw.get(key) == b"theirs"


async def test_a_silent_server_costs_the_lock_in_time(own_server: Server) -> None:
    ttl = 2.0
    # No request ends by itself: the loss is told by the clock, not by an answer that fails.
    async with sg.connect(own_server.url, response_timeout=600) as bus:
        lock, lease = bus.lock("report", ttl=ttl, abort_on_loss=False), bus.lease("status", ttl=ttl)
        await lock.acquire()

        async def lead() -> None:
            async with lease:
                await asyncio.sleep(60)

        leader = asyncio.create_task(lead())
        async with asyncio.timeout(5):
            while not lease.is_leader:  # noqa: ASYNC110 - told by nothing
                await asyncio.sleep(0.01)
        own_server.pause()
        assert isinstance(await lock.lost(), sg.StaleError)
        assert not lock.held
        while lease.is_leader:  # noqa: ASYNC110 - told to the other task
            await asyncio.sleep(0.01)
        own_server.resume()
        with pytest.raises(sg.StaleError):
            await leader
        await lock.release()
        await lock.acquire(timeout=20)


async def test_a_lock_outlives_a_restart_that_forgets_nothing(own_server: Server) -> None:
    async with sg.connect(own_server.url) as one, sg.connect(own_server.url) as two:
        held, waits = one.lock("report", ttl=10), two.lock("report", ttl=10)
        await held.acquire()
        asks = asyncio.create_task(waits.acquire())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(own_server.restart)
        async with asyncio.timeout(8):
            while True:
                try:
                    assert await held.renew()
                    break
                except (sg.UnavailableError, sg.TimeoutError):
                    await asyncio.sleep(0.02)
        assert held.held
        assert not asks.done()
        assert await held.release()
        await asks
        assert waits.held, "who waits goes on waiting over the restart"


async def test_leaders_have_numbers_that_grow(bus: sg.Bus, url: str, name: str) -> None:
    async with sg.connect(url) as other:
        first, second = bus.lease(name, ttl=TTL), other.lease(name, ttl=TTL)
        last = 0
        for _ in range(3):
            fence = await first.acquire()
            assert fence > last
            assert (first.fence, await first.acquire(), await second.try_acquire()) == (fence, fence, None)
            assert await first.resign()
            assert not first.is_leader
            async with second:
                assert second.fence is not None
                last = second.fence
            assert last > fence
        # The key of a leader lapses; the counter does not.
        await asyncio.sleep(TTL * 1.2)
        assert await first.acquire() > last


JOB: sg.SingletonSettings = {"ttl": TTL, "backoff": 0.01, "max_backoff": 0.01, "max_restarts": 2}


async def phase(singleton: sg.Singleton, wanted: str) -> None:
    async with asyncio.timeout(10):
        while singleton.state.phase != wanted:  # noqa: ASYNC110 - told by nothing
            await asyncio.sleep(0.01)


async def test_a_singleton_runs_on_one_process(bus: sg.Bus, url: str, name: str) -> None:
    running = 0

    async def job(fence: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        try:
            await asyncio.sleep(60)
        finally:
            running -= 1

    other = await sg.connect(url)
    first, second = bus.singleton(name, **JOB), other.singleton(name, **JOB)
    task = asyncio.create_task(first.run(job))
    await phase(first, "running")
    waiting = asyncio.create_task(second.run(job))
    await asyncio.sleep(TTL)
    assert second.state.phase == "waiting"
    led = first.state.fence
    assert led is not None
    first.stop()
    await task
    await phase(second, "running")
    assert second.state.fence is not None
    assert second.state.fence > led
    assert first.state.phase == "stopped"
    # It may be run again, and waits like everybody else.
    third = asyncio.create_task(first.run(job))
    await phase(first, "waiting")
    first.stop()
    await third
    assert first.state.phase == "stopped"
    await other.close()
    await waiting
    assert (second.state.phase, running) == ("stopped", 0)
    ended = bus.singleton(name, **JOB)
    cancelled = asyncio.create_task(ended.run(job))
    await phase(ended, "running")
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert (ended.state.phase, running) == ("stopped", 0)
    assert await bus.lease(name).try_acquire(), "it resigned"


@pytest.mark.parametrize(
    ("restart", "fails", "starts", "ends"),
    [
        ("on_error", True, 3, "failed"),
        ("on_error", False, 1, "finished"),
        ("always", False, 3, "failed"),
        ("never", True, 1, "failed"),
    ],
)
async def test_a_singleton_starts_again_as_its_policy_says(
    bus: sg.Bus, name: str, restart: Literal["never", "on_error", "always"], fails: bool, starts: int, ends: str
) -> None:
    runs = 0

    async def job(fence: int) -> None:
        nonlocal runs
        runs += 1
        if fails:
            raise ZeroDivisionError("it broke")

    settings = JOB.copy()
    settings["restart"] = restart
    singleton = bus.singleton(name, **settings)
    if fails:
        with pytest.raises(ZeroDivisionError):
            await singleton.run(job)
    else:
        await singleton.run(job)
    state = singleton.state
    assert (runs, state.phase, state.restarts, state.fence) == (starts, ends, starts - 1, None)
    assert state.error == ("ZeroDivisionError: it broke" if fails else None)


async def test_a_singleton_runs_again_after_its_end_and_once_at_a_time(bus: sg.Bus, name: str) -> None:
    singleton, fences = bus.singleton(name, **JOB), list[int]()

    async def job(fence: int) -> None:
        fences.append(fence)
        with pytest.raises(sg.ConflictError, match="runs already"):
            await singleton.run(job)
        assert singleton.state.phase == "running", "the first run goes on"

    await singleton.run(job)
    singleton.stop()
    await singleton.run(job)
    assert len(fences) == 2
    assert fences[1] > fences[0]
    assert singleton.state.phase == "finished"

    async def broken(fence: int) -> None:
        raise ZeroDivisionError("it broke")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await singleton.run(broken)
        assert singleton.state.restarts == 2, "counted anew"
    early = bus.singleton(name, **JOB)
    early.stop()
    await early.run(job)
    assert (len(fences), early.state.phase) == (2, "stopped")


async def test_a_job_that_is_told_twice_keeps_the_lead_until_it_has_ended(bus: sg.Bus, name: str) -> None:
    singleton, told, may_end = bus.singleton(name, **JOB), 0, asyncio.Event()

    async def job(fence: int) -> None:
        nonlocal told
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                told += 1

    run = asyncio.create_task(singleton.run(job))
    await phase(singleton, "running")
    for times in (1, 2, 3):
        run.cancel()
        async with asyncio.timeout(10):
            while told < times:  # noqa: ASYNC110 - told by nothing
                await asyncio.sleep(0)
    assert not run.done()
    assert await bus.lease(name).try_acquire() is None, "it leads"
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert singleton.state.phase == "stopped"
    assert await bus.lease(name).try_acquire(), "it resigned"


async def test_a_run_that_is_cancelled_while_it_resigns_may_be_run_again(own_server: Server, name: str) -> None:
    runs = 0

    async def job(fence: int) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await asyncio.sleep(60)

    async with sg.connect(own_server.url) as bus:
        singleton = bus.singleton(name, **JOB)
        run = asyncio.create_task(singleton.run(job))
        await phase(singleton, "running")
        own_server.pause()
        run.cancel()
        await phase(singleton, "stopped")
        assert not run.done(), "it resigns, and the server is silent"
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(run, 1)
        assert singleton.state.phase == "stopped"
        again = asyncio.create_task(singleton.run(job))
        own_server.resume()
        await asyncio.wait_for(again, 10)
        assert (runs, singleton.state.phase) == (2, "finished")


async def test_a_job_is_no_plain_function(bus: sg.Bus, name: str) -> None:
    runs: list[int] = []
    singleton = bus.singleton(name, **JOB)
    with pytest.raises(sg.InvalidError, match="async def") as told:
        await singleton.run(runs.append)  # type: ignore[arg-type]
    assert told.value.context["argument"] == "job"
    assert (len(runs), singleton.state.phase) == (1, "stopped"), "not tried again"
    assert await bus.lease(name).try_acquire(), "it resigned"
    with pytest.raises(sg.InvalidError, match="async def"):
        await singleton.run(None)  # type: ignore[arg-type]

    async def job(fence: int) -> None:
        runs.append(fence)

    other = bus.singleton(f"{name}-lambda", **JOB)
    await other.run(lambda fence: job(fence))
    assert len(runs) == 2


async def test_a_wait_is_no_longer_than_was_said(own_server: Server, name: str) -> None:
    async with sg.connect(own_server.url, publish_timeout=1) as bus:
        own_server.pause()
        loop = asyncio.get_running_loop()
        for wait in (
            lambda: bus.lock(name, wait=0.5).acquire(),
            lambda: bus.lock(name).acquire(timeout=0.5),
            lambda: bus.lease(name, wait=0.5).acquire(),
            lambda: bus.publish("s", {"n": 1}),
        ):
            begun = loop.time()
            with pytest.raises((sg.UnavailableError, sg.TimeoutError)):
                await wait()
            assert loop.time() - begun < 1.9
        own_server.resume()


HOLDER = """
    import asyncio, sys
    import stargazer_core as sg

    async def main(url, name):
        async with sg.connect(url) as bus, bus.lock(name, ttl=1):
            print("held", flush=True)
            await asyncio.sleep(60)

    asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_lock_of_a_dead_process_lapses(server: Server, name: str) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here yet
        [sys.executable, "-c", textwrap.dedent(HOLDER), server.url, name], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    async with sg.connect(server.url) as bus:
        lock = bus.lock(name, ttl=1)
        assert not await lock.try_acquire()
        process.kill()
        process.communicate()
        await lock.acquire(timeout=5)


async def test_who_closes_the_bus_gives_up_what_it_took(url: str, name: str) -> None:
    async with sg.connect(url) as other:
        bus = await sg.connect(url)
        lock, lease, task = bus.lock(name), bus.lease(name), bus.lock(f"{name}-task")
        await lock.acquire()
        await lock.acquire()
        await lease.acquire()
        working = asyncio.create_task(_works(task))
        while not task.held:  # noqa: ASYNC110 - taken by the other task
            await asyncio.sleep(0.01)
        await bus.close()
        with pytest.raises(sg.StaleError, match="closing"):
            await working
        for key in (name, f"{name}-task"):
            # One that nobody keeps is given up as well.
            for _ in range(2):
                await other.lock(key).acquire(timeout=1)
        assert await other.lease(name).try_acquire()


async def _works(lock: sg.Lock) -> None:
    async with lock:
        await asyncio.sleep(60)


def test_the_example_runs(server: Server) -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "examples" / "locks" / "locks.py", server.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert said.stdout.splitlines()[-1] == "upkeep runs here: True"


async def test_names_stand_under_their_keys(bus: sg.Bus) -> None:
    vectors = load("names.json")
    for row in vectors["locks"]:
        assert bus.lock(row["name"]).key == row["key"]
    for row in vectors["channel_locks"]:
        assert bus.channel_lock(row["name"]).key == row["key"]


async def test_wrong_settings_are_refused(bus: sg.Bus) -> None:
    wrong: list[dict[str, Any]] = [{"ttl": 0}, {"ttl": "long"}, {"max_renewals": -1}, {"tll": 3}, {"wait": -1}]
    for settings in wrong:
        with pytest.raises(sg.InvalidError, match=next(iter(settings))):
            bus.lock("x", **settings)
    with pytest.raises(sg.InvalidError, match="restart"):
        bus.singleton("x", restart="sometimes")  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidError, match="timeout"):
        await bus.lock("x").acquire(timeout=-1)
    with pytest.raises(sg.InvalidError, match="lease"):
        bus.lease("")


async def test_a_lock_has_a_name(bus: sg.Bus) -> None:
    with pytest.raises(sg.InvalidError, match="name of a lock"):
        bus.lock("")
