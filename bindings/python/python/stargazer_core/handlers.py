"""Handlers by decorator: each gets a consumer of its own, and ``run`` runs them together.

>>> import asyncio, stargazer_core as sg
>>> app = sg.connect("memory://", role="standalone", platforms=["web"])
>>> @app.on_inbound(concurrency=16)
... async def answer(message: sg.Inbound, delivery: sg.Delivery) -> None:
...     await delivery.bus.publish_outbound("web", sg.message(message.channel_id, f"{message.content} 21 °C"))
>>> @app.on_outbound("web")
... async def show(reply: sg.Outbound) -> None:
...     print(reply.text)
>>> async def main() -> None:
...     async with app as bus:
...         await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))
...         await bus.run(until_idle=True)
>>> asyncio.run(main())
Berlin? 21 °C

A program that only serves needs no ``main``: ``asyncio.run(app.run())``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from stargazer_core.errors import InvalidError
from stargazer_core.handler import Handler, takes_delivery
from stargazer_core.outcome import Outcome

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from stargazer_core.bus import Bus
    from stargazer_core.consumer import Consumer
    from stargazer_core.delivery import Delivery
    from stargazer_core.envelope import Inbound, Outbound
    from stargazer_core.settings import ConsumerSettings

    OfInbound = TypeVar("OfInbound", bound=Handler[Inbound])
    OfOutbound = TypeVar("OfOutbound", bound=Handler[Outbound])
    OfAny = TypeVar("OfAny", bound=Handler[Any])

__all__ = ["Handlers", "Registered", "run_together"]

T = TypeVar("T")
Of = TypeVar("Of")
A = TypeVar("A", bound=Awaitable[Outcome | None])


class Registers(Protocol[Of]):
    """Registers a handler of bodies of a type, and gives it back as what it is."""

    @overload
    def __call__(self, handler: Callable[[Of], A], /) -> Callable[[Of], A]: ...
    @overload
    def __call__(self, handler: Callable[[Of, Delivery[Of]], A], /) -> Callable[[Of, Delivery[Of]], A]: ...


@dataclass(frozen=True)
class Registered:
    """A handler, and how its consumer is made."""

    #: The handler.
    handler: Handler[Any]
    #: Makes its consumer.
    consume: Callable[[Bus], Consumer[Any]]


class Handlers:
    """Registers handlers. A decorated function stays what it is."""

    __slots__ = ()

    _registered: list[Registered]

    def on_inbound(
        self, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> Callable[[OfInbound], OfInbound]:
        """Registers a handler of messages from platforms; arguments are those of ``consume_inbound``."""
        return self._register(lambda bus: bus.consume_inbound(group=group, **settings))

    def on_outbound(
        self, platform: str, *, group: str | None = None, **settings: Unpack[ConsumerSettings]
    ) -> Callable[[OfOutbound], OfOutbound]:
        """Registers a handler of what a platform's gateway is to do; arguments are those of ``consume_outbound``."""
        return self._register(lambda bus: bus.consume_outbound(platform, group=group, **settings))

    @overload
    def on(self, stream: str, group: str, *, body: type[T], **settings: Unpack[ConsumerSettings]) -> Registers[T]: ...
    @overload
    def on(
        self, stream: str, group: str, *, body: None = None, **settings: Unpack[ConsumerSettings]
    ) -> Callable[[OfAny], OfAny]: ...
    def on(
        self, stream: str, group: str, *, body: type[Any] | None = None, **settings: Unpack[ConsumerSettings]
    ) -> Callable[[Any], Any]:
        """Registers a handler of any stream, in any group; arguments are those of ``consume``."""
        return self._register(lambda bus: bus.consume(stream, group, body=body, **settings))

    def _register(self, consume: Callable[[Bus], Consumer[Any]]) -> Callable[[Any], Any]:
        def register(handler: Any) -> Any:
            takes_delivery(handler)
            self._registered.append(Registered(handler, consume))
            return handler

        return register


async def run_together(bus: Bus, registered: Sequence[Registered], *, until_idle: bool) -> None:
    """Runs handlers, each with a consumer of its own."""
    if not registered:
        text = "no handler is registered: decorate one with `on_inbound`, `on_outbound` or `on` before `run`"
        raise InvalidError(text, {"field": "handler"})
    consumers: list[Consumer[Any]] = []
    try:
        for one in registered:
            consumers.append(one.consume(bus))
        while True:
            handled = _handled(consumers)
            runs = (
                consumer.run(one.handler, until_idle=until_idle)
                for consumer, one in zip(consumers, registered, strict=True)
            )
            await _all(runs)
            # Who was idle first may have been given something by the others since.
            if not until_idle or _handled(consumers) == handled:
                return
    finally:
        await asyncio.gather(*(consumer.close() for consumer in consumers))


def _handled(consumers: Iterable[Consumer[Any]]) -> int:
    return sum(consumer._handled for consumer in consumers)


async def _all(runs: Iterable[Any]) -> None:
    """All of them; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(run) for run in runs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for failure in ended:
        if isinstance(failure, BaseException) and not isinstance(failure, asyncio.CancelledError):
            raise failure
