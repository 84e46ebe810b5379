"""Parts of the core behind one handle: calls go out by name, with plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stargazer_core import _native
from stargazer_core.arguments import need_seconds
from stargazer_core.errors import InvalidError
from stargazer_core.loop import ask

if TYPE_CHECKING:
    from stargazer_core.publisher import Publisher

__all__ = ["Part", "millis", "need_publisher", "open_part"]


class Part:
    """A part of the core. What it gives is plain, or rows that the caller turns into types."""

    __slots__ = ("native",)

    def __init__(self, native: _native.Part) -> None:
        """Over the core's end."""
        self.native: _native.Part = native

    async def call(self, call: str, **arguments: Any) -> Any:
        """A call by its name; what is ``None`` was not given."""
        return await ask(self.native.perform, call, arguments)

    def at_once(self, call: str, **arguments: Any) -> Any:
        """A call that waits for nothing."""
        return self.native.at_once(call, arguments)


def open_part(bus: Publisher, name: str, arguments: Mapping[str, Any] | None = None) -> Part:
    """A part that belongs to a bus."""
    return Part(need_publisher(bus).part(name, dict(arguments or {})))


def need_publisher(bus: Publisher) -> _native.Publisher:
    """What publishes to a bus."""
    publisher = getattr(bus, "_publisher", None)
    if not isinstance(publisher, _native.Publisher):
        text = f"bus must be a Bus or the bus of a delivery, found {type(bus).__name__}"
        raise InvalidError(text, {"argument": "bus"})
    return publisher


def millis(name: str, seconds: object) -> float | None:
    """Seconds as the core counts time here."""
    checked = need_seconds(name, seconds)
    return None if checked is None else checked * 1000.0
