"""The handler form: outcomes, tasks and contexts of their own, cancelling."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import Any

import pytest
import stargazer_core as sg

QUICK: dict[str, Any] = {"retry_base": 0.01, "retry_jitter": 0}


async def dead(bus: sg.Bus, names: dict[str, Any]) -> list[tuple[Any, str]]:
    return [(entry.data, entry.fields["error"].decode()) for entry in await bus.entries(names["dead_letter_stream"])]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - whatever the condition looks at rings no bell
            await asyncio.sleep(0.01)


async def fill(bus: sg.Bus, n: int, lanes: int = 10**9) -> None:
    await asyncio.gather(*(bus.publish("s", i, key=str(i % lanes)) for i in range(n)))


async def test_a_handler_may_take_only_the_body(bus: sg.Bus) -> None:
    await fill(bus, 3)
    seen = []

    async def handler(n: int) -> None:
        seen.append(n)

    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert sorted(seen) == [0, 1, 2]
    assert (await bus.stream_info("s")).length == 0


async def test_handlers_of_any_make_are_taken(bus: sg.Bus) -> None:
    seen: list[tuple[str, int]] = []

    async def noted(word: str, n: int, d: sg.Delivery) -> None:
        seen.append((word, n))

    class Handlers:
        async def __call__(self, n: int, d: sg.Delivery) -> None:
            seen.append(("object", n))

        async def method(self, n: int) -> sg.Outcome:
            seen.append(("method", n))
            return sg.Outcome.ack()

    makes: list[Any] = [functools.partial(noted, "partial"), Handlers(), Handlers().method]
    for n, handler in enumerate(makes):
        await bus.publish("s", n)
        async with bus.consume("s", "g") as consumer:
            await consumer.run(handler, until_idle=True)
    assert seen == [("partial", 0), ("object", 1), ("method", 2)]


async def test_a_failing_handler_is_retried_with_its_error(bus: sg.Bus, names: dict[str, Any], caplog: Any) -> None:
    await bus.publish("s", "x")
    attempts = []

    async def handler(body: str, d: sg.Delivery) -> None:
        attempts.append(d.attempt)
        raise ValueError("not today \ud800")

    async with bus.consume("s", "g", **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert attempts == [1, 2, 3]
    assert await dead(bus, names) == [("x", "ValueError: not today ?")]
    failures = [record for record in caplog.records if record.getMessage().startswith("a handler failed")]
    assert [record.levelname for record in failures] == ["WARNING"] * 3


async def test_outcomes_of_handlers_are_honoured(bus: sg.Bus, names: dict[str, Any]) -> None:
    answers: dict[str, list[Any]] = {
        "ack": [sg.Outcome.ack()],
        "retry": [sg.Outcome.retry(after=0.01), None],
        "reject": [sg.Outcome.reject("returned")],
        "raise": [sg.Reject("raised")],
        "release": [sg.Outcome.release(), sg.Outcome.release(), None],
    }
    for word in answers:
        await bus.publish("s", word, key=word)

    async def handler(word: str, d: sg.Delivery) -> sg.Outcome | None:
        answer = answers[word].pop(0)
        if isinstance(answer, Exception):
            raise answer
        outcome: sg.Outcome | None = answer
        return outcome

    async with bus.consume("s", "g", **QUICK) as consumer:
        await consumer.run(handler, until_idle=True)
    assert answers == {word: [] for word in answers}
    assert sorted(await dead(bus, names)) == [("raise", "raised"), ("reject", "returned")]


@pytest.mark.parametrize("answer", [True, 5, "ack", {}])
async def test_another_answer_is_the_developers_error(bus: sg.Bus, answer: Any) -> None:
    await fill(bus, 5)
    running = []

    async def handler(n: int) -> Any:
        running.append(n)
        if n > 0:
            await asyncio.sleep(60)
        return answer

    async with bus.consume("s", "g") as consumer:
        with pytest.raises(sg.InvalidError, match=type(answer).__name__):
            await consumer.run(handler)
    async with bus.consume("s", "g") as consumer:
        assert sorted([(await consumer.next(timeout=2)).data for _ in range(5)]) == list(range(5))


async def test_what_is_no_handler_is_refused_before_anything_is_taken(bus: sg.Bus) -> None:
    async with bus.consume("s", "g") as consumer:
        for wrong in (None, 5, lambda: None, lambda a, b, c: None):
            with pytest.raises(sg.InvalidError) as caught:
                await consumer.run(wrong)  # type: ignore[arg-type]
            assert caught.value.context["field"] == "handler"
        await bus.publish("s", 1)
        with pytest.raises(sg.InvalidError, match="async def"):
            await consumer.run(lambda body: None, until_idle=True)  # type: ignore[arg-type]


async def test_handlers_run_at_the_same_time_up_to_concurrency(bus: sg.Bus) -> None:
    await fill(bus, 20)
    now, most = 0, 0

    async def handler(n: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, concurrency=5, until_idle=True)
    assert most == 5


async def test_concurrency_of_an_open_consumer_stays(bus: sg.Bus) -> None:
    async with bus.consume("s", "g", concurrency=3) as consumer:
        with pytest.raises(sg.TimeoutError):
            await consumer.next(timeout=0)

        async def handler(n: int) -> None: ...

        with pytest.raises(sg.InvalidError, match="concurrency 3"):
            await consumer.run(handler, concurrency=5)
        await consumer.run(handler, concurrency=3, until_idle=True)


mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=-1)


async def test_each_message_has_a_context_of_its_own(bus: sg.Bus) -> None:
    await fill(bus, 50, lanes=1)
    found = []

    async def handler(n: int) -> None:
        found.append(mark.get())
        mark.set(n)
        if n % 2:
            await asyncio.sleep(0)
        assert mark.get() == n

    mark.set(1000)
    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert found == [1000] * 50
    assert mark.get() == 1000


async def test_cancelling_a_run_releases_what_it_holds(bus: sg.Bus) -> None:
    await fill(bus, 5)
    started, ended = [], []

    async def handler(n: int) -> None:
        started.append(n)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(n)

    async with bus.consume("s", "g") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await until(lambda: len(started) == 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert sorted(ended) == sorted(started) == list(range(5))
        again = [await consumer.next(timeout=2) for _ in range(5)]
        assert [d.attempt for d in again] == [1] * 5


async def test_closing_lets_handlers_finish(bus: sg.Bus) -> None:
    await fill(bus, 3)
    done = []
    started = asyncio.Event()

    async def handler(n: int) -> None:
        started.set()
        await asyncio.sleep(0.1)
        done.append(n)

    consumer = bus.consume("s", "g", concurrency=1)
    running = asyncio.create_task(consumer.run(handler))
    await asyncio.wait_for(started.wait(), 5)
    await consumer.close()
    await asyncio.wait_for(running, 5)
    assert len(done) == 1
    assert (await bus.stream_info("s")).length == 2


async def test_handlers_that_outlast_the_drain_time_are_cancelled(bus: sg.Bus) -> None:
    await bus.publish("s", 1)
    started = asyncio.Event()
    ended = []

    async def handler(n: int) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(n)
            raise

    consumer = bus.consume("s", "g", drain_timeout=0.05)
    running = asyncio.create_task(consumer.run(handler))
    await asyncio.wait_for(started.wait(), 5)
    await asyncio.wait_for(consumer.close(), 5)
    await asyncio.wait_for(running, 5)
    assert ended == [1]
    assert (await bus.stream_info("s")).length == 1


async def test_a_cancelled_wait_inside_a_handler_is_a_failure(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish("s", "x")

    async def handler(body: str) -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        inner.cancel()
        await inner

    async with bus.consume("s", "g", **QUICK) as consumer:
        await asyncio.wait_for(consumer.run(handler, until_idle=True), 10)
    assert await dead(bus, names) == [("x", "CancelledError")]


async def test_an_exception_that_is_none_ends_the_run(bus: sg.Bus) -> None:
    class Stop(BaseException):
        pass

    await fill(bus, 3)

    async def handler(n: int) -> None:
        await asyncio.sleep(0)
        if n == 1:
            raise Stop

    async with bus.consume("s", "g") as consumer:
        with pytest.raises(Stop):
            await consumer.run(handler)
    async with bus.consume("s", "g") as consumer:
        left = await consumer.next(timeout=2)
        assert left.data == 1
        left.ack()


async def test_one_consumer_runs_one_handler(bus: sg.Bus) -> None:
    async def handler(n: int) -> None: ...

    async with bus.consume("s", "g") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await asyncio.sleep(0.01)
        with pytest.raises(sg.InvalidError):
            await consumer.run(handler)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_a_handler_publishes_is_stored_before_its_ack(bus: sg.Bus) -> None:
    await asyncio.gather(
        *(bus.publish_inbound(sg.inbound("web", channel=f"c{n % 7}", user="u", text=str(n))) for n in range(200))
    )

    async def answer(msg: sg.Inbound, d: sg.Delivery) -> None:
        await d.bus.publish_outbound("web", sg.message(msg.channel_id, msg.content))

    async with bus.consume_inbound() as inbox:
        await inbox.run(answer, until_idle=True)
    seen: dict[str, list[int]] = {}

    async def note(out: sg.Outbound) -> None:
        seen.setdefault(out.channel_id, []).append(int(out.text))

    async with bus.consume_outbound("web") as outbox:
        await outbox.run(note, until_idle=True)
    assert seen == {f"c{lane}": list(range(lane, 200, 7)) for lane in range(7)}
