"""What the original's consumers have in common: a handler that runs over a stream from ``start`` to ``stop``.

``start`` returns at once. What keeps a reader from its group (a server that cannot be reached, a group that runs under
other settings) is told in the log, once, and tried again. ``stop`` takes nothing new and ends when every handler that
runs has ended and its outcome is stored; so does closing the connection under it. If a handler raises, its message is
handed out again, and after the third time it goes to the dead letters.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from stargazer_core.compat.link import Link
from stargazer_core.errors import ClosedError, InvalidError, StargazerError

if TYPE_CHECKING:
    from stargazer_core.bus import Bus
    from stargazer_core.consumer import Consumer
    from stargazer_core.delivery import Delivery
    from stargazer_core.settings import ConsumerSettings

__all__ = ["ProcessFn", "Reading", "Source", "process"]

_log = logging.getLogger("stargazer_core.compat")

#: What handles the payload of a message.
ProcessFn = Callable[[dict[str, Any]], Awaitable[None]]

#: Stream and group to read, by the names that the bus has.
Source = Callable[["Bus"], tuple[str, str]]

#: Longer than anything runs: whoever stops a consumer waits for its handlers.
_NO_LIMIT = 10 * 365 * 86_400.0

#: The original starts whatever it has read; this is as good as no limit.
_HANDLERS = 1000

#: Seconds until it is tried again to join the group.
_PAUSE = 1.0


class Reading:
    """A handler over one stream."""

    def __init__(
        self,
        link: Link,
        source: Source,
        handle: Callable[[Any, Delivery[Any]], Awaitable[None]],
        settings: ConsumerSettings,
    ) -> None:
        """Opens nothing."""
        self._link = link
        self._source = source
        self._handle = handle
        self._settings: ConsumerSettings = {
            "drain_timeout": _NO_LIMIT,
            "concurrency": _HANDLERS,
            **settings,
        }
        self._consumer: Consumer[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._told = False

    def start(self) -> None:
        """Begins to read in a task of its own, unless it reads."""
        if self._task is not None and not self._task.done():
            return
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends when the handlers that run have ended."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        if self._consumer is None:
            task.cancel()
        else:
            try:
                await self._consumer.close()
            except StargazerError as error:
                _log.warning("a consumer closed with trouble: %s", error)
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                bus = await self._link.bus()
                stream, group = self._source(bus)
                self._consumer = bus.consume(stream, group, **self._settings)
                await self._consumer.run(self._handle)
                return
            except ClosedError:
                return
            except InvalidError:
                _log.exception("a consumer cannot run and ends")
                return
            except StargazerError as error:
                self._tell(error)
                await asyncio.sleep(_PAUSE)
            finally:
                self._consumer = None

    def _tell(self, error: StargazerError) -> None:
        if not self._told:
            _log.warning("a consumer is kept from its group and goes on trying: %s", error)
        self._told = True


async def process(process_fn: ProcessFn, payload: Any) -> None:
    """Hands a payload to what processes it; what that returns means nothing."""
    answer = process_fn(payload)
    if not inspect.isawaitable(answer):
        raise TypeError(f"process_fn must be an async def; this one returned {type(answer).__name__}")
    await answer
