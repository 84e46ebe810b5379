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

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from stargazer_core.arguments import need_map, need_number
from stargazer_core.errors import InvalidError
from stargazer_core.loop import ask
from stargazer_core.part import Part, millis

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Batch", "LogEntry", "Notification", "Store", "Subscription"]

#: What is kept: bytes, or a text as its UTF-8.
Data: TypeAlias = bytes | str
T = TypeVar("T")


@dataclass(frozen=True)
class LogEntry:
    """An entry of a log."""

    #: Its id.
    id: str
    #: Its fields.
    fields: Mapping[str, bytes]


@dataclass(frozen=True)
class Notification:
    """What a subscription hears.

    With neither a channel nor a number the connection was lost and is there again: what was told meanwhile is gone.
    """

    #: The channel it was told on; ``None`` when something was lost instead.
    channel: str | None
    #: What was told.
    payload: bytes
    #: How many were not kept because they were not read in time. Look again at what they were about.
    missed: int = 0

    @property
    def lost(self) -> bool:
        """Whether something was, or may have been, told that is not heard: look again at what it was about."""
        return self.channel is None


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
        return await self._one(_op("get", key))

    async def set(self, key: str, value: Data, *, ttl: float | None = None) -> None:
        """Sets a text."""
        await self._one(_op("set", key, value=value, ttl=millis("ttl", ttl)))

    async def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when there is no such key; whether it did."""
        return await self._one(_op("set_if_absent", key, value=value, ttl=millis("ttl", ttl)))

    async def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> bool:
        """Sets a text when the key holds ``expected``; whether it did. Without ``ttl`` it lives for ever then."""
        return await self._one(_op("compare_and_set", key, expected=expected, value=value, ttl=millis("ttl", ttl)))

    async def compare_and_delete(self, key: str, expected: Data) -> bool:
        """Removes a text that is ``expected``; whether it did."""
        return await self._one(_op("compare_and_delete", key, expected=expected))

    async def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a counter, which is 0 at first; what it is afterwards. It reaches to ±999,999,999,999,999,999."""
        return await self._one(_op("increment", key, by=by, ttl=millis("ttl", ttl)))

    async def delete(self, *keys: str) -> int:
        """Removes keys of any kind; how many there were. At most 1000."""
        return await self._one({"op": "delete", "keys": list(keys)}) if keys else 0

    async def exists(self, key: str) -> bool:
        """Whether there is a key of any kind."""
        return await self._one(_op("exists", key))

    async def expire(self, key: str, ttl: float) -> bool:
        """Lets a key of any kind live that long from now; whether there is one."""
        return await self._one(_op("expire", key, ttl=millis("ttl", ttl)))

    async def time_to_live(self, key: str) -> float | None:
        """How long a key still lives; ``None`` without a limit, and without a key."""
        left: float | None = await self._one(_op("time_to_live", key))
        return None if left is None else left / 1000

    # ---- hashes

    async def hash_get(self, key: str, field: str) -> bytes | None:
        """The value of a field."""
        return await self._one(_op("hash_get", key, field=field))

    async def hash_get_all(self, key: str) -> dict[str, bytes]:
        """All fields and values.

        Raises:
            MalformedError: the name of a field is no UTF-8.
        """
        return await self._one(_op("hash_get_all", key))

    async def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> int:
        """Sets fields; how many are new."""
        return await self._one(_op("hash_set", key, fields=need_map("fields", fields), ttl=millis("ttl", ttl)))

    async def hash_set_if_absent(self, key: str, field: str, value: Data) -> bool:
        """Sets a field that is not there; whether it did."""
        return await self._one(_op("hash_set_if_absent", key, field=field, value=value))

    async def hash_delete(self, key: str, *fields: str) -> int:
        """Removes fields; how many there were."""
        return await self._one(_op("hash_delete", key, fields=list(fields)))

    async def hash_exists(self, key: str, field: str) -> bool:
        """Whether there is such a field."""
        return await self._one(_op("hash_exists", key, field=field))

    async def hash_len(self, key: str) -> int:
        """How many fields there are."""
        return await self._one(_op("hash_len", key))

    async def hash_increment(self, key: str, field: str, by: int = 1) -> int:
        """Adds to a counter in a hash, which is 0 at first; what it is afterwards."""
        return await self._one(_op("hash_increment", key, field=field, by=by))

    # ---- sets, sorted sets, lists

    async def set_add(self, key: str, *members: Data, ttl: float | None = None) -> int:
        """Adds members to a set; how many are new."""
        return await self._one(_op("set_add", key, members=list(members), ttl=millis("ttl", ttl)))

    async def set_remove(self, key: str, *members: Data) -> int:
        """Removes members of a set; how many there were."""
        return await self._one(_op("set_remove", key, members=list(members)))

    async def set_contains(self, key: str, member: Data) -> bool:
        """Whether a set has a member."""
        return await self._one(_op("set_contains", key, member=member))

    async def set_members(self, key: str) -> frozenset[bytes]:
        """All members of a set."""
        members: list[bytes] = await self._one(_op("set_members", key))
        return frozenset(members)

    async def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> int:
        """Adds members with their scores, or gives them another score; how many are new."""
        return await self._one(_op("sorted_add", key, members=_scored(members), ttl=millis("ttl", ttl)))

    async def sorted_remove(self, key: str, *members: Data) -> int:
        """Removes members; how many there were."""
        return await self._one(_op("sorted_remove", key, members=list(members)))

    async def sorted_range(
        self, key: str, low: float = -math.inf, high: float = math.inf, *, count: int = 1000
    ) -> list[tuple[bytes, float]]:
        """Members whose score lies between two (inclusive), lowest first and then by their bytes, at most ``count``."""
        pairs: list[list[Any]] = await self._one(
            _op(
                "sorted_range",
                key,
                **{"from": need_number("low", low), "to": need_number("high", high), "count": count},
            )
        )
        return [(member, score) for member, score in pairs]

    async def list_push(self, key: str, *values: Data, ttl: float | None = None) -> int:
        """Adds values behind the last of a list; its length afterwards."""
        return await self._one(_op("list_push", key, values=list(values), ttl=millis("ttl", ttl)))

    async def list_range(self, key: str, first: int = 0, last: int = -1) -> list[bytes]:
        """Values between two places (inclusive); places count from 0, from behind as -1, -2, …"""
        return await self._one(_op("list_range", key, **{"from": first, "to": last}))

    async def list_pop(self, key: str) -> bytes | None:
        """Takes the first value off a list."""
        return await self._one(_op("list_pop", key))

    async def list_trim(self, key: str, first: int, last: int) -> None:
        """Keeps only the values between two places (inclusive)."""
        await self._one(_op("list_trim", key, **{"from": first, "to": last}))

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
        return await self._one(_append(stream, fields, max_len, approximate, ttl))

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


class Batch:
    """Writes that are collected and carried out by :meth:`commit`, in their order, all or none.

    A condition of a write that does not hold (``set_if_absent``) leaves out that write only; one of the batch
    (``require_absent``, ``require_member``) leaves out everything. A key is of one kind throughout, also when the batch
    removes it; a counter is written once.
    """

    __slots__ = ("_ops", "_part")

    def __init__(self, part: Part) -> None:
        """For stores only."""
        self._part = part
        self._ops: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """How many operations were collected."""
        return len(self._ops)

    async def commit(self) -> list[Any]:
        """Carries them out; one answer for each, as the method of that name on :class:`Store` gives it.

        Raises:
            ConflictError: a condition does not hold, and nothing was changed. ``context["unmet"]`` is its place.
        """
        answers: list[Any] = await self._part.call("apply", ops=self._ops)
        return answers

    def require_absent(self, key: str) -> Self:
        """Has the batch carried out only if there is no such key."""
        return self._add(_op("exists", key, require=False))

    def require_member(self, key: str, member: Data) -> Self:
        """Has the batch carried out only if a set has a member."""
        return self._add(_op("set_contains", key, member=member, require=True))

    def set(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set`."""
        return self._add(_op("set", key, value=value, ttl=millis("ttl", ttl)))

    def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_if_absent`."""
        return self._add(_op("set_if_absent", key, value=value, ttl=millis("ttl", ttl)))

    def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.compare_and_set`."""
        return self._add(_op("compare_and_set", key, expected=expected, value=value, ttl=millis("ttl", ttl)))

    def compare_and_delete(self, key: str, expected: Data) -> Self:
        """See :meth:`Store.compare_and_delete`."""
        return self._add(_op("compare_and_delete", key, expected=expected))

    def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.increment`."""
        return self._add(_op("increment", key, by=by, ttl=millis("ttl", ttl)))

    def delete(self, *keys: str) -> Self:
        """See :meth:`Store.delete`."""
        return self._add({"op": "delete", "keys": list(keys)}) if keys else self

    def expire(self, key: str, ttl: float) -> Self:
        """See :meth:`Store.expire`."""
        return self._add(_op("expire", key, ttl=millis("ttl", ttl)))

    def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.hash_set`."""
        return self._add(_op("hash_set", key, fields=need_map("fields", fields), ttl=millis("ttl", ttl)))

    def hash_set_if_absent(self, key: str, field: str, value: Data) -> Self:
        """See :meth:`Store.hash_set_if_absent`."""
        return self._add(_op("hash_set_if_absent", key, field=field, value=value))

    def hash_delete(self, key: str, *fields: str) -> Self:
        """See :meth:`Store.hash_delete`."""
        return self._add(_op("hash_delete", key, fields=list(fields)))

    def hash_increment(self, key: str, field: str, by: int = 1) -> Self:
        """See :meth:`Store.hash_increment`."""
        return self._add(_op("hash_increment", key, field=field, by=by))

    def set_add(self, key: str, *members: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_add`."""
        return self._add(_op("set_add", key, members=list(members), ttl=millis("ttl", ttl)))

    def set_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.set_remove`."""
        return self._add(_op("set_remove", key, members=list(members)))

    def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.sorted_add`."""
        return self._add(_op("sorted_add", key, members=_scored(members), ttl=millis("ttl", ttl)))

    def sorted_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.sorted_remove`."""
        return self._add(_op("sorted_remove", key, members=list(members)))

    def list_push(self, key: str, *values: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.list_push`."""
        return self._add(_op("list_push", key, values=list(values), ttl=millis("ttl", ttl)))

    def list_trim(self, key: str, first: int, last: int) -> Self:
        """See :meth:`Store.list_trim`."""
        return self._add(_op("list_trim", key, **{"from": first, "to": last}))

    def notify(self, channel: str, payload: Data) -> Self:
        """See :meth:`Store.notify`."""
        return self._add({"op": "notify", "channel": channel, "payload": payload})

    def log_append(
        self,
        stream: str,
        fields: Mapping[str, Data],
        *,
        max_len: int | None = None,
        approximate: bool = True,
        ttl: float | None = None,
    ) -> Self:
        """See :meth:`Store.log_append`."""
        return self._add(_append(stream, fields, max_len, approximate, ttl))

    def _add(self, op: dict[str, Any]) -> Self:
        self._ops.append(op)
        return self


class Subscription:
    """An open ear on some channels: iterate it. Bounded; what is not read in time is counted as missed."""

    __slots__ = ("_next", "_part")

    def __init__(self, part: Part) -> None:
        """For stores only."""
        self._part = part
        self._next: asyncio.Future[Any] | None = None

    async def next(self) -> Notification | None:
        """What is heard next, waited for also through an outage; ``None`` once it or its bus is closed.

        May be cancelled: what is heard comes with the next call then.
        """
        if self._next is None:
            self._next = ask(self._part.native.perform, "next", {})
        waiting = self._next
        try:
            row = await asyncio.shield(waiting)
        finally:
            if waiting.done():
                self._next = None
        if row is None:
            return None
        return Notification(row.get("channel"), row.get("payload", b""), row.get("missed", 0))

    def __aiter__(self) -> Self:
        """What is heard, until it is closed."""
        return self

    async def __anext__(self) -> Notification:
        """What is heard next."""
        heard = await self.next()
        if heard is None:
            raise StopAsyncIteration
        return heard

    def close(self) -> None:
        """Ends it. May be called twice."""
        self._part.at_once("close")

    async def __aenter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


def _op(op: str, key: str, **arguments: Any) -> dict[str, Any]:
    return {"op": op, "key": key, **arguments}


def _append(
    stream: str, fields: Mapping[str, Data], max_len: int | None, approximate: bool, ttl: float | None
) -> dict[str, Any]:
    options = {"max_len": max_len, "approximate": approximate, "ttl": millis("ttl", ttl)}
    return {"op": "log_append", "stream": stream, "fields": need_map("fields", fields), **options}


def _scored(members: Mapping[Any, float]) -> list[list[Any]]:
    if not isinstance(members, Mapping):
        text = f"members must be a map of members to scores, found {members!r}"
        raise InvalidError(text, {"argument": "members"})
    return [[member, score] for member, score in members.items()]


def _entries(rows: Sequence[Mapping[str, Any]]) -> list[LogEntry]:
    return [LogEntry(row["id"], row["fields"]) for row in rows]
