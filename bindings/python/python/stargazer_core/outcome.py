"""What becomes of a delivery."""

from dataclasses import dataclass
from typing import Literal

from stargazer_core.arguments import need_seconds
from stargazer_core.errors import InvalidError

__all__ = ["Outcome", "Reject"]


@dataclass(frozen=True)
class Outcome:
    """What a handler may return: made by :meth:`ack`, :meth:`retry`, :meth:`reject` and :meth:`release`."""

    #: Which of the four.
    kind: Literal["ack", "retry", "reject", "release"]
    #: Seconds until it is handed out again; by the back-off if not given. For ``retry``.
    after: float | None = None
    #: Text for people, kept in the dead letter. For ``reject`` and ``retry``.
    reason: str | None = None

    def __post_init__(self) -> None:
        """Refuses what is none of the four, with ``InvalidError``."""
        if self.kind not in ("ack", "retry", "reject", "release"):
            raise InvalidError(f"an outcome is ack, retry, reject or release, not {self.kind!r}", {"argument": "kind"})
        need_seconds("after", self.after)

    @classmethod
    def ack(cls) -> "Outcome":
        """Done. Returning nothing means the same."""
        return cls("ack")

    @classmethod
    def retry(cls, after: float | None = None, *, reason: str | None = None) -> "Outcome":
        """Again later, after this many seconds or by the back-off; its lane waits.

        Counts as an attempt; after the last one the entry goes to the dead letters. Raising means the same.
        """
        return cls("retry", after=after, reason=reason)

    @classmethod
    def reject(cls, reason: str) -> "Outcome":
        """To the dead letters. Raising :class:`Reject` means the same."""
        return cls("reject", reason=reason)

    @classmethod
    def release(cls) -> "Outcome":
        """Given back and handed out again, not counted as an attempt."""
        return cls("release")


class Reject(Exception):  # noqa: N818 - said by a handler, not an error of ours
    """Raised by a handler: the message goes to the dead letters with this reason, and is not tried again."""

    def __init__(self, reason: str = "rejected by the handler") -> None:
        """A reason for people."""
        super().__init__(reason)
        self.reason = reason
