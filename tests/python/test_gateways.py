"""Gateways with adapters that are written in Python."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stargazer_core as sg
from harness.server import Server
from stargazer_core.platform import (
    AdapterKinds,
    BotIdentity,
    Button,
    File,
    GatewaySettings,
    HistoricalMessage,
    IncomingMessage,
    Intake,
    MessageUpdate,
    SendContext,
    TurnEnd,
    create,
)
from stargazer_core.platform.redis import RedisPlatform

QUICK: sg.ConsumerSettings = {"lease": 2.0, "sweep": 0.5, "retry_base": 0.02, "retry_max": 0.1}


class Board(sg.PlatformAdapter):
    """A platform that writes down what it is sent."""

    def __init__(self) -> None:
        self.saw: list[tuple[str, str, bool]] = []
        self.intake: Intake | None = None
        self.running = False
        self.before: Callable[[str, SendContext], Any] | None = None

    name = "web"

    async def is_running(self) -> bool:
        return self.running

    async def start(self, intake: Intake) -> None:
        self.intake, self.running = intake, True

    async def stop(self) -> None:
        self.running = False

    async def send(self, channel_id: str, text: str, context: SendContext) -> str:
        if self.before is not None:
            await self.before(text, context)
        self.saw.append((channel_id, text, context.may_be_repeat))
        return str(len(self.saw))

    async def is_channel_valid(self, channel_id: str) -> bool:
        return channel_id == "c1"

    def of(self, channel: str) -> list[tuple[str, bool]]:
        return [(text, told) for of, text, told in self.saw if of == channel]

    def way_in(self) -> Intake:
        assert self.intake is not None
        return self.intake


@asynccontextmanager
async def running(
    bus: sg.Bus, *adapters: sg.PlatformAdapter | RedisPlatform, **settings: Any
) -> AsyncIterator[sg.Gateway]:
    given: GatewaySettings = {"consumer": QUICK, "restart_base": 0.02, **settings}  # type: ignore[typeddict-item]
    async with sg.Gateway(bus, adapters, **given) as gateway:
        yield gateway


async def speak(bus: sg.Bus, channel: str, *texts: str) -> None:
    for text in texts:
        action = sg.message(channel, text)
        action.message_key = f"{channel} {text}"
        await bus.publish_outbound("web", action)


async def finished(bus: sg.Bus, stream: str) -> None:
    async with asyncio.timeout(30):
        while (await bus.stream_info(stream)).length:  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.01)


@pytest.fixture
def outbound(names: dict[str, Any]) -> str:
    return f"{names['outbound_stream_prefix']}:web"


async def test_a_message_goes_from_a_platform_to_a_worker_and_back(bus: sg.Bus, outbound: str) -> None:
    board = Board()
    async with running(bus, board) as gateway:
        message = IncomingMessage("", "c1", "u1", "Ann", "hi", message_id="m1")
        # The platform delivers it twice.
        receipts = [await board.way_in().message(message) for _ in range(2)]
        assert [receipt.duplicate for receipt in receipts] == [False, True]
        await board.way_in().update(MessageUpdate("edited", "c1", "m1", text="hello"))

        async def answer(envelope: sg.Inbound, delivery: sg.Delivery[sg.Inbound]) -> None:
            proxy = sg.ProxyAdapter.for_message(delivery.bus, envelope)
            update = MessageUpdate.of_inbound(envelope)
            await proxy.perform(sg.message("", f"now {update.text}" if update else f"you said {envelope.content}"))

        async with bus.consume_inbound(**QUICK) as inbox:
            await inbox.run(answer, until_idle=True)
        await finished(bus, outbound)
        assert sorted(board.of("c1")) == [("now hello", False), ("you said hi", False)]
        (health,) = gateway.health
        assert (health.platform, health.state, health.performed, health.starts) == ("web", "running", 2, 1)
    assert not board.running
    with pytest.raises(sg.ClosedError):
        await board.way_in().message(message)
    assert gateway.health[0].state == "stopped"


async def test_what_was_sent_is_not_sent_again(bus: sg.Bus, outbound: str) -> None:
    board = Board()
    for _ in range(2):
        async with running(bus, board):
            await speak(bus, "c1", "a", "b", "a")
            await finished(bus, outbound)
    assert board.of("c1") == [("a", False), ("b", False)]


class Process:
    """A gateway as a process, and what it said."""

    def __init__(self, server: Server, names: Mapping[str, Any], on_unknown: str) -> None:
        program = Path(__file__).with_name("gateway_process.py")
        command = [sys.executable, str(program), server.url, json.dumps(names), on_unknown]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.lines = self.process.stdout

    def until(self, line: str) -> list[str]:
        """What it sent, up to a line."""
        said: list[str] = []
        for one in self.lines:
            if one.rstrip("\n") == line:
                return said
            said.append(one.rstrip("\n"))
        raise AssertionError(f"never {line}: {said}")

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()
        self.lines.close()


async def died_in(held: str, server: Server, names: Mapping[str, Any], on_unknown: str = "resend") -> list[str]:
    """Runs a gateway as a process until it holds a send, and kills it there; what it sent."""
    process = Process(server, names, on_unknown)
    try:
        return await asyncio.to_thread(process.until, f"holding {held}")
    finally:
        process.kill()


@pytest.mark.parametrize("held", ["lost", "hold"])
async def test_a_send_that_a_gateway_died_in_is_repeated_and_told(
    server: Server, names: dict[str, Any], outbound: str, held: str
) -> None:
    async with sg.connect(server.url, role="standalone", platforms=["web"], **names) as bus:
        await speak(bus, "c1", "a", held, "b", "c")
        sent = await died_in(held, server, names)
        assert sent == ["sent c1 a False"] + (["sent c1 hold False"] if held == "hold" else [])
        await speak(bus, "d1", "x")
        board = Board()
        async with running(bus, board) as gateway:
            await finished(bus, outbound)
            assert board.of("c1") == [(held, True), ("b", False), ("c", False)]
            assert board.of("d1") == [("x", False)]
            assert (gateway.health[0].repeated, gateway.health[0].skipped) == (1, 0)


async def test_a_send_that_a_gateway_died_in_can_be_left_to_people(
    server: Server, names: dict[str, Any], outbound: str
) -> None:
    async with sg.connect(server.url, role="standalone", platforms=["web"], **names) as bus:
        await speak(bus, "c1", "a", "hold", "b")
        await died_in("hold", server, names, "skip")
        board = Board()
        async with running(bus, board, on_unknown="skip") as gateway:
            await finished(bus, outbound)
            assert board.of("c1") == [("b", False)]
            assert gateway.health[0].skipped == 1
            (letter,) = (await bus.dead_letters().list()).letters
            assert "on_unknown is skip" in letter.error
            # Somebody looked, and wants it sent.
            await bus.dead_letters().replay([letter.id])
            await finished(bus, outbound)
            assert board.of("c1") == [("b", False), ("hold", True)]


async def test_an_adapter_that_breaks_is_started_again(bus: sg.Bus, outbound: str) -> None:
    board = Board()
    async with running(bus, board) as gateway:
        first = board.way_in()
        first.failed("the socket closed")
        await gateway.reached("web", "restarting")
        await speak(bus, "c1", "a")
        await finished(bus, outbound)
        assert board.of("c1") == [("a", False)]
        (health,) = gateway.health
        assert (health.state, health.starts) == ("running", 2)
        assert isinstance(health.last_error, sg.UnavailableError)
        assert "the socket closed" in str(health.last_error)
        # The way in of the first start is closed; saying more through it is nothing.
        with pytest.raises(sg.ClosedError):
            await first.message(IncomingMessage("", "c1", "u1", "Ann", "hi"))
        first.failed("again")
        await board.way_in().message(IncomingMessage("", "c1", "u1", "Ann", "hi"))


async def test_a_turn_goes_there_and_back(server: Server, names: dict[str, Any]) -> None:
    async with sg.connect(server.url, role="standalone", platforms=["redis"], **names) as bus:
        platform = RedisPlatform(bus)
        made = await platform.create_instance()
        async with running(bus, RedisPlatform(bus)) as gateway:
            assert gateway.health[0].platform == "redis"
            sent = await platform.inject_message(made.instance_id, "Berlin?", "u1", "Ann", response_nonce="n1")

            async def answer(message: sg.Inbound, delivery: sg.Delivery[sg.Inbound]) -> None:
                proxy = sg.ProxyAdapter.for_message(delivery.bus, message)
                assert await proxy.is_channel_valid(message.channel_id)
                await proxy.perform(sg.message("", "21 °C", reply_to=message.message_id))
                await proxy.send_file(message.channel_id, File("map.txt", b"a map"))
                await proxy.end()

            async with bus.consume_inbound(**QUICK) as inbox:
                await inbox.run(answer, until_idle=True)
            after, kinds = "0-0", list[str]()
            while "turn_complete" not in kinds:
                page = await platform.turn_replies(made.instance_id, sent.trace_id, after, wait=20)
                after = page.next
                kinds += [reply.kind for reply in page.items]
        assert kinds == ["message", "file", "turn_complete"]


class Everything(Board):
    """A platform that can do everything."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[Any] = []
        self.done = asyncio.Event()

    async def bot_identity(self) -> BotIdentity:
        return BotIdentity("web", "42", display_name="Star")

    async def send_file(self, channel_id: str, file: File, context: SendContext) -> None:
        self.did.append((file.filename, file.data, file.mimetype, context.caption, context.message_key))

    async def send_with_buttons(
        self, channel_id: str, text: str, buttons: Sequence[Button], context: SendContext
    ) -> str:
        self.did.append((text, list(buttons)))
        return "b1"

    async def react(self, channel_id: str, message_id: str, emoji: str, context: SendContext) -> None:
        self.did.append((message_id, emoji))

    async def typing(self, channel_id: str) -> None:
        self.did.append("typing")

    async def turn_complete(self, channel_id: str, end: TurnEnd) -> None:
        self.did.append((end.nonce, end.status, end.error))
        self.done.set()

    async def fetch_history(self, channel_id: str, limit: int) -> list[HistoricalMessage]:
        return [HistoricalMessage("u1", "Ann", f"one of {limit}", 5.0, is_bot=True)]

    async def should_skip_channel_heartbeat(self, channel_id: str) -> bool:
        return True

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        if method == "add":
            return sum(params["numbers"])
        return await super().call(method, params)


async def test_every_call_reaches_an_adapter_and_comes_back(bus: sg.Bus) -> None:
    board = Everything()

    async def double(request: sg.Request) -> Any:
        return {"doubled": request.arguments["n"] * 2}

    gateway = sg.Gateway(bus, [board], consumer=QUICK).with_method("double", double)
    async with gateway:
        question = sg.inbound("web", channel="c1", user="u1", text="hi", trace_id="t1", extra={"_response_nonce": "n"})
        proxy = sg.ProxyAdapter.for_message(bus, question, call_timeout=20)
        await proxy.typing("c1")
        await proxy.send_file("c1", File("a", b"\xff", "x/y"), SendContext(caption="look"))
        await proxy.send_with_buttons("c1", "Sure?", [Button("Yes", "y", "✅"), Button("No", "n")])
        await proxy.react("c1", "m1", "👍")
        await proxy.end("gone")
        await asyncio.wait_for(board.done.wait(), 30)
        assert board.did == [
            "typing",
            ("a", b"\xff", "x/y", "look", "t1:file:0"),
            ("Sure?", [Button("Yes", "y", "✅"), Button("No", "n")]),
            ("m1", "👍"),
            ("n", "failed", "gone"),
        ]
        assert await proxy.bot_identity() == BotIdentity("web", "42", "Star")
        assert await proxy.fetch_history("c1", 3) == [HistoricalMessage("u1", "Ann", "one of 3", 5.0, is_bot=True)]
        assert (await proxy.is_channel_valid("c1"), await proxy.is_channel_valid("c2")) == (True, False)
        assert await proxy.should_skip_channel_heartbeat("c1")
        assert await proxy.call("add", {"numbers": [1, 2]}) == 3
        assert await proxy.call("double", {"n": 21}) == {"doubled": 42}
        with pytest.raises(sg.RemoteError) as raised:
            await proxy.call("dance")
        assert raised.value.context["remote_code"] == "rejected"
        with pytest.raises(sg.RemoteError) as raised:
            await proxy.call("double", {})
        assert raised.value.context["remote_code"] == "KeyError"


async def test_an_error_says_what_became_of_a_send(bus: sg.Bus, outbound: str) -> None:
    board = Board()
    tries: list[tuple[str, int, bool]] = []
    errors = {
        "refused": sg.RejectedError("no such room"),
        "unsent": sg.UnavailableError("rate limit"),
        "unknown": sg.UnavailableError("cut", {"stored": "unknown"}),
        "ours": KeyError("a bug"),
    }

    async def before(text: str, context: SendContext) -> None:
        tries.append((text, context.attempt, context.may_be_repeat))
        if context.attempt == 1:
            raise errors[text]

    board.before = before
    async with running(bus, board):
        for text in errors:
            await speak(bus, f"c {text}", text)
        await finished(bus, outbound)
    assert sorted(tries) == [
        ("ours", 1, False),
        ("ours", 2, True),
        ("refused", 1, False),
        ("unknown", 1, False),
        ("unknown", 2, True),
        ("unsent", 1, False),
        ("unsent", 2, False),
    ]
    (letter,) = (await bus.dead_letters().list()).letters
    assert "no such room" in letter.error


async def test_a_send_that_takes_too_long_is_cancelled_and_told(bus: sg.Bus, outbound: str) -> None:
    board = Board()
    ended: list[str] = []

    async def before(text: str, context: SendContext) -> None:
        if context.attempt == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append(text)
                raise

    board.before = before
    async with running(bus, board, send_timeout=0.05):
        await speak(bus, "c1", "slow", "next")
        await finished(bus, outbound)
    assert ended == ["slow", "next"]
    assert board.of("c1") == [("slow", True), ("next", True)]


async def test_run_ends_when_it_is_stopped_cancelled_or_the_bus_closes(url: str, names: dict[str, Any]) -> None:
    for how in ["stop", "cancel", "close"]:
        async with sg.connect(url, role="gateway", platforms=["web"], **names) as bus:
            board = Board()
            gateway = sg.Gateway(bus, [board], consumer=QUICK)
            run = asyncio.ensure_future(gateway.run())
            async with asyncio.timeout(20):
                while not board.running:  # noqa: ASYNC110 - starting rings no bell here
                    await asyncio.sleep(0.001)
                if how == "stop":
                    gateway.stop()
                elif how == "cancel":
                    run.cancel()
                else:
                    await bus.close()
                await asyncio.wait([run])
            assert run.cancelled() == (how == "cancel")
            assert not board.running


async def test_what_cannot_be_a_gateway_is_refused(bus: sg.Bus) -> None:
    with pytest.raises(sg.InvalidError, match="adapters"):
        sg.Gateway(bus, ["web"])  # type: ignore[list-item]
    with pytest.raises(sg.InvalidError, match="colour"):
        sg.Gateway(bus, [Board()], colour="red")  # type: ignore[call-arg]
    for gateway, named in [
        (sg.Gateway(bus, []), "at least one adapter"),
        (sg.Gateway(bus, [Board(), Board()]), "two adapters"),
        (sg.Gateway(bus, [Board()], on_unknown="again"), "on_unknown"),  # type: ignore[arg-type]
        (sg.Gateway(bus, [Board()], look=0), "look"),
        (sg.Gateway(bus, [Board()], consumer={"concurrency": 0}), "concurrency"),
    ]:
        with pytest.raises(sg.InvalidError, match=named):
            await gateway.run()
    started = sg.Gateway(bus, [Board()])
    async with started:
        with pytest.raises(sg.ConflictError):
            await started.start()


async def test_a_gateway_runs_tools_for_workers(bus: sg.Bus) -> None:
    @sg.tool(permissions=["pin"])
    async def pin(text: str) -> str:
        """Pins a text on the board."""
        return f"pinned {text}"

    params = {"tool_name": "pin", "arguments": {"text": "x"}, "platform": "web"}
    gateway = sg.Gateway(bus, [Board()], consumer=QUICK).with_tools(pin, authority={"web:u1": ["pin"]})
    async with gateway:
        proxy = sg.ProxyAdapter(bus, "web", call_timeout=20)
        assert await proxy.call("execute_tool", {**params, "user_id": "u1"}) == "pinned x"
        wrongs: list[tuple[dict[str, Any], str]] = [
            ({"user_id": "u2"}, "permission_denied"),
            ({"arguments": {"text": 5}}, "invalid_arguments"),
        ]
        for wrong, code in wrongs:
            with pytest.raises(sg.RemoteError) as raised:
                await proxy.call("execute_tool", {**params, "user_id": "u1", **wrong})
            assert code in raised.value.context["remote_code"].lower()


class Refusing(Board):
    async def start(self, intake: Intake) -> None:
        raise sg.AuthError("the token is wrong")


async def test_an_adapter_that_refuses_for_good_ends_the_run(bus: sg.Bus) -> None:
    with pytest.raises(sg.AuthError, match="the token is wrong"):
        await sg.Gateway(bus, [Refusing()]).run()


def test_a_loop_that_goes_leaves_what_it_had_to_others(server: Server, names: dict[str, Any]) -> None:
    """An adapter's loop ends in the middle of a send: the gateway closes, and the next one repeats it and tells."""
    held = threading.Event()

    async def doomed() -> None:
        bus = await sg.connect(server.url, role="standalone", platforms=["web"], **names)
        board = Board()

        async def hold(_text: str, _context: SendContext) -> None:
            held.set()
            await asyncio.Event().wait()

        board.before = hold
        # No second try before the loop has ended.
        gateway = sg.Gateway(bus, [board], consumer={"lease": 2.0, "sweep": 0.5})
        await gateway.start()
        await speak(bus, "c1", "a")
        await asyncio.to_thread(held.wait, 20)

    # Without closing anything; what is kept of the loop goes with this frame.
    def lived() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(doomed())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    lived()
    gc.collect()

    async def after() -> None:
        async with sg.connect(server.url, **names) as bus:
            board = Board()
            async with running(bus, board):
                await finished(bus, f"{names['outbound_stream_prefix']}:web")
            assert board.of("c1") == [("a", True)]

    asyncio.run(after())


async def test_kinds_are_made_by_name(bus: sg.Bus) -> None:
    assert create("redis", bus, bot_name="Nova").name == "redis"
    with pytest.raises(sg.InvalidError, match='called "loud"; known are: redis'):
        create("loud", bus)
    kinds = AdapterKinds()
    kinds.register("board", lambda _bus, _settings: Board())
    assert kinds.names == ["board", "redis"]
    assert kinds.create("board", bus).name == "web"
    with pytest.raises(sg.ConflictError):
        kinds.register("board", lambda _bus, _settings: Board())
    with pytest.raises(sg.InvalidError, match="board, redis"):
        kinds.create("loud", bus)


@pytest.mark.parametrize("given", [42, b"id", ["a"], object(), {"id": "a"}])
async def test_what_was_sent_is_sent_whatever_the_adapter_gives_for_its_id(
    bus: sg.Bus, outbound: str, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    class Odd(Board):
        async def send(self, channel_id: str, text: str, context: SendContext) -> Any:
            await super().send(channel_id, text, context)
            return given

    board = Odd()
    async with running(bus, board) as gateway:
        await speak(bus, "c1", "a", "b")
        await finished(bus, outbound)
        assert board.of("c1") == [("a", False), ("b", False)], "once, and in order"
        (health,) = gateway.health
        assert (health.performed, health.failed, health.skipped) == (2, 0, 0)
    assert (await bus.dead_letters().inspect()).count == 0
    assert "gave no text as the id" in caplog.text


@pytest.mark.parametrize(
    "reason", ["the line is cut", ConnectionResetError("by \ud800 peer"), sg.UnavailableError("x")]
)
async def test_an_adapter_that_tells_of_its_end_is_started_again(bus: sg.Bus, reason: str | BaseException) -> None:
    board = Board()
    async with running(bus, board) as gateway:
        board.way_in().failed(reason)
        async with asyncio.timeout(30):
            while gateway.health[0].starts < 2 or gateway.health[0].state != "running":  # noqa: ASYNC110 - told by nothing
                await asyncio.sleep(0.01)
        error = gateway.health[0].last_error
        assert error is not None
        name = reason if isinstance(reason, str) else type(reason).__name__
        assert name in str(error)
        await board.way_in().message(IncomingMessage("", "c1", "u1", "Ann", "hi"))
        with pytest.raises(sg.InvalidError, match="reason"):
            board.way_in().failed(None)  # type: ignore[arg-type]


async def test_a_failing_adapter_is_one_warning(bus: sg.Bus, caplog: pytest.LogCaptureFixture) -> None:
    class Weak(Board):
        failed = False

        async def start(self, intake: Intake) -> None:
            if not self.failed:
                self.failed = True
                raise OSError("no line")
            await super().start(intake)

    caplog.set_level("DEBUG", "stargazer_core")
    async with running(bus, Weak()) as gateway:
        await gateway.reached("web", "running")
    told = [record for record in caplog.records if "no line" in record.getMessage() or record.exc_info]
    assert [record.levelname for record in told if record.levelname != "DEBUG"] == ["WARNING"]
    assert any(record.exc_info for record in told if record.levelname == "DEBUG"), "the traceback is there"
