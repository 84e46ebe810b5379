"""What there is to see of a stream. Nothing here says 0 when it does not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stargazer_core import _native

__all__ = ["Entry", "Finding", "GroupInfo", "PendingInfo", "StreamInfo"]


class Shown:
    """Something that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return _table(self)


def _table(shown: object) -> str:
    # Half a megabyte of names of characters, which only a notebook needs.
    from html import escape

    if isinstance(shown, Shown):
        shown = vars(shown)
    if isinstance(shown, Mapping):
        rows = "".join(
            f"<tr><th>{escape(str(name))}</th><td>{_table(value)}</td></tr>" for name, value in shown.items()
        )
        return f"<table>{rows}</table>"
    if isinstance(shown, list | tuple):
        return "".join(_table(item) for item in shown)
    return escape("–" if shown is None else str(shown))


@dataclass(frozen=True)
class Finding(Shown):
    """The result of one check of a server."""

    #: What was looked at, a word that never changes: ``eviction``, ``persistence``, …
    check: str
    #: How it came out: ``ok``, ``unknown`` (the server does not let us look), ``warning`` or ``bad``.
    level: Literal["ok", "unknown", "warning", "bad"]
    #: What is there.
    found: str
    #: What to do; empty when all is well.
    advice: str


@dataclass(frozen=True)
class GroupInfo(Shown):
    """A group at a glance."""

    #: Its name.
    name: str
    #: Consumers.
    consumers: int
    #: Entries handed out and not finished.
    pending: int
    #: The last id handed out.
    last_delivered: str
    #: Entries not handed out yet; ``None`` when the server does not know.
    lag: int | None
    #: Under the retention ``capped``: seconds until its oldest unfinished entry is trimmed, at the present rate and no
    #: later; 0 when one is gone already. ``None`` when that is not known.
    time_to_loss: float | None


@dataclass(frozen=True)
class StreamInfo(Shown):
    """A stream at a glance."""

    #: Entries in it.
    length: int
    #: The last id it ever gave.
    last_id: str
    #: Its first entry.
    first_entry: str | None
    #: Its groups.
    groups: list[GroupInfo]


@dataclass(frozen=True)
class PendingInfo(Shown):
    """What a group has read and not finished."""

    #: How many entries.
    count: int
    #: The oldest.
    oldest: str | None
    #: The newest.
    newest: str | None
    #: How many each consumer holds.
    consumers: Mapping[str, int]


@dataclass(frozen=True)
class Entry(Shown):
    """An entry as it stands in a stream."""

    #: Its id.
    id: str
    #: Its fields as they came. The body is the msgpack in ``data``.
    fields: Mapping[str, bytes]

    @property
    def data(self) -> Any:
        """The body.

        Raises:
            MalformedError: there is none, or it is no body.
            TooLargeError: it is larger or deeper than the default limits.
        """
        return _native.decode(self.fields.get("data", b""))


def stream_info(row: dict[str, Any]) -> StreamInfo:
    """From the native row."""
    groups = [GroupInfo(**group) for group in row["groups"]]
    return StreamInfo(row["length"], row["last_id"], row["first_entry"], groups)
