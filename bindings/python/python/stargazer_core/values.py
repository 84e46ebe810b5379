"""Values that a body may hold and that Python has no type for."""

from dataclasses import dataclass

__all__ = ["Ext"]


@dataclass(frozen=True)
class Ext:
    """A typed blob of somebody's own: MessagePack's extension types.

    Timestamps (tag -1) arrive as aware ``datetime`` and are written from them.
    """

    #: The type, -128 to 127; those below 0 belong to MessagePack.
    tag: int
    #: What it holds.
    data: bytes
