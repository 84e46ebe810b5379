"""The connections behind the original's classes, which open none before they are used.

Objects that name the same server share one bus. It stays open until each of them that can be closed is, and those that
cannot (the original's have nothing to close but their client) have gone with ``aclose``; or until the process ends.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from stargazer_core.bus import Bus, connect
from stargazer_core.compat.address import Address, address_of
from stargazer_core.errors import InvalidError

if TYPE_CHECKING:
    from stargazer_core.settings import BusSettings

__all__ = ["Link", "aclose"]

#: What is kept of a stream unless told otherwise, as with the original.
MAXLEN = 100_000

#: Address, entries that are kept, and seconds to wait for the server when connecting.
_Key = tuple[Address, int, float]


class Link:
    """The way of one object to its bus."""

    def __init__(self, redis: object, *, maxlen: int = MAXLEN, patience: float = 5.0) -> None:
        """Opens nothing; ``patience`` is how many seconds to wait for a server that cannot be reached."""
        self._redis = redis
        self._maxlen = maxlen
        self._patience = patience
        self._shared: _Shared | None = None

    async def bus(self) -> Bus:
        """The bus, connected when it is not.

        Raises:
            InvalidError: there is no server to connect to, or its settings cannot be kept.
            UnavailableError: it cannot be reached.
        """
        if self._shared is None or not self._shared.usable:
            address = await address_of(self._redis)
            if address is None:
                raise InvalidError("there is no Redis to connect to", {"argument": "redis"})
            # Another task may have been here meanwhile.
            if self._shared is None or not self._shared.usable:
                self._shared = _shared((address, self._maxlen, self._patience))
        return await self._shared.bus()

    async def configured(self) -> bool:
        """Whether a server is named at all."""
        return await address_of(self._redis) is not None

    async def close(self) -> None:
        """Gives the bus up; the last one closes it. May be called twice."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.give_up()


class _Shared:
    """A bus and how many use it."""

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._process = os.getpid()
        self._users = 0
        self._bus: Bus | None = None
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self.closed = False

    @property
    def usable(self) -> bool:
        return not self.closed and self._process == os.getpid()

    def take(self) -> _Shared:
        self._users += 1
        return self

    async def bus(self) -> Bus:
        if self._bus is not None:
            return self._bus
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._bus is None:
                bus = await connect(self._key[0].url, **self._settings())
                # Another loop may have been quicker, and the last user gone.
                if self._bus is not None or self.closed:
                    await bus.close()
                self._bus = self._bus or bus
        return self._bus

    async def give_up(self) -> None:
        self._users -= 1
        if self._users <= 0:
            await self.close()

    async def close(self) -> None:
        self.closed = True
        if _all.get(self._key) is self:
            del _all[self._key]
        if self._bus is not None and self._process == os.getpid():
            await self._bus.close()

    def _settings(self) -> BusSettings:
        address, maxlen, patience = self._key
        settings: BusSettings = {
            "retention": "capped",
            "max_len": maxlen,
            "inline_bodies": True,
            "unchecked_envelopes": True,
            "stream_prefix": "",
            "connect_timeout": patience,
        }
        if address.root_certificates is not None:
            settings["root_certificates"] = address.root_certificates
        if address.client_certificate is not None:
            settings["client_certificate"] = address.client_certificate
        return settings


_all: dict[_Key, _Shared] = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_all.clear)


def _shared(key: _Key) -> _Shared:
    if key not in _all:
        _all[key] = _Shared(key)
    return _all[key].take()


async def aclose() -> None:
    """Closes every connection of this package: consumers drain, events are sent. What is used later connects anew."""
    closing = (shared.close() for shared in list(_all.values()))
    for result in await asyncio.gather(*closing, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
