"""Writes to a store that are carried out together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core.arguments import need_map
from stargazer_core.part import Part, millis
from stargazer_core.store_ops import Data, appended, keyed, scored

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Batch"]


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
        return self._add(keyed("exists", key, require=False))

    def require_member(self, key: str, member: Data) -> Self:
        """Has the batch carried out only if a set has a member."""
        return self._add(keyed("set_contains", key, member=member, require=True))

    def set(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set`."""
        return self._add(keyed("set", key, value=value, ttl=millis("ttl", ttl)))

    def set_if_absent(self, key: str, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_if_absent`."""
        return self._add(keyed("set_if_absent", key, value=value, ttl=millis("ttl", ttl)))

    def compare_and_set(self, key: str, expected: Data, value: Data, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.compare_and_set`."""
        return self._add(keyed("compare_and_set", key, expected=expected, value=value, ttl=millis("ttl", ttl)))

    def compare_and_delete(self, key: str, expected: Data) -> Self:
        """See :meth:`Store.compare_and_delete`."""
        return self._add(keyed("compare_and_delete", key, expected=expected))

    def increment(self, key: str, by: int = 1, *, ttl: float | None = None) -> Self:
        """See :meth:`Store.increment`."""
        return self._add(keyed("increment", key, by=by, ttl=millis("ttl", ttl)))

    def delete(self, *keys: str) -> Self:
        """See :meth:`Store.delete`."""
        return self._add({"op": "delete", "keys": list(keys)}) if keys else self

    def expire(self, key: str, ttl: float) -> Self:
        """See :meth:`Store.expire`."""
        return self._add(keyed("expire", key, ttl=millis("ttl", ttl)))

    def hash_set(self, key: str, fields: Mapping[str, Data], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.hash_set`."""
        return self._add(keyed("hash_set", key, fields=need_map("fields", fields), ttl=millis("ttl", ttl)))

    def hash_set_if_absent(self, key: str, field: str, value: Data) -> Self:
        """See :meth:`Store.hash_set_if_absent`."""
        return self._add(keyed("hash_set_if_absent", key, field=field, value=value))

    def hash_delete(self, key: str, *fields: str) -> Self:
        """See :meth:`Store.hash_delete`."""
        return self._add(keyed("hash_delete", key, fields=list(fields)))

    def hash_increment(self, key: str, field: str, by: int = 1) -> Self:
        """See :meth:`Store.hash_increment`."""
        return self._add(keyed("hash_increment", key, field=field, by=by))

    def set_add(self, key: str, *members: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.set_add`."""
        return self._add(keyed("set_add", key, members=list(members), ttl=millis("ttl", ttl)))

    def set_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.set_remove`."""
        return self._add(keyed("set_remove", key, members=list(members)))

    def sorted_add(self, key: str, members: Mapping[Any, float], *, ttl: float | None = None) -> Self:
        """See :meth:`Store.sorted_add`."""
        return self._add(keyed("sorted_add", key, members=scored(members), ttl=millis("ttl", ttl)))

    def sorted_remove(self, key: str, *members: Data) -> Self:
        """See :meth:`Store.sorted_remove`."""
        return self._add(keyed("sorted_remove", key, members=list(members)))

    def list_push(self, key: str, *values: Data, ttl: float | None = None) -> Self:
        """See :meth:`Store.list_push`."""
        return self._add(keyed("list_push", key, values=list(values), ttl=millis("ttl", ttl)))

    def list_trim(self, key: str, first: int, last: int) -> Self:
        """See :meth:`Store.list_trim`."""
        return self._add(keyed("list_trim", key, **{"from": first, "to": last}))

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
        return self._add(appended(stream, fields, max_len, approximate, ttl))

    def _add(self, op: dict[str, Any]) -> Self:
        self._ops.append(op)
        return self
