"""Notices: what happens to a consumer besides deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Notice", "NoticeKind"]

#: What happened, with the names of its details:
#:
#: * ``group_recreated`` (``from``, where it reads on; ``missing``, ``"group"``, or ``"stream"`` if that was gone as
#:   well): the group was gone and was made again
#: * ``vanished`` (``id``): a pending entry was deleted by somebody
#: * ``dead_lettered`` (``id``, ``reason``); ``many_dead_letters`` (``count``): they pile up
#: * ``session_lost`` (``identity``, ``why``): what it held runs elsewhere
#: * ``adopted`` (``identity``): the work of another consumer was taken over
#: * ``stale_outcome`` (``id``): an outcome was refused
#: * ``lock_lost`` (``lane``): somebody else may run the channel, too
#: * ``lease_expired``: nothing starts until the server can be reached
#: * ``handlers_cancelled``: running handlers were told to end
#: * ``foreign_consumer`` (``consumer``): somebody reads the group who is not registered in it
#: * ``gathered`` (``count``): entries that others had left were taken over
#: * ``trouble`` (``code``, ``error``): a call to the server failed, and none had before
#: * ``recovered``: every kind of call that failed has succeeded again
#: * ``missed`` (``count``): notices that were not read in time
NoticeKind = Literal[
    "group_recreated",
    "vanished",
    "dead_lettered",
    "many_dead_letters",
    "session_lost",
    "adopted",
    "stale_outcome",
    "lock_lost",
    "lease_expired",
    "handlers_cancelled",
    "foreign_consumer",
    "gathered",
    "trouble",
    "recovered",
    "missed",
]


@dataclass(frozen=True)
class Notice:
    """Something that happened: the same words in Rust, Python and Node."""

    #: What happened.
    kind: NoticeKind
    #: What it was about, by name; see :data:`NoticeKind`.
    details: Mapping[str, Any] = field(default_factory=dict)
