"""Calls: made, served, cancelled, and the ways in which they end."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import stargazer_core as sg
from harness.server import Server


@pytest.fixture
def quick(names: dict[str, Any]) -> dict[str, Any]:
    """Settings under which nobody waits long for a server that is not there."""
    return {**names, "no_worker_after": 0.3, "call_timeout": 5.0}


async def until(true: Callable[[], bool]) -> None:
    """Waits for a condition; the test's own limit ends it."""
    while not true():  # noqa: ASYNC110 - what is looked at is counted elsewhere
        await asyncio.sleep(0.01)


async def weather(request: sg.Request) -> str:
    """Gives the weather of a city."""
    if request.arguments["city"] == "Xanadu":
        raise sg.Failure("no_city", "no such city", details={"city": "Xanadu"}, writeback={"sent_files": [b"\x00"]})
    return f"{request.arguments['city']}: 21 °C"


async def test_a_call_runs_where_it_is_served(bus: sg.Bus) -> None:
    async with bus.serve({"weather": weather}) as serving:
        assert await bus.call("weather", {"city": "Berlin"}) == "Berlin: 21 °C"
        assert serving.names == ["weather"]
        assert serving.figures().handlers["weather"].succeeded == 1
    assert bus.call_figures() == sg.CallFigures(in_flight=0, late=0, malformed=0)


async def test_a_call_carries_the_context_of_its_trace(bus: sg.Bus) -> None:
    async def tell(request: sg.Request) -> Any:
        return [request.traceparent, request.tracestate]

    async def hand_on(request: sg.Request) -> Any:
        return await request.bus.call("tell")

    given: dict[str, Any] = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=x"}
    async with bus.serve({"tell": tell, "hand_on": hand_on}):
        assert await bus.call("tell", **given) == list(given.values())
        assert await bus.call("hand_on", **given) == list(given.values())
        assert await bus.call("tell") == [None, None]


async def test_calls_in_tasks_of_any_factory_can_be_ended(bus: sg.Bus) -> None:
    class Bare(asyncio.Task[Any]):
        """A task that has no switch for what the log says of it."""

        _log_destroy_pending = property(lambda _: True)

    ran: list[type] = []

    ended = asyncio.Event()

    async def tell(request: sg.Request) -> None:
        ran.append(type(asyncio.current_task()))
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **more: Bare(work, loop=loop, **more))
    try:
        async with bus.serve({"tell": tell}):
            with pytest.raises(sg.TimeoutError):
                await bus.call("tell", timeout=0.3)
            # It is known, so that it can be ended.
            async with asyncio.timeout(5):
                await ended.wait()
    finally:
        loop.set_task_factory(None)
    assert ran == [Bare]


mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


async def test_a_handler_runs_in_a_copy_of_the_context_it_was_served_in(bus: sg.Bus) -> None:
    async def coroutine(request: sg.Request) -> str:
        found = mark.get()
        mark.set("changed")
        return found

    def plain(request: sg.Request) -> str:
        return mark.get()

    mark.set("served")
    async with bus.serve({"coroutine": coroutine, "plain": plain}) as serving:
        mark.set("later")
        serving.handle("late", plain)
        assert [await bus.call(name) for name in ("coroutine", "coroutine", "plain", "late")] == [
            "served",
            "served",
            "served",
            "later",
        ]
    assert mark.get() == "later"


async def test_a_failing_call_tells_code_text_and_details(bus: sg.Bus) -> None:
    async def broken(request: sg.Request) -> None:
        raise KeyError(request.name)

    async with bus.serve({"weather": weather, "broken": broken}):
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("weather", {"city": "Xanadu"})
        assert told.value.remote_code == "no_city"
        assert "no such city" in str(told.value)
        assert told.value.details == {"city": "Xanadu"}
        assert told.value.writeback == {"sent_files": [b"\x00"]}
        with pytest.raises(sg.RemoteError) as raised:
            await bus.call("broken")
        assert raised.value.remote_code == "KeyError"
        with pytest.raises(sg.RemoteError) as unknown:
            await bus.call("nothing")
        assert unknown.value.remote_code == "unknown_tool"


async def test_a_call_that_nobody_answers_ends_by_its_timeout(bus: sg.Bus) -> None:
    ended = asyncio.Event()

    async def slow(request: sg.Request) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with bus.serve({"slow": slow}):
        with pytest.raises(sg.TimeoutError):
            await bus.call("slow", timeout=0.3)
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_call_that_nobody_serves_says_so(url: str, quick: dict[str, Any]) -> None:
    async with sg.connect(url, role="tools", **quick) as bus:
        with pytest.raises(sg.NoWorkerError):
            await bus.call("weather", {"city": "Berlin"})


async def test_a_request_that_is_read_too_late_is_not_run(bus: sg.Bus) -> None:
    ran: list[str] = []
    free = asyncio.Event()

    async def one_at_a_time(request: sg.Request) -> None:
        ran.append(request.arguments["name"])
        await free.wait()

    async with bus.serve().handle("x", one_at_a_time, concurrency=1) as serving:
        first = asyncio.create_task(bus.call("x", {"name": "first"}))
        await until(lambda: bool(ran))
        with pytest.raises((sg.ExpiredError, sg.TimeoutError)):
            await bus.call("x", {"name": "late"}, timeout=0.2)
        free.set()
        await first
        await until(
            lambda: sum((serving.figures().handlers["x"].expired, serving.figures().handlers["x"].cancelled)) == 1
        )
    assert ran == ["first"]


async def test_cancelling_a_call_reaches_its_handler(bus: sg.Bus) -> None:
    began, ended = asyncio.Event(), asyncio.Event()
    why: list[str] = []

    async def endless(request: sg.Request) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            why.append(request.cancelled)
            ended.set()
            raise

    async with bus.serve({"endless": endless}) as serving:
        task = asyncio.create_task(bus.call("endless"))
        await asyncio.wait_for(began.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)
        await until(lambda: serving.figures().handlers["endless"].cancelled == 1)
    assert why == ["caller"]


async def test_bytes_written_back_survive(bus: sg.Bus) -> None:
    data = bytes(range(256)) * 300
    written = {"sent_files": [{"data": data, "mimetype": "image/png", "filename": "p.png"}]}

    async def picture(request: sg.Request) -> sg.Reply:
        return sg.Reply("sent", writeback=written)

    async with bus.serve({"picture": picture}):
        answer = await bus.call_with("picture")
    assert answer == sg.Answer("sent", written, remembered=False)


async def test_thousands_of_calls_are_in_flight_together(bus: sg.Bus) -> None:
    all_there = asyncio.Event()

    async def echo(request: sg.Request) -> int:
        await all_there.wait()
        n: int = request.arguments["n"]
        return n

    async with bus.serve({"echo": echo}, concurrency=256):
        calls = [asyncio.create_task(bus.call("echo", {"n": n})) for n in range(2000)]
        async with asyncio.timeout(30):
            while bus.call_figures().in_flight < 2000:  # noqa: ASYNC110 - counted by the core
                await asyncio.sleep(0.005)
        all_there.set()
        assert await asyncio.gather(*calls) == list(range(2000))


async def test_a_redelivered_turn_does_not_run_its_calls_again(bus: sg.Bus) -> None:
    ran: list[str] = []

    async def charge(request: sg.Request) -> int:
        ran.append(request.arguments["who"])
        return len(ran)

    given: list[Any] = []

    async def answer(msg: sg.Inbound, d: sg.Delivery[sg.Inbound]) -> sg.Outcome | None:
        given.append(await d.bus.call("charge", {"who": msg.user_id}))
        given.append(await d.bus.call("charge", {"who": msg.user_id}, memo=False))
        return sg.Outcome.retry(after=0.0) if d.attempt == 1 else None

    await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="x"))
    async with bus.serve({"charge": charge}), bus.consume_inbound() as inbox:
        await inbox.run(answer, until_idle=True)
    assert given == [1, 2, 1, 3], "the first is remembered with the turn, the second is not"


async def test_a_call_says_for_whom_it_is_made(bus: sg.Bus) -> None:
    seen: list[sg.Identity] = []

    async def who(request: sg.Request) -> None:
        seen.append(request.identity)
        assert request.time_left() is not None

    async def handle(msg: sg.Inbound, d: sg.Delivery[sg.Inbound]) -> None:
        await d.bus.call("who")

    await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="x"))
    async with bus.serve({"who": who}), bus.consume_inbound() as inbox:
        await inbox.run(handle, until_idle=True)
        await bus.call("who", identity={"platform": "x", "user_id": "9"})
    assert (seen[0].get("platform"), seen[0].get("channel_id"), seen[0].get("user_id")) == ("web", "c1", "u1")
    assert (seen[1].get("platform"), seen[1].get("user_id")) == ("x", "9")


async def test_a_handler_calls_on_with_the_time_it_has(bus: sg.Bus) -> None:
    async def inner(request: sg.Request) -> float | None:
        return request.time_left()

    async def outer(request: sg.Request) -> Any:
        return await request.bus.call("inner", timeout=60)

    async with bus.serve({"inner": inner, "outer": outer}):
        left = await bus.call("outer", timeout=2)
    assert 0 < left <= 2


async def test_wrong_options_of_a_call_are_named(bus: sg.Bus) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"timeout": -1}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"turn": "t"}, "call_id"),
        ({"memo": False, "call_id": "1"}, "memo"),
        ({"call_id": "1"}, "memo"),
        ({"identity": {"platfrom": "x"}}, "platfrom"),
        ({"timeoutt": 1}, "timeoutt"),
        ({"service": ""}, "service"),
    ]
    for options, name in wrong:
        with pytest.raises(sg.InvalidError) as told:
            await bus.call("x", **options)
        assert name in told.value.context.values(), (options, told.value)
    with pytest.raises(sg.InvalidError):
        await bus.call("x", {"a": object()})
    with pytest.raises(sg.InvalidError):
        await bus.call("")


async def test_a_function_that_is_no_coroutine_runs_in_a_thread(bus: sg.Bus) -> None:
    def blocking(request: sg.Request) -> bool:
        return threading.current_thread() is threading.main_thread()

    async with bus.serve({"blocking": blocking}):
        assert await bus.call("blocking") is False


async def test_what_cannot_be_sent_back_is_a_bad_answer(bus: sg.Bus) -> None:
    async def odd(request: sg.Request) -> object:
        return object()

    async with bus.serve({"odd": odd}):
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("odd")
    assert told.value.remote_code == "bad_answer"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (object(), "answer"),
        ([{"x": object()}], "answer[0].x"),
        ({"rows": [1, object()]}, "answer.rows[1]"),
        (sg.Reply(1, {"sent_files": [object()]}), "writeback.sent_files[0]"),
    ],
)
async def test_a_bad_answer_is_told_by_name_and_place(bus: sg.Bus, given: object, place: str) -> None:
    async def odd(request: sg.Request) -> object:
        return given

    @sg.tool
    async def tooled() -> object:
        return given

    # One bus serves both, whichever of them a request comes to.
    async with bus.serve({"odd": odd}), bus.serve_tools(tooled):
        for name in ("odd", "tooled"):
            with pytest.raises(sg.RemoteError) as told:
                await bus.call(name)
            assert (told.value.remote_code, f"`{place}` of `{name}` must be" in str(told.value)) == ("bad_answer", True)


async def test_one_bus_serves_calls_and_tools(bus: sg.Bus) -> None:
    async def plain(request: sg.Request) -> str:
        return "plain"

    @sg.tool
    async def tooled() -> str:
        return "tooled"

    async with bus.serve_tools(tooled):
        async with bus.serve({"plain": plain}):
            for _ in range(20):
                assert (await bus.call("plain"), await bus.call("tooled")) == ("plain", "tooled")
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("plain")
        assert told.value.remote_code == "unknown_tool"
        assert await bus.call("tooled") == "tooled"


async def test_names_change_while_it_serves(bus: sg.Bus) -> None:
    async def other(request: sg.Request) -> str:
        return f"other {request.name}"

    async with bus.serve({"a": weather}, others=other) as serving:
        assert await bus.call("b") == "other b"
        serving.handle("a", other)
        assert await bus.call("a") == "other a"
        assert serving.remove("a")
        assert not serving.remove("a")
        assert await bus.call("a") == "other a"


async def test_services_of_their_own_do_not_meet(bus: sg.Bus) -> None:
    async def named(request: sg.Request) -> str:
        return "own"

    async def shared(request: sg.Request) -> str:
        return "shared"

    async with bus.serve({"x": named}, service="own"), bus.serve({"x": shared}):
        assert await bus.call("x", service="own") == "own"
        assert await bus.call("x") == "shared"


async def test_a_loop_that_ends_leaves_its_calls_to_others(server: Server, names: dict[str, Any]) -> None:
    began = threading.Event()

    async def stuck(request: sg.Request) -> None:
        began.set()
        await asyncio.sleep(60)

    async def good(request: sg.Request) -> str:
        return "done"

    held: list[object] = []

    def other_loop() -> None:
        async def main() -> None:
            bus = await sg.connect(server.url, role="tools", **names)
            held.extend((bus, await bus.serve({"x": stuck})))
            await until(began.is_set)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        # As a program does that forgets to close: nothing of the loop is left.
        loop.close()

    async with sg.connect(server.url, role="tools", **names) as bus:
        thread = threading.Thread(target=other_loop)
        thread.start()
        call = asyncio.create_task(bus.call("x", timeout=20))
        await asyncio.to_thread(thread.join)
        async with bus.serve({"x": good}):
            assert await call == "done"


async def test_calls_of_a_closed_bus_say_so(url: str, names: dict[str, Any]) -> None:
    bus = await sg.connect(url, role="tools", **names)
    await bus.close()
    with pytest.raises(sg.ClosedError):
        await bus.call("x")
    with pytest.raises(sg.ClosedError):
        await bus.serve({"x": weather})


async def test_a_gateway_that_is_not_there_answers_no_call(url: str, quick: dict[str, Any]) -> None:
    async with sg.connect(url, role="standalone", platforms=["web"], **quick) as bus:
        with pytest.raises((sg.NoWorkerError, sg.TimeoutError)):
            await bus.call_gateway("web", "fetch_history", {"channel_id": "c1"}, timeout=1)
        with pytest.raises(sg.InvalidError):
            await bus.call_gateway("", "fetch_history")


async def test_a_request_by_hand_is_answered_on_the_stream_it_names(bus: sg.Bus, names: dict[str, Any]) -> None:
    """Who knows the wire may call without any of this."""
    reply_to = f"{names['tools_reply_prefix']}:hand"
    request = {"reply_to": reply_to, "correlation_id": "1", "tool_name": "weather", "arguments": {"city": "Berlin"}}
    async with bus.serve({"weather": weather}):
        await bus.publish_tools_request(request)
        entries: list[sg.Entry] = []
        while not entries:
            try:
                entries = await bus.entries(reply_to)
            except sg.NotFoundError:
                await asyncio.sleep(0.01)
    reply = msgpack.unpackb(entries[0].fields["data"])
    assert (reply["correlation_id"], reply["result"]) == ("1", "Berlin: 21 °C")
