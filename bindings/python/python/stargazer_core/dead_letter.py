"""Dead letters: the entries that were given up, to look at, to put back, to throw away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from stargazer_core import _native
from stargazer_core.arguments import need_texts
from stargazer_core.errors import InvalidError, StargazerError, exception
from stargazer_core.loop import ask

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "DeadLetter",
    "DeadLetterPage",
    "DeadLetterSummary",
    "DeadLetters",
    "LetterFilter",
    "PastLife",
    "ReplayReport",
    "Replayed",
]


class LetterFilter(TypedDict, total=False):
    """Which letters are meant: those for which everything that is given holds."""

    #: Name of the stream that the entry came from.
    stream: str
    #: Code of the reason: ``rejected``, ``max_attempts``, ``crashed``, ``malformed`` …; ``unknown`` where none was.
    reason: str
    #: The entry's lane.
    lane: str
    #: The group that gave it up.
    group: str
    #: The consumer that gave it up: its name, or its identity with the random end.
    consumer: str
    #: A text in the error, in any case.
    text: str
    #: The entry's message id.
    message_id: str
    #: The entry's trace id.
    trace_id: str
    #: Given up at this time or later: epoch seconds, or a ``datetime``.
    since: float | datetime
    #: Given up before this time.
    until: float | datetime
    #: Started at least this often.
    min_attempts: int
    #: Only those that can be put back, or only those that cannot.
    replayable: bool


@dataclass(frozen=True)
class PastLife:
    """One life of an entry, up to being put back. Times are epoch seconds, 0 for unknown."""

    #: Stream it stood in.
    stream: str
    #: Id it had there.
    entry: str
    #: Group that gave it up.
    group: str
    #: Identity that gave it up.
    consumer: str
    #: Code of the reason.
    reason: str
    #: Text of the last error.
    error: str
    #: How often it was started.
    attempts: int
    #: When it was stored.
    first_at: float
    #: When it was given up.
    dead_at: float
    #: When it was put back.
    replayed_at: float


@dataclass(frozen=True)
class DeadLetter:
    """An entry that was given up. Times are epoch seconds, 0 for unknown."""

    #: Its id among the dead letters.
    id: str
    #: Stream it came from.
    stream: str
    #: Id it had there.
    entry: str
    #: Group that gave it up.
    group: str
    #: Identity that gave it up.
    consumer: str
    #: Code of the reason; ``unknown`` where none was given.
    reason: str
    #: Text of the last error.
    error: str
    #: How often it was started.
    attempts: int
    #: When it was stored.
    first_at: float
    #: When it was given up.
    dead_at: float
    #: Its lane.
    lane: str | None
    #: The message id it was published under.
    message_id: str | None
    #: The trace id, ``""`` for none.
    trace_id: str
    #: W3C ``traceparent``.
    traceparent: str | None
    #: The msgpack bytes of the body; empty in a list when the body is a big one, see :meth:`DeadLetters.get`.
    raw: bytes
    #: How many bytes the body has.
    body_bytes: int
    #: How often it was put back before.
    replays: int
    #: What it went through before, oldest first.
    history: list[PastLife]
    #: Why it cannot be put back, if so.
    problem: str | None

    @property
    def data(self) -> Any:
        """The body.

        Raises:
            MalformedError: it is no body; perhaps that is why it is here.
        """
        return _native.decode(self.raw)


@dataclass(frozen=True)
class DeadLetterPage:
    """Some letters."""

    #: The letters. A page may be short, or empty, although more follow: a call looks at so many letters only.
    letters: list[DeadLetter]
    #: Where the next page begins; ``None`` at the end.
    cursor: str | None


@dataclass(frozen=True)
class DeadLetterSummary:
    """Dead letters at a glance. Times are epoch seconds."""

    #: How many there are in all.
    count: int
    #: How many of those looked at match the filter.
    matching: int
    #: Whether all of them were looked at; if not, the newest are counted.
    complete: bool
    #: When the oldest match was given up.
    oldest: float | None
    #: When the newest match was given up.
    newest: float | None
    #: Matches by reason.
    reasons: Mapping[str, int]
    #: Matches by the stream they came from.
    streams: Mapping[str, int]
    #: Matches that cannot be put back.
    problems: int
    #: Whether there are so many that somebody should act: they are kept until then.
    many: bool


@dataclass(frozen=True)
class Replayed:
    """A letter that was put back."""

    #: The letter.
    letter: str
    #: The stream it stands in again; ``None`` when an earlier call had put it back.
    stream: str | None
    #: Its id there; ``None`` in a dry run.
    id: str | None


@dataclass(frozen=True)
class ReplayReport:
    """What a call put back."""

    #: Letters that were put back (in a dry run: that would be), in their order.
    replayed: list[Replayed]
    #: Letters that were not, with the error that says why. They are kept.
    failed: list[tuple[str, StargazerError]]
    #: Whether letters that are meant may be left besides those that failed.
    more: bool


class DeadLetters:
    """The dead letters in one stream. Made by :meth:`Bus.dead_letters`."""

    __slots__ = ("_native", "_stream")

    def __init__(self, native: _native.Bus, stream: str | None) -> None:
        """For buses only."""
        self._native = native
        self._stream = stream

    async def inspect(self, **which: Unpack[LetterFilter]) -> DeadLetterSummary:
        """How many there are, since when, and why."""
        row = await self._ask("inspect", _plain(which))
        return DeadLetterSummary(**{**row, "oldest": _seconds(row["oldest"]), "newest": _seconds(row["newest"])})

    async def list(
        self,
        *,
        oldest_first: bool = False,
        limit: int = 100,
        cursor: str | None = None,
        **which: Unpack[LetterFilter],
    ) -> DeadLetterPage:
        """A page of letters, the newest first, without their big bodies; ``cursor`` is that of the page before.

        Raises:
            InvalidError: an argument is wrong; ``limit`` is 1 to 1000.
        """
        page = {"oldest_first": oldest_first, "limit": limit, "cursor": cursor}
        row = await self._ask("list", {**_plain(which), **page})
        return DeadLetterPage([_letter(letter) for letter in row["letters"]], row["cursor"])

    async def get(self, letter: str) -> DeadLetter:
        """One letter by its id, with its whole body.

        Raises:
            NotFoundError: there is none.
        """
        return _letter(await self._ask("get", {"id": letter}))

    async def replay(
        self,
        ids: Iterable[str] | None = None,
        *,
        all: bool = False,  # noqa: A002 - the word for it
        dry_run: bool = False,
        limit: int | None = None,
        rate: float | None = None,
        **which: Unpack[LetterFilter],
    ) -> ReplayReport:
        """Puts letters back into the streams they came from, under their message ids and with their history.

        Which: ``ids``, or a filter, or ``all``. By filter the oldest come first, at most ``limit`` (100), at most
        ``rate`` a second. A letter that cannot be put back is kept and stands in the report; at a full stream the call
        ends. Repeating a call stores nothing twice.

        Raises:
            InvalidError: an argument is wrong, or neither ids nor a filter nor ``all`` was given.
        """
        how = {"all": all, "dry_run": dry_run, "limit": limit, "rate": rate, "ids": _ids(ids)}
        row = await self._ask("replay", {**_plain(which), **how})
        failed = [(one["letter"], exception(one["code"], one["message"], one["context"])) for one in row["failed"]]
        return ReplayReport([Replayed(**one) for one in row["replayed"]], failed, row["more"])

    async def discard(
        self, ids: Iterable[str] | None = None, *, count: int | None = None, **which: Unpack[LetterFilter]
    ) -> Sequence[DeadLetter]:
        """Throws letters away, and gives what was removed.

        Which: ``ids``, or a filter together with the ``count`` of letters that it must mean.

        Raises:
            ConflictError: the filter means another number of letters; nothing was removed.
            InvalidError: an argument is wrong.
        """
        row = await self._ask("discard", {**_plain(which), "ids": _ids(ids), "count": count})
        return [_letter(letter) for letter in row]

    async def _ask(self, call: str, arguments: dict[str, Any]) -> Any:
        return await ask(self._native.dead_letters, self._stream, call, arguments)


def _plain(which: LetterFilter) -> dict[str, Any]:
    plain: dict[str, Any] = dict(which)
    for name in ("since", "until"):
        if name in plain:
            plain[name] = _millis(name, plain[name])
    return plain


def _millis(name: str, time: object) -> int:
    if isinstance(time, datetime):
        time = time.timestamp()
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time < 1e12:
        text = f"{name} must be epoch seconds or a datetime, found {time!r}"
        raise InvalidError(text, {"field": name, "expected": "epoch seconds or a datetime"})
    return int(time * 1000)


def _ids(ids: Iterable[str] | None) -> list[str] | None:
    return None if ids is None else need_texts("ids", ids)


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000


def _letter(row: dict[str, Any]) -> DeadLetter:
    row["raw"] = row.pop("data")
    times = {name: row[name] / 1000 for name in ("first_at", "dead_at")}
    history = [
        PastLife(**{**past, **{name: past[name] / 1000 for name in ("first_at", "dead_at", "replayed_at")}})
        for past in row["history"]
    ]
    return DeadLetter(**{**row, **times, "history": history})
