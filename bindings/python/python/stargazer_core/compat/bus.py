"""The original's publisher and provisioner: ``RedisEventBus``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from stargazer_core import _native
from stargazer_core.arguments import need_map
from stargazer_core.compat.link import MAXLEN, Link

if TYPE_CHECKING:
    from stargazer_core.bus import Bus, Role

__all__ = ["RedisEventBus"]

_log = logging.getLogger("stargazer_core.compat")

#: Below that, trimming by ``MAXLEN ~`` would take nearly everything.
_LEAST = 1000

#: What is left of a role that has no platforms.
_WITHOUT_PLATFORMS = {"gateway": "none", "standalone": "worker"}

#: The share of a stream that may be pending before it is told.
_RISKY = 0.8


class RedisEventBus:
    """Publishes to the streams of the fleet, makes their groups, and looks at them.

    Streams keep about ``stream_maxlen`` entries, read or not, as the original's do. Envelopes go out as they are given.
    """

    def __init__(
        self,
        redis: object,
        node_role: str,
        node_id: str,
        *,
        stream_maxlen: int = MAXLEN,
    ) -> None:
        """Opens no connection.

        ``redis`` is a URL, a ``redis.asyncio`` client (asked for its settings only), or a configuration that has
        either. ``node_role`` is ``gateway``, ``worker`` or ``standalone`` and decides what ``ensure_streams`` makes;
        ``node_id`` stands in log records. A ``stream_maxlen`` below 1000 becomes 1000.
        """
        self.node_role = node_role
        self.node_id = node_id
        self.stream_maxlen: int = max(int(stream_maxlen), _LEAST)
        self._link = Link(redis, maxlen=self.stream_maxlen)
        self._backlogs: dict[str, _Backlog] = {}

    async def ensure_streams(self, platforms: Iterable[str] | None = None) -> None:
        """Makes the groups of this node's role, and their streams; those that exist stay as they are.

        Without platforms only those are made that belong to none.

        Raises:
            InvalidError: there is no such role.
            UnavailableError: the server cannot be reached.
        """
        bus = await self.bus()
        named = list(platforms or ())
        role = self.node_role
        if not named:
            role = _WITHOUT_PLATFORMS.get(role, role)
        await bus.ensure_streams(cast("Role", role), named)

    async def publish_inbound(self, envelope: Mapping[str, Any]) -> str:
        """A message from a platform, for the workers. Gives the entry's id.

        Raises:
            InvalidError: the envelope is no ``dict``, or holds something that has no form on the wire.
            UnavailableError: the server cannot be reached. ``AuthError``, ``FullError`` and others likewise.
        """
        bus = await self.bus()
        receipt = await bus.publish_inbound(need_map("envelope", envelope))
        await self._watch(receipt.stream, bus.topology.worker_group)
        return receipt.id

    async def publish_outbound(self, platform: str, envelope: Mapping[str, Any]) -> str:
        """Something for a platform's gateway to do. Gives the entry's id; raises like :meth:`publish_inbound`."""
        bus = await self.bus()
        receipt = await bus.publish_outbound(platform, need_map("envelope", envelope))
        # Either of the original's consumers of a gateway may be the one that reads.
        await self._watch(receipt.stream, bus.topology.gateway_group(platform), _native.shared_gateway_group())
        return receipt.id

    async def publish_tools_request(self, envelope: Mapping[str, Any]) -> str:
        """A request to run a tool; it should carry ``reply_to`` and ``correlation_id``, or nobody gets its result.

        Gives the entry's id; raises like :meth:`publish_inbound`.
        """
        bus = await self.bus()
        receipt = await bus.publish_tools_request(need_map("envelope", envelope))
        await self._watch(receipt.stream, bus.topology.tools_group)
        return receipt.id

    async def publish_tools_reply(self, reply_stream: str, envelope: Mapping[str, Any]) -> str:
        """What a tool gave, onto the stream that its request named. Raw ``bytes`` in it arrive as such.

        That stream keeps about 1000 entries. Gives the entry's id; raises like :meth:`publish_inbound`.
        """
        bus = await self.bus()
        return (await bus.publish_tools_reply(reply_stream, need_map("envelope", envelope))).id

    async def get_stream_info(self, stream: str) -> dict[str, Any]:
        """A stream in the words of ``XINFO STREAM``; an empty ``dict`` on any error. Raises nothing.

        With ``length``, ``last-generated-id``, ``groups`` (how many), ``first-entry`` and ``last-entry`` (id and
        fields, or ``None``); ids and fields are bytes, as a binary client gives them.
        """
        try:
            bus = await self.bus()
            info = await bus.stream_info(stream)
            return {
                "length": info.length,
                "last-generated-id": info.last_id.encode(),
                "groups": len(info.groups),
                "first-entry": await _entry(bus, stream, "0-0") if info.length else None,
                "last-entry": await _entry(bus, stream, _before(info.last_id)) if info.length else None,
            }
        except Exception as error:
            self._tell("a look at the stream %s failed: %s", stream, error)
            return {}

    async def get_pending_count(self, stream: str, group: str) -> int:
        """How many entries a group has read and not acknowledged; 0 on any error. Raises nothing."""
        try:
            return (await (await self.bus()).pending(stream, group)).count
        except Exception as error:
            self._tell("a look at the group %s of %s failed: %s", group, stream, error)
            return 0

    async def bus(self) -> Bus:
        """The package's own bus behind it, connected, for what the original has no word for. Not in the original.

        Close this object rather than that bus, which others may use as well.

        Raises:
            InvalidError: there is no server to connect to, or its settings cannot be kept.
            UnavailableError: it cannot be reached.
        """
        return await self._link.bus()

    async def aclose(self) -> None:
        """Gives its connection up, which ends with the last object that uses it. Not in the original."""
        await self._link.close()

    async def _watch(self, stream: str, *groups: str) -> None:
        """Warns when so much is pending that trimming will soon take what nobody has finished."""
        backlog = self._backlogs.setdefault(stream, _Backlog(max(1, self.stream_maxlen // _LEAST)))
        if not backlog.is_due():
            return
        counts = {group: await self.get_pending_count(stream, group) for group in groups}
        group, pending = max(counts.items(), key=lambda count: count[1])
        if backlog.is_news(risky=pending >= _RISKY * self.stream_maxlen):
            _log.warning(
                "%d entries of %s are pending in %s, of about %d that are kept: the oldest will be lost",
                pending,
                stream,
                group,
                self.stream_maxlen,
                extra=self._extra(),
            )

    def _tell(self, text: str, *values: object) -> None:
        _log.debug(text, *values, extra=self._extra())

    def _extra(self) -> dict[str, str]:
        return {"node_role": self.node_role, "node_id": self.node_id}


class _Backlog:
    """When to look at what is pending (with every thousandth part of the cap that is published), and when to tell."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0
        self._told = False

    def is_due(self) -> bool:
        self._count += 1
        return self._count % self._every == 1 % self._every

    def is_news(self, *, risky: bool) -> bool:
        """Once for each streak."""
        news = risky and not self._told
        self._told = risky
        return news


async def _entry(bus: Bus, stream: str, after: str) -> tuple[bytes, dict[bytes, bytes]] | None:
    for entry in await bus.entries(stream, after=after, count=1):
        return entry.id.encode(), {name.encode(): value for name, value in entry.fields.items()}
    return None


def _before(entry_id: str) -> str:
    ms, _, number = entry_id.partition("-")
    return f"{ms}-{int(number) - 1}" if int(number) > 0 else f"{int(ms) - 1}-{2**64 - 1}"
