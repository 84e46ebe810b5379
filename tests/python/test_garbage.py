"""Every exported call with arguments that cannot be: refused by an error of ours, or one that names the argument.

Nothing else may come out (no ``AttributeError`` from the inside), and nothing may hang.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import stargazer_core as sg
from stargazer_core import compat, events, platform
from stargazer_core.platform.redis import RedisPlatform

GARBAGE: list[Any] = [
    None, object(), 5, "x", b"\xff", [], {}, [None], {"x": object()}, math.nan, math.inf, -1, 10**30, "\ud800",
]  # fmt: skip

#: Something that fits, by the name of the parameter.
FITS: dict[str, Any] = {
    "action": sg.message("c", "x"),
    "adapters": [],
    "after": "0-0",
    "api_key": "k",
    "arguments": {},
    "body": {"n": 1},
    "bus": None,
    "by": 1,
    "caller": {},
    "channel": "c",
    "channel_id": "c",
    "channels": ["c"],
    "correlation_id": "r",
    "count": 1,
    "data": b"x",
    "detail": {},
    "display_name": "n",
    "emoji": "x",
    "end": platform.TurnEnd("n"),
    "envelope": sg.inbound("web", channel="c", user="u", text="x"),
    "expected": "x",
    "expires": 1.0,
    "field": "f",
    "fields": {"f": "x"},
    "file": platform.File("f", b"x"),
    "file_id": "f",
    "filename": "f",
    "first": 0,
    "function": lambda: None,
    "group": "g",
    "handler": None,
    "instance_id": "i",
    "into": {},
    "key": "k",
    "kind": "redis",
    "last": 1,
    "letter": "1-1",
    "limit": 1,
    "low": 0.0,
    "high": 1.0,
    "make": lambda bus, settings: None,
    "member": "m",
    "members": ["m"],
    "message": platform.IncomingMessage("web", "c", "u", "n", "x"),
    "message_id": "m",
    "method": "m",
    "mimetype": "text/plain",
    "more": {},
    "name": "n",
    "params": {},
    "payload": "x",
    "platform": "web",
    "platforms": ["web"],
    "reason": "x",
    "reply": {"correlation_id": "r", "result": 1},
    "reply_stream": "sg:stream:tools:reply:x",
    "reply_to": "sg:stream:tools:reply:x",
    "request": {"reply_to": "sg:stream:tools:reply:x", "correlation_id": "r", "tool_name": "t", "arguments": {}},
    "role": "worker",
    "shown": [platform.Button("l", "id")],
    "state": "INFERRING",
    "status": "online",
    "stream": "s",
    "text": "x",
    "tools": sg.Tool({"name": "t"}, lambda context: None),
    "trace_id": "t",
    "ttl": 1.0,
    "update": platform.MessageUpdate("edited", "c", "m", "x"),
    "user": "u",
    "user_id": "u",
    "value": "v",
    "version": "1",
    "view": [("label", "id")],
}

#: What waits as long as it is told to, or is none of a user's business.
SKIPPED = {"close", "aclose", "run", "acquire", "notices", "log_tail", "tail", "changed", "ended", "drain", "reload"}


class Web(platform.PlatformAdapter):
    name = "web"

    async def is_running(self) -> bool:
        return True

    async def start(self, intake: platform.Intake) -> None: ...
    async def stop(self) -> None: ...
    async def send(self, channel_id: str, text: str, context: platform.SendContext) -> None: ...
    async def is_channel_valid(self, channel_id: str) -> bool:
        return True


def methods(of: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(of):
        if name.startswith("_") or name in SKIPPED or isinstance(getattr(type(of), name, None), property):
            continue
        method = getattr(of, name)
        if callable(method) and not inspect.isclass(method):
            yield f"{type(of).__name__}.{name}", method


async def judged(call: Callable[[], Any], parameter: str) -> str | None:
    """What is wrong with how a call ended, if anything is."""
    try:
        given = call()
        if isinstance(given, sg.Bus | sg.Consumer | sg.Lock | sg.Lease | sg.Singleton):
            return None
        if inspect.isawaitable(given):
            await asyncio.wait_for(given, 20)
        elif inspect.isasyncgen(given):
            await asyncio.wait_for(anext(given, None), 20)
    except (sg.StargazerError, sg.Failure):
        return None
    except asyncio.TimeoutError:
        return "hangs"
    except (TypeError, ValueError) as error:
        return None if parameter in str(error) else f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


async def tried(what: str, call: Callable[..., Any], fits: Mapping[str, Any]) -> list[str]:
    """Puts garbage in the place of one argument after the other."""
    wrong: list[str] = []
    signature = inspect.signature(call)
    taken = {name: of for name, of in signature.parameters.items() if of.kind is not of.VAR_KEYWORD}
    for name in taken:
        for garbage in GARBAGE:
            given: dict[str, Any] = {}
            rest: list[Any] = []
            for other, of in taken.items():
                value = garbage if other == name else fits.get(other, FITS.get(other))
                if of.kind is of.VAR_POSITIONAL:
                    rest.append(value)
                elif of.kind is of.POSITIONAL_ONLY:
                    rest.insert(0, value)
                elif other == name or of.default is of.empty:
                    given[other] = value
            if rest and taken[next(iter(taken))].kind is not inspect.Parameter.VAR_POSITIONAL:
                positional = [
                    given.pop(other)
                    for other, of in taken.items()
                    if other in given and of.kind is of.POSITIONAL_OR_KEYWORD
                ]
                rest = [*positional, *rest]
            trouble = await judged(lambda: call(*rest, **given), name)  # noqa: B023 - called at once
            if trouble is not None:
                wrong.append(f"{what}({name}={garbage!r:.40}): {trouble:.160}")
    return wrong


def is_made_by_people(what: Any) -> bool:
    """A function, or a class that is not only made by the package itself."""
    if not inspect.isclass(what):
        return inspect.isfunction(what)
    if issubclass(what, BaseException | dict) or inspect.isabstract(what):
        return False
    own = vars(what).get("__init__")
    return own is not None and not any(word in (own.__doc__ or "only") for word in ("only", "See ", "Over the"))


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::ResourceWarning")
async def test_no_argument_gets_through_to_the_inside() -> None:
    wrong: list[str] = []
    async with sg.connect(
        "memory://garbage",
        role="standalone",
        platforms=["web"],
        no_worker_after=0.05,
        call_timeout=0.2,
        publish_timeout=0.5,
    ) as bus:
        redis = RedisPlatform(bus)
        await redis.create_instance("i", "name")
        intake = platform.Intake(bus, "web")
        proxy = platform.ProxyAdapter(bus, "web", call_timeout=0.1)
        consumer = bus.consume("s", "g")
        subjects: list[object] = [
            bus, bus.store(), bus.store().batch(), redis, intake, proxy, bus.dead_letters("s"), bus.lock("l"),
            bus.lease("l"), bus.singleton("j"), bus.events(), consumer, platform.AdapterKinds(),
            platform.Gateway(bus, [Web()]), bus.serve({"x": lambda request: 1}), sg.Outcome,
        ]  # fmt: skip
        fits = {
            "bus": bus,
            "context": platform.SendContext(),
            "handler": lambda request: 1,
            "timeout": 0.05,
            "wait": 0.05,
        }
        for subject in subjects:
            for what, method in methods(subject):
                wrong += await tried(what, method, fits)
        functions = [getattr(sg, name) for name in sg.__all__] + [getattr(platform, name) for name in platform.__all__]
        functions += [RedisPlatform, events.install_default_bus]
        for function in functions:
            if is_made_by_people(function):
                wrong += await tried(function.__name__, function, fits)
        await consumer.close()
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


MEMBERS: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (
        platform.IncomingMessage,
        {"platform": "web", "channel_id": "c", "user_id": "u", "user_name": "n", "text": "x"},
        "message",
    ),
    (platform.Attachment, {"data": b"x"}, "attachment"),
    (platform.MessageUpdate, {"kind": "edited", "channel_id": "c", "message_id": "m"}, "update"),
    (platform.File, {"filename": "f", "data": b"x"}, "file"),
    (platform.Button, {"label": "l", "custom_id": "i"}, "button"),
    (platform.SendContext, {}, "context"),
    (platform.TurnEnd, {"nonce": "n"}, "end"),
]


@pytest.mark.timeout(120)
async def test_no_member_of_a_message_gets_through_to_the_inside() -> None:
    wrong: list[str] = []
    async with sg.connect("memory://members", role="standalone", platforms=["web"], no_worker_after=0.05) as bus:
        intake, proxy = platform.Intake(bus, "web"), platform.ProxyAdapter(bus, "web", call_timeout=0.1)
        message = MEMBERS[0][1]
        uses: dict[str, Callable[[Any], Any]] = {
            "message": intake.message,
            "attachment": lambda one: intake.message(platform.IncomingMessage(**message, attachments=[one])),
            "update": intake.update,
            "file": lambda one: proxy.send_file("c", one),
            "button": lambda one: proxy.send_with_buttons("c", "x", [one]),
            "context": lambda one: proxy.send("c", "x", one),
            "end": lambda one: proxy.turn_complete("c", one),
        }
        for make, fits, use in MEMBERS:
            for name in inspect.signature(make).parameters:
                for garbage in GARBAGE:
                    trouble = await judged(lambda: uses[use](make(**{**fits, name: garbage})), name)  # noqa: B023
                    if trouble is not None:
                        wrong.append(f"{make.__name__}({name}={garbage!r:.40}): {trouble:.160}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("garbage", [5, "x", [5], [None], {"a": 1}, object()])
async def test_what_an_adapter_answers_is_looked_at(bus: sg.Bus, garbage: Any) -> None:
    class Odd(Web):
        async def fetch_history(self, channel_id: str, limit: int) -> Any:
            return garbage

        async def bot_identity(self) -> Any:
            return garbage

    async with platform.Gateway(bus, [Odd()]):
        proxy = platform.ProxyAdapter(bus, "web", call_timeout=5)
        for ask, wanted in ((proxy.fetch_history("c"), "HistoricalMessage"), (proxy.bot_identity(), "BotIdentity")):
            with pytest.raises(sg.StargazerError, match=wanted):
                await ask


@pytest.mark.parametrize("garbage", [None, 5, "x", [1], {"x": object()}])
async def test_the_originals_api_refuses_garbage_by_name(garbage: Any) -> None:
    compat_bus = compat.RedisEventBus("memory://garbage-compat", "standalone", "n1")
    for publish in (
        compat_bus.publish_inbound(garbage),
        compat_bus.publish_outbound("web", garbage),
        compat_bus.publish_tools_request(garbage),
        compat_bus.publish_tools_reply("sg:tools:reply:x", garbage),
    ):
        with pytest.raises(sg.InvalidError):
            await publish
    await compat_bus.aclose()

    async def handler(message: platform.IncomingMessage, adapter: Any) -> None: ...

    adapter = compat.RedisPlatformAdapter(handler, "memory://garbage-compat")
    await adapter.start()
    for make in (adapter.create_instance, lambda metadata: adapter.register_user("i", "u", "n", metadata)):
        if garbage is not None and not isinstance(garbage, dict):
            with pytest.raises(sg.InvalidError, match="metadata"):
                await make(metadata=garbage)
    await adapter.stop()
