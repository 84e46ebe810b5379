"""Adapters by the name of their kind, as a configuration names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core.arguments import need_function, need_text
from stargazer_core.errors import ConflictError, InvalidError
from stargazer_core.platform.adapter import PlatformAdapter
from stargazer_core.platform.core_adapter import CoreAdapter
from stargazer_core.platform.redis import RedisPlatform

if TYPE_CHECKING:
    from stargazer_core.publisher import Publisher

__all__ = ["AdapterKinds", "MakeAdapter", "create"]

#: Makes an adapter from a bus and its settings. Does no I/O: that is what starting is for.
MakeAdapter = Callable[["Publisher", Mapping[str, Any]], PlatformAdapter | CoreAdapter]


class AdapterKinds:
    """The kinds of adapters that can be made by name: at first those in the box, ``redis``."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        """The kinds in the box."""
        self._kinds: dict[str, MakeAdapter] = {"redis": lambda bus, settings: RedisPlatform(bus, **settings)}

    def register(self, kind: str, make: MakeAdapter) -> None:
        """Adds a kind.

        Raises:
            ConflictError: there is one of that name.
            InvalidError: the name is empty.
        """
        if not isinstance(kind, str) or not kind:
            raise InvalidError("a kind of adapter must have a name", {"field": "kind"})
        if kind in self._kinds:
            text = f'there is a kind of adapter called "{kind}" already; choose another name'
            raise ConflictError(text, {"kind": kind})
        self._kinds[kind] = need_function("make", make)

    @property
    def names(self) -> list[str]:
        """The names, sorted."""
        return sorted(self._kinds)

    def create(self, kind: str, bus: Publisher, **settings: Any) -> PlatformAdapter | CoreAdapter:
        """Makes an adapter.

        Raises:
            InvalidError: the kind is not known; the known ones are listed. Else as its maker fails.
        """
        make = self._kinds.get(need_text("kind", kind))
        if make is None:
            text = f'there is no kind of adapter called "{kind}"; known are: {", ".join(self.names)}'
            raise InvalidError(text, {"field": "kind"})
        return make(bus, settings)


def create(kind: str, bus: Publisher, **settings: Any) -> PlatformAdapter | CoreAdapter:
    """Makes an adapter of one of the kinds in the box; :class:`AdapterKinds` takes others as well.

    Raises:
        InvalidError: the kind is not known; the known ones are listed.
    """
    return AdapterKinds().create(kind, bus, **settings)
