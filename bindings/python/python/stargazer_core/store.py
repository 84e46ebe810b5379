"""What the server keeps under keys, beside the streams: texts, hashes, sets, sorted sets, lists, notifications, logs.

>>> import asyncio, stargazer_core as sg
>>> async def main() -> None:
...     async with sg.connect("memory://") as bus:
...         store = bus.store()
...         await store.set("my:greeting", "hello", ttl=60)
...         print(await store.get("my:greeting"))
...         await store.batch().hash_set("my:user", {"name": "Ada"}).set_add("my:users", "ada").commit()
...         print(await store.hash_get_all("my:user"))
>>> asyncio.run(main())
b'hello'
{'name': b'Ada'}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from stargazer_core.arguments import need_map, need_number
from stargazer_core.part import Part, millis
from stargazer_core.store_batch import Batch
from stargazer_core.store_ops import Data, appended, keyed, scored
from stargazer_core.subscription import Notification, Subscription

__all__ = ["Batch", "LogEntry", "Notification", "Store", "Subscription"]

T = TypeVar("T")


@dataclass(frozen=True)
class LogEntry:
    """An entry of a log."""

    #: Its id.
    id: str
    #: Its fields.
    fields: Mapping[str, bytes]


class Store:
    """What a server keeps under keys. Cheap; every store of a bus shares its connection.

    Every call is one round trip and one step; nothing is retried: an ``UnavailableError`` or ``TimeoutError`` may have
    been carried out. A key that holds another kind of value is ``InvalidError``, with what it holds. ``ttl`` is in
    seconds: how long the key lives from now. A text that is set without one lives for ever, anything else as long as
    before. A key goes with the last thing in it.
    """

    __slots__ = ("_part",)

    def __init__(self, part: Part) -> None:
        """For buses only."""
        self._part = part

    def batch(self) -> Batch:
        """Writes that are carried out together, in one step."""
        return Batch(self._part)

    # ---- texts, and keys of any kind

    async def get(self, key: str) -> bytes | None:
        """The text under a key."""
        return await self._one(keyed("get", key))

    async def set(self, key: str, value: Data, *, ttl: float | None = None) -> None:
        """Sets a text."""
        await self._one(keyed("set", key, value=value, ttl=millis("ttl", ttl)))

    async def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when there is no such key; whether it did."""
        return await self._one(keyed("set_if_absent", key, value=value, ttl=millis("ttl", ttl)))

    async def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when the key holds ``expected``; whether it did. Without ``ttl`` it lives for ever then."""
        return await self._one(keyed("compare_and_set", key, expected=expected, value=value, ttl=millis("ttl", ttl)))

    async def compare_and_delete(self, key: str, expected: Data) -> bool:
        """Removes a text that is ``expected``; whether it did."""
        return await self._one(keyed("compare_and_delete", key, expected=expected))

    async def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a counter, which is 0 at first; what it is afterwards. It reaches to ±999,999,999,999,999,999."""
        return await self._one(keyed("increment", key, by=by, ttl=millis("ttl", ttl)))

    async def delete(self, *keys: str) -> int:
        """Removes keys of any kind; how many there were. At most 1000."""
        return await self._one({"op": "delete", "keys": list(keys)}) if keys else 0

    async def exists(self, key: str) -> bool:
        """Whether there is a key of any kind."""
        return await self._one(keyed("exists", key))

    async def expire(self, key: str, ttl: float) -> bool:
        """Lets a key of any kind live that long from now; whether there is one."""
        return await self._one(keyed("expire", key, ttl=millis("ttl", ttl)))

    async def time_to_live(self, key: str) -> float | None:
        """How long a key still lives; ``None`` without a limit, and without a key."""
        left: float | None = await self._one(keyed("time_to_live", key))
        return None if left is None else left / 1000

    # ---- hashes

    async def hash_get(self, key: str, field: str) -> bytes | None:
        """The value of a field."""
        return await self._one(keyed("hash_get", key, field=field))

    async def hash_get_all(self, key: str) -> dict[str, bytes]:
        """All fields and values.

        Raises:
            MalformedError: the name of a field is no UTF-8.
        """
        return await self._one(keyed("hash_get_all", key))

    async def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> int:
        """Sets fields; how many are new."""
        return await self._one(keyed("hash_set", key, fields=need_map("fields", fields), ttl=millis("ttl", ttl)))

    async def hash_set_if_absent(self, key: str, field: str, value: Data) -> bool:
        """Sets a field that is not there; whether it did."""
        return await self._one(keyed("hash_set_if_absent", key, field=field, value=value))

    async def hash_delete(self, key: str, *fields: str) -> int:
        """Removes fields; how many there were."""
        return await self._one(keyed("hash_delete", key, fields=list(fields)))

    async def hash_exists(self, key: str, field: str) -> bool:
        """Whether there is such a field."""
        return await self._one(keyed("hash_exists", key, field=field))

    async def hash_len(self, key: str) -> int:
        """How many fields there are."""
        return await self._one(keyed("hash_len", key))

    async def hash_increment(self, key: str, field: str, by: int = 1) -> int:
        """Adds to a counter in a hash, which is 0 at first; what it is afterwards."""
        return await self._one(keyed("hash_increment", key, field=field, by=by))

    # ---- sets, sorted sets, lists

    async def set_add(self, key: str, *members: Data, ttl: float | None = None) -> int:
        """Adds members to a set; how many are new."""
        return await self._one(keyed("set_add", key, members=list(members), ttl=millis("ttl", ttl)))

    async def set_remove(self, key: str, *members: Data) -> int:
        """Removes members of a set; how many there were."""
        return await self._one(keyed("set_remove", key, members=list(members)))

    async def set_contains(self, key: str, member: Data) -> bool:
        """Whether a set has a member."""
        return await self._one(keyed("set_contains", key, member=member))

    async def set_members(self, key: str) -> frozenset[bytes]:
        """All members of a set."""
        members: list[bytes] = await self._one(keyed("set_members", key))
        return frozenset(members)

    async def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> int:
        """Adds members with their scores, or gives them another score; how many are new."""
        return await self._one(keyed("sorted_add", key, members=scored(members), ttl=millis("ttl", ttl)))

    async def sorted_remove(self, key: str, *members: Data) -> int:
        """Removes members; how many there were."""
        return await self._one(keyed("sorted_remove", key, members=list(members)))

    async def sorted_range(
        self, key: str, low: float = -math.inf, high: float = math.inf, *, count: int = 1000
    ) -> list[tuple[bytes, float]]:
        """Members whose score lies between two (inclusive), lowest first and then by their bytes, at most ``count``."""
        pairs: list[list[Any]] = await self._one(
            keyed(
                "sorted_range",
                key,
                **{"from": need_number("low", low), "to": need_number("high", high), "count": count},
            )
        )
        return [(member, score) for member, score in pairs]

    async def list_push(self, key: str, *values: Data, ttl: float | None = None) -> int:
        """Adds values behind the last of a list; its length afterwards."""
        return await self._one(keyed("list_push", key, values=list(values), ttl=millis("ttl", ttl)))

    async def list_range(self, key: str, first: int = 0, last: int = -1) -> list[bytes]:
        """Values between two places (inclusive); places count from 0, from behind as -1, -2, …"""
        return await self._one(keyed("list_range", key, **{"from": first, "to": last}))

    async def list_pop(self, key: str) -> bytes | None:
        """Takes the first value off a list."""
        return await self._one(keyed("list_pop", key))

    async def list_trim(self, key: str, first: int, last: int) -> None:
        """Keeps only the values between two places (inclusive)."""
        await self._one(keyed("list_trim", key, **{"from": first, "to": last}))

    # ---- notifications and logs

    async def notify(self, channel: str, payload: Data) -> int:
        """Tells those who listen on a channel at this moment; how many connections that is."""
        return await self._one({"op": "notify", "channel": channel, "payload": payload})

    async def subscribe(self, *channels: str) -> Subscription:
        """Listens on channels; everything told once this has returned is heard.

        An unreachable server is an error here; an outage later is told as a notification that says ``lost``.
        """
        return Subscription(Part(await self._part.call("subscribe", channels=list(channels))))

    async def log_append(
        self,
        stream: str,
        fields: Mapping[str, Data],
        *,
        max_len: int | None = None,
        approximate: bool = True,
        ttl: float | None = None,
    ) -> str:
        """Appends an entry; its id. The stream keeps ``max_len`` entries, or somewhat more (``approximate``)."""
        return await self._one(appended(stream, fields, max_len, approximate, ttl))

    async def log_read(self, stream: str, after: str = "0-0", *, count: int = 100) -> list[LogEntry]:
        """Entries after an id, oldest first, at most ``count`` (1 to 1000)."""
        rows: list[dict[str, Any]] = await self._one(
            {"op": "log_read", "stream": stream, "after": after, "count": count}
        )
        return _entries(rows)

    async def log_tail(self, stream: str, after: str, *, count: int = 100, wait: float = 5.0) -> list[LogEntry]:
        """The same, and when there are none yet, as soon as there are any; none when ``wait`` seconds are over."""
        where = {"stream": stream, "after": after, "count": count}
        return _entries(await self._part.call("log_tail", **where, wait=millis("wait", wait)))

    async def log_trim(self, stream: str, up_to: str) -> int:
        """Removes the entries up to an id, that one included; how many there were."""
        return await self._one({"op": "log_trim", "stream": stream, "up_to": up_to})

    async def log_last(self, stream: str) -> str:
        """The last id that a stream gave; ``"0-0"`` when there is no such stream."""
        return await self._one({"op": "log_last", "stream": stream})

    async def _one(self, op: dict[str, Any]) -> T:  # pyright: ignore[reportInvalidTypeVarUse] - what the op gives
        answer: T
        (answer,) = await self._part.call("apply", ops=[op])
        return answer


def _entries(rows: Sequence[Mapping[str, Any]]) -> list[LogEntry]:
    return [LogEntry(row["id"], row["fields"]) for row in rows]
