"""What can go wrong, as exceptions: one class for each kind of error.

A class tells what to do; the text is for people and may change. Every exception has

* ``code``: a word that never changes, the same in Rust, Python and Node,
* ``retryable``: whether the same call may succeed later without a change,
* ``context``: names and texts that say more, such as ``field``, ``stream`` or ``stored`` (``no`` or ``unknown``:
  whether a failed publish may have stored its entry all the same).
"""

import builtins
from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "BY_CODE",
    "ArgumentError",
    "AuthError",
    "CancelledError",
    "ClosedError",
    "ConflictError",
    "ExpiredError",
    "Failure",
    "ForkedError",
    "FullError",
    "InternalError",
    "InvalidError",
    "MalformedError",
    "NoWorkerError",
    "NotFoundError",
    "RejectedError",
    "RemoteError",
    "StaleError",
    "StargazerError",
    "TimeoutError",
    "TooLargeError",
    "UnavailableError",
]


class StargazerError(Exception):
    """Any error of stargazer."""

    #: The word for the kind; never changes.
    code: ClassVar[str]
    #: Whether the same call may succeed later without a change.
    retryable: ClassVar[bool] = False
    #: Names and texts that say more.
    context: Mapping[str, str]

    def __init__(self, message: str = "", context: Mapping[str, str] | None = None) -> None:
        """An error with a message that says what to do."""
        super().__init__(message)
        self.context = dict(context or {})

    def __str__(self) -> str:
        """The message, and the context behind it."""
        message = str(self.args[0]) if self.args else ""
        pairs = ", ".join(f"{key}={value}" for key, value in self.context.items())
        return f"{message} ({pairs})" if pairs else message


class InvalidError(StargazerError):
    """Fix the call or the configuration: an argument has the wrong type, shape or range."""

    code = "invalid"


class ArgumentError(InvalidError):
    """Fix the call: an argument has the wrong type. ``context`` has the ``argument``, and what was ``expected``."""

    def __init__(self, expected: str, found: str) -> None:
        """An error about an argument whose name is not known yet."""
        super().__init__(f"an argument must be {expected}, found {found}", {"expected": expected})
        self._found = found

    def name_it(self, name: str) -> None:
        """Says which argument it is."""
        self.context: Mapping[str, str] = {"argument": name, **self.context}
        self.args: tuple[object, ...] = (f"{name} must be {self.context['expected']}, found {self._found}",)

    def add_note(self, note: str) -> None:
        """Takes a note, and the name of the argument from that which the native side adds."""
        before, quote, name = note.partition("while processing '")
        if quote and not before:
            self.name_it(name.rstrip("'"))
        elif take := getattr(super(), "add_note", None):
            take(note)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as what it was made of."""
        return _argument_error, (self.context, self._found)


def _argument_error(context: Mapping[str, str], found: str) -> ArgumentError:
    error = ArgumentError(context["expected"], found)
    if "argument" in context:
        error.name_it(context["argument"])
    return error


class NotFoundError(StargazerError):
    """Create it first, or correct the name: the thing does not exist."""

    code = "not_found"


class ConflictError(StargazerError):
    """Somebody else holds it, or the group runs under other settings: join them or choose another name."""

    code = "conflict"


class UnavailableError(StargazerError):
    """Retry: the server cannot be reached, is starting, or is failing over."""

    code = "unavailable"
    retryable = True


class TimeoutError(StargazerError, builtins.TimeoutError):  # noqa: A001 - it is one
    """Retry, or widen the time limit: no answer came in time. Also a built-in ``TimeoutError``."""

    code = "timeout"
    retryable = True


class MalformedError(StargazerError):
    """Do not retry: the bytes are not an envelope we know."""

    code = "malformed"


class RejectedError(StargazerError):
    """Do not retry: the receiving side said no."""

    code = "rejected"


class ClosedError(StargazerError):
    """Open a new handle: this one is closed."""

    code = "closed"


class InternalError(StargazerError):
    """Report it: a bug in stargazer."""

    code = "internal"


class FullError(StargazerError):
    """Wait, or widen the cap: the stream holds as many unread entries as it may."""

    code = "full"
    retryable = True


class StaleError(StargazerError):
    """Stop: the work is no longer yours, another consumer has taken it over."""

    code = "stale"


class AuthError(StargazerError):
    """Correct user, password or access rights."""

    code = "auth"


class TooLargeError(StargazerError):
    """Send less, or widen the limit: the body is too large or nested too deeply."""

    code = "too_large"


class ForkedError(StargazerError):
    """Connect again in this process, or use the ``spawn`` start method: the bus was opened before a fork."""

    code = "forked"


class RemoteError(StargazerError):
    """Look at the remote error: the called function failed."""

    code = "remote"

    def __init__(
        self,
        message: str = "",
        context: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        writeback: Mapping[str, Any] | None = None,
    ) -> None:
        """An error as it came back."""
        super().__init__(message, context)
        #: What the handler told besides, by name.
        self.details: dict[str, Any] = dict(details or {})
        #: What is merged into the caller's context all the same.
        self.writeback: dict[str, Any] = dict(writeback or {})

    @property
    def remote_code(self) -> str:
        """How it failed: the handler's own word, else the name of the exception's class, or one of those of a
        server.
        """
        return self.context.get("remote_code", "")


class ExpiredError(StargazerError):
    """Call again if it is still wanted: the request's deadline passed before it ran."""

    code = "expired"


class CancelledError(StargazerError):
    """The call was cancelled by its caller. Not asyncio's exception of that name, which cancels a task."""

    code = "cancelled"


class NoWorkerError(StargazerError):
    """Start a worker: nobody serves this call."""

    code = "no_worker"
    retryable = True


class Failure(Exception):  # noqa: N818 - said by a handler, not an error of ours
    """Raised by what runs a call: the caller gets it as ``RemoteError`` with this code as its ``remote_code``."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        details: Mapping[str, Any] | None = None,
        writeback: Mapping[str, Any] | None = None,
    ) -> None:
        """A word for programs, a sentence for people, and more by name."""
        super().__init__(message)
        self.code = code
        self.details: dict[str, Any] = dict(details or {})
        self.writeback: dict[str, Any] = dict(writeback or {})


def exception(
    code: str, message: str, context: Mapping[str, str], more: tuple[dict[str, Any], dict[str, Any]] | None = None
) -> StargazerError:
    """The exception for what the core told."""
    if more is not None and code == RemoteError.code:
        return RemoteError(message, context, *more)
    return BY_CODE[code](message, context)


def told(error: BaseException) -> dict[str, Any]:
    """What the core is told of an exception: one of ours by its kind, any other by the name of its class."""
    text = str(error.args[0]) if isinstance(error, StargazerError) and error.args else _text(error)
    row: dict[str, Any] = {"code": type(error).__name__, "message": text.encode(errors="replace").decode()}
    if isinstance(error, Failure):
        row["code"] = error.code
    if isinstance(error, Failure | RemoteError):
        row.update(details=error.details, writeback=error.writeback)
    if isinstance(error, StargazerError):
        row["kind"] = error.code
        row["code"] = error.context.get("remote_code", error.code)
        row["context"] = {str(name): str(value) for name, value in error.context.items()}
    return row


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "its text cannot be read"


#: The class of every code.
BY_CODE: dict[str, type[StargazerError]] = {kind.code: kind for kind in StargazerError.__subclasses__()}
