"""Dead letters: looked at, put back, thrown away; and what a consumer tells about them."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
import redis
import stargazer_core as sg
from harness.server import Server
from stargazer_core import _native


async def bury(bus: sg.Bus, *lanes: str, body: Any = None) -> None:
    """Publishes to ``orders``, once for each lane, and dead-letters it: by failing in the lane ``fails``."""
    for lane in lanes:
        content = {"text": "x"} if body is None else body
        await bus.publish("orders", content, key=lane, message_id=f"m{time.monotonic_ns()}", trace_id="trace-1")
        async with bus.consume("orders", "g", name="w", max_attempts=1) as consumer:

            async def handler(_: Any, delivery: sg.Delivery) -> None:
                if delivery.lane == "fails":
                    raise ValueError("it broke")
                raise sg.Reject(f"not for us: {delivery.lane}")

            await consumer.run(handler, until_idle=True)


async def length(bus: sg.Bus) -> int:
    return (await bus.stream_info("orders")).length


async def test_dead_letters_are_counted_and_listed(bus: sg.Bus, names: dict[str, Any]) -> None:
    letters = bus.dead_letters()
    empty = await letters.inspect()
    assert (empty.count, empty.oldest, empty.complete, empty.many) == (0, None, True, False)
    before = time.time() - 60
    await bury(bus, "fails", "a", "b", "a", "fails")
    summary = await letters.inspect()
    assert (summary.count, summary.matching, summary.problems) == (5, 5, 0)
    assert summary.reasons == {"max_attempts": 2, "rejected": 3}
    assert summary.oldest is not None
    assert summary.newest is not None
    assert before < summary.oldest <= summary.newest

    page = await letters.list()
    assert (len(page.letters), page.cursor) == (5, None)
    oldest = [letter.id for letter in reversed(page.letters)]
    for oldest_first in (True, False):
        seen: list[str] = []
        cursor = None
        while True:
            part = await letters.list(limit=2, oldest_first=oldest_first, cursor=cursor)
            seen += [letter.id for letter in part.letters]
            cursor = part.cursor
            if cursor is None:
                break
        assert seen == (oldest if oldest_first else oldest[::-1])

    first = page.letters[-1]
    assert (first.reason, first.error, first.lane) == ("max_attempts", "ValueError: it broke", "fails")
    assert (first.attempts, first.group, first.trace_id, first.problem) == (1, "g", "trace-1", None)
    assert first.data == {"text": "x"}
    assert before < first.first_at <= first.dead_at
    assert await letters.get(first.id) == first

    filters: list[tuple[sg.LetterFilter, int]] = [
        ({"reason": "rejected"}, 3),
        ({"lane": "a"}, 2),
        ({"stream": "orders"}, 5),
        ({"stream": "others"}, 0),
        ({"consumer": "w"}, 5),
        ({"text": "FOR US: B"}, 1),
        ({"min_attempts": 2}, 0),
        ({"since": before}, 5),
        ({"until": datetime.fromtimestamp(before, UTC)}, 0),
        ({"message_id": first.message_id or "", "replayable": True}, 1),
    ]
    for which, count in filters:
        assert len((await letters.list(**which)).letters) == count, which
    assert (await bus.dead_letters(names["dead_letter_stream"]).inspect()).count == 5
    with pytest.raises(sg.NotFoundError):
        await letters.get("1-1")


async def test_wrong_arguments_are_named(bus: sg.Bus) -> None:
    letters = bus.dead_letters()
    wrong: list[tuple[Any, str]] = [
        (letters.list(limit=0), "limit"),
        (letters.list(lane=1), "lane"),  # type: ignore[arg-type]
        (letters.list(since="now"), "since"),  # type: ignore[arg-type]
        (letters.list(colour="red"), "colour"),  # type: ignore[call-arg]
        (letters.get("x"), "id"),
        (letters.replay(), "ids"),
        (letters.replay(["x"]), "ids"),
        (letters.replay(all=True, rate=-1), "rate"),
        (letters.discard(lane="a"), "count"),
        (letters.discard(["1-1"], count=1), "ids"),
    ]
    for call, field in wrong:
        with pytest.raises(sg.InvalidError) as raised:
            await call
        assert raised.value.context.get("field") == field, raised.value


async def test_a_replayed_entry_is_the_same_and_keeps_its_history(bus: sg.Bus) -> None:
    await bury(bus, "fails")
    letters = bus.dead_letters()
    [letter] = (await letters.list()).letters
    report = await letters.replay([letter.id])
    assert (report.failed, report.more) == ([], False)
    assert (await letters.inspect()).count == 0
    [entry] = await bus.entries("orders")
    assert report.replayed == [sg.Replayed(letter.id, letter.stream, entry.id)]
    assert entry.fields["data"] == letter.raw
    receipt = await bus.publish("orders", {}, message_id=letter.message_id)
    assert (receipt.id, receipt.duplicate) == (entry.id, True)
    async with bus.consume("orders", "g") as consumer:
        delivery = await consumer.next(timeout=5)
        assert (delivery.attempt, delivery.redelivered, delivery.replays) == (1, True, 1)
        assert (delivery.lane, delivery.message_id, delivery.trace_id) == ("fails", letter.message_id, "trace-1")
        await delivery.reject("again")
    [again] = (await letters.list()).letters
    assert (again.error, again.replays) == ("again", 1)
    [past] = again.history
    assert (past.reason, past.error, past.entry, past.attempts) == (
        "max_attempts",
        "ValueError: it broke",
        letter.entry,
        1,
    )
    assert past.replayed_at >= past.dead_at


async def test_a_replay_repeated_stores_once(bus: sg.Bus) -> None:
    await bury(bus, "a")
    letters = bus.dead_letters()
    [letter] = (await letters.list()).letters
    [first] = (await letters.replay([letter.id])).replayed
    [second] = (await letters.replay(letter.id)).replayed
    assert (second.id, second.stream) == (first.id, None)
    assert await length(bus) == 1
    [(never, error)] = (await letters.replay(["1-1"])).failed
    assert never == "1-1"
    assert isinstance(error, sg.NotFoundError)


async def test_a_replay_into_a_full_stream_keeps_the_letter(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, **names, cap=2) as bus:
        await bury(bus, "a", "a", "a")
        await bus.publish("orders", 1)
        letters = bus.dead_letters()
        report = await letters.replay(all=True)
        assert (len(report.replayed), report.more) == (1, True)
        [(kept, error)] = report.failed
        assert isinstance(error, sg.FullError)
        assert kept in [letter.id for letter in (await letters.list()).letters]
        assert await length(bus) == 2


async def test_letters_are_replayed_by_filter(bus: sg.Bus) -> None:
    await bury(bus, "a", "fails", "a", "a")
    letters = bus.dead_letters()
    planned = await letters.replay(lane="a", limit=2, dry_run=True)
    assert ([one.id for one in planned.replayed], planned.more) == ([None, None], True)
    assert await length(bus) == 0
    report = await letters.replay(lane="a", limit=2)
    assert [one.letter for one in report.replayed] == [one.letter for one in planned.replayed]
    assert (await length(bus), report.more) == (2, True)
    rest = await letters.replay(lane="a", rate=1000)
    assert (len(rest.replayed), rest.more) == (1, False)
    assert (await letters.inspect()).count == 1


async def test_discarding_by_filter_needs_the_right_count(bus: sg.Bus) -> None:
    await bury(bus, "a", "fails", "a")
    letters = bus.dead_letters()
    for wrong in (1, 3):
        with pytest.raises(sg.ConflictError) as raised:
            await letters.discard(lane="a", count=wrong)
        assert raised.value.context["found"] == "2"
    removed = await letters.discard(lane="a", count=2)
    assert [letter.lane for letter in removed] == ["a", "a"]
    left = (await letters.list()).letters
    assert await letters.discard([left[0].id, "1-1"]) == left
    assert (await letters.inspect()).count == 0


async def test_letters_of_the_original_can_be_replayed(server: Server, names: dict[str, Any]) -> None:
    async with sg.connect(server.url, **names) as bus:
        stream = f"{names['stream_prefix']}:orders"
        original = {
            "original_stream": stream,
            "original_msg_id": "7-0",
            "error": "boom",
            "attempt": "3",
            "data": b"\x81\xa4text\xa1x",
            "ts": "1.5",
            "trace_id": "t",
        }
        with redis.Redis.from_url(server.url) as client:
            client.xadd(names["dead_letter_stream"], original)
        letters = bus.dead_letters()
        [letter] = (await letters.list()).letters
        assert (letter.reason, letter.attempts, letter.first_at, letter.problem) == ("unknown", 3, 0.007, None)
        [back] = (await letters.replay([letter.id])).replayed
        [entry] = await bus.entries("orders")
        assert (entry.id, entry.data) == (back.id, {"text": "x"})


async def test_a_letter_that_is_none_can_only_be_discarded(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.publish(names["dead_letter_stream"], {"what": 1})
    await bury(bus, "a")
    letters = bus.dead_letters()
    good, junk = (await letters.list()).letters
    assert good.problem is None
    assert junk.problem is not None
    assert (await letters.inspect(replayable=False)).matching == 1
    report = await letters.replay(all=True)
    assert [(one, type(error)) for one, error in report.failed] == [(junk.id, sg.MalformedError)]
    assert len(report.replayed) == 1
    assert [letter.id for letter in await letters.discard([junk.id])] == [junk.id]


async def test_a_big_body_lives_as_long_as_its_letter(bus: sg.Bus) -> None:
    big = {"text": "big" * 40_000}
    await bury(bus, "a", body=big)
    letters = bus.dead_letters()
    [letter] = (await letters.list()).letters
    assert (letter.raw, letter.body_bytes > 120_000) == (b"", True)
    assert (await letters.get(letter.id)).data == big
    await letters.replay([letter.id])
    async with bus.consume("orders", "g") as consumer:
        delivery = await consumer.next(timeout=5)
        assert delivery.data == big
        await delivery.reject("again")
    [again] = (await letters.list()).letters
    assert (await letters.get(again.id)).data == big
    await letters.discard([again.id])


async def test_notices_tell_what_happens_until_the_end(bus: sg.Bus) -> None:
    seen: list[sg.Notice] = []
    async with bus.consume("orders", "g") as consumer:

        async def listen() -> None:
            seen.extend([notice async for notice in consumer.notices()])

        async def first() -> sg.Notice:
            return await anext(aiter(consumer.notices()))

        listening, waiting = asyncio.create_task(listen()), asyncio.create_task(first())
        while not waiting.done():
            await bus.publish("orders", 1)
            await (await consumer.next(timeout=5)).reject("no")
            await asyncio.wait([waiting], timeout=0.02)
        await consumer.close()
        await asyncio.wait_for(listening, 10)
    assert (waiting.result().kind, waiting.result().details["reason"]) == ("dead_lettered", "rejected")
    assert waiting.result() in seen
    # Without a consumer that runs there is nothing to tell.
    assert [notice async for notice in consumer.notices()] == []


def test_every_kind_of_notice_has_its_word() -> None:
    assert {*get_args(sg.NoticeKind), "closed"} == set(_native.notice_kinds())
