"""The original's consumer of what several platforms are to do: ``OutboundStreamConsumer``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stargazer_core import _native
from stargazer_core.compat.link import Link
from stargazer_core.compat.reading import ProcessFn, Reading, Source, process

if TYPE_CHECKING:
    from stargazer_core.bus import Bus
    from stargazer_core.delivery import Delivery

__all__ = ["OutboundStreamConsumer"]

_log = logging.getLogger("stargazer_core.compat")


class OutboundStreamConsumer:
    """Runs a function for whatever the given platforms are to do, in the group that the original's consumer reads in.

    The group is made when it is missing. What is for one channel is handled in its order.
    """

    def __init__(self, redis: object, consumer_name: str, process_fn: ProcessFn, platforms: Iterable[str]) -> None:
        """Starts nothing and opens no connection.

        ``redis`` is a URL, a ``redis.asyncio`` client (asked for its settings only), or a configuration that has
        either. The consumer's name in the group is ``consumer_name`` and a random end. ``process_fn`` is an ``async
        def`` that takes the payload.
        """
        self.consumer_name = consumer_name
        self._process_fn = process_fn
        self._link = Link(redis)
        names = dict.fromkeys(platforms)
        self._readings = [Reading(self._link, _of(name), self._handle, {"name": consumer_name}) for name in names]

    async def start(self) -> None:
        """Begins to read, in the background; warns and does nothing when there are no platforms."""
        if not self._readings:
            _log.warning("outbound consumer %s has no platforms and reads nothing", self.consumer_name)
            return
        for reading in self._readings:
            reading.start()
        _log.info("outbound consumer %s started", self.consumer_name)

    async def stop(self) -> None:
        """Takes nothing new, waits for what is being sent and for its outcome to be stored. May be called twice.

        Exceptions of ``process_fn`` are not raised here.
        """
        await asyncio.gather(*(reading.stop() for reading in self._readings))
        await self._link.close()

    async def _handle(self, payload: Any, delivery: Delivery[Any]) -> None:
        del delivery  # its id and stream are of no interest to the original's functions
        await process(self._process_fn, payload)


def _of(platform: str) -> Source:
    def source(bus: Bus) -> tuple[str, str]:
        return bus.topology.outbound_stream(platform), _native.shared_gateway_group()

    return source
