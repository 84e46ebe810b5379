"""What a platform looks like to the bus: the class that adapters derive from, and how the core calls them."""

from __future__ import annotations

import abc
import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from stargazer_core.errands import Errand
from stargazer_core.errors import InvalidError, RejectedError
from stargazer_core.part import Part
from stargazer_core.platform.intake import Intake
from stargazer_core.platform.messages import BotIdentity, Button, File, HistoricalMessage, SendContext, TurnEnd

__all__ = ["PlatformAdapter", "Post"]

_log = logging.getLogger("stargazer_core")

T = TypeVar("T")

#: What gives the id of what it sent, or nothing.
_SENDS = ("send", "send_file", "send_with_buttons")

#: What gives nothing, whatever it returns.
_SILENT = ("drain", "stop", "react", "typing", "presence", "turn_complete")


class PlatformAdapter(abc.ABC):
    """A chat network: takes its messages to the bus, and does on it what workers say.

    ``name``, ``is_running``, ``start``, ``stop``, ``send`` and ``is_channel_valid`` are yours; the others have an
    answer that says what the platform lacks. All run on the loop of the gateway. A gateway never runs two sends of one
    channel at the same time, and keeps their order; a send that takes too long is cancelled.

    What a call that sends raises says what became of it:

    * ``InvalidError``, ``MalformedError``, ``NotFoundError``, ``RejectedError``, ``TooLargeError``: it never will be
      sent; it goes to the dead letters.
    * ``UnavailableError``, ``FullError`` (such as for a rate limit), and any other of ours but those below: it was not
      sent, and is tried again.
    * ``TimeoutError``, ``InternalError``, ``RemoteError``, ``CancelledError``, ``ExpiredError``, and every exception
      that is none of ours: it may have been sent. It is tried again and says so (``context.may_be_repeat``), or not:
      ``on_unknown``.

    ``context={"stored": "no"}`` of an error overrules the last two ("not sent"), as ``"unknown"`` does ("may have
    been").
    """

    #: Name of the platform, which is also a part of its stream's name. Always the same.
    name: str

    @abc.abstractmethod
    async def is_running(self) -> bool:
        """Whether it is connected. A gateway looks every now and then, and starts an adapter again that says no."""

    @abc.abstractmethod
    async def start(self, intake: Intake) -> None:
        """Connects and begins to hand what it receives to ``intake``; returns once it is connected.

        Called again after ``stop``, when the adapter had failed. ``InvalidError``, ``AuthError``, ``NotFoundError``,
        ``ConflictError`` and ``RejectedError`` are for good; after anything else the start is tried again.
        """

    @abc.abstractmethod
    async def stop(self) -> None:
        """Ends the connection. Called after whatever happened; may be called twice. Sends may come until it returns."""

    @abc.abstractmethod
    async def send(self, channel_id: str, text: str, context: SendContext) -> str | None:
        """Says a text in a channel. Gives the id that the platform gave it, ``""`` or nothing when it gives none."""

    @abc.abstractmethod
    async def is_channel_valid(self, channel_id: str) -> bool:
        """Whether there is such a channel, and the bot may speak in it."""

    async def drain(self) -> None:  # noqa: B027 - may be left as it is
        """Takes no more messages, and waits for what its users still wait for; sends go on."""

    async def bot_identity(self) -> BotIdentity:
        """Who the bot is on the platform."""
        return BotIdentity(self.name)

    async def send_file(self, channel_id: str, file: File, context: SendContext) -> str | None:
        """Sends a file, with ``context.caption`` beside it. Gives the id as ``send`` does."""
        raise self._cannot("send files")

    async def send_with_buttons(
        self, channel_id: str, text: str, buttons: Sequence[Button], context: SendContext
    ) -> str | None:
        """Says a text with buttons below it. Gives the id as ``send`` does."""
        raise self._cannot("show buttons")

    async def react(self, channel_id: str, message_id: str, emoji: str, context: SendContext) -> None:
        """Reacts to a message."""
        raise self._cannot("react")

    async def typing(self, channel_id: str) -> None:  # noqa: B027 - may be left as it is
        """Shows that an answer is being written; nothing, on a platform that has no such sign. May be called again."""

    async def presence(self, status: str, emoji: str | None) -> None:  # noqa: B027 - may be left as it is
        """Shows a status of the bot; nothing, on a platform that has none. May be called again."""

    async def turn_complete(self, channel_id: str, end: TurnEnd) -> None:  # noqa: B027 - may be left as it is
        """Everything has been said for one message. Told behind everything that was said, to those who gave a nonce."""

    async def fetch_history(self, channel_id: str, limit: int) -> Sequence[HistoricalMessage]:
        """The last ``limit`` messages of a channel, oldest first; none where the platform keeps none."""
        raise self._cannot("tell the past of a channel")

    async def should_skip_channel_heartbeat(self, channel_id: str) -> bool:
        """Whether the bot never speaks unasked in this channel."""
        return False

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Any other call that a worker makes, by name."""
        raise self._cannot(f'answer the call "{method}"')

    def _cannot(self, what: str) -> RejectedError:
        return RejectedError(f"the platform {self.name} cannot {what}", {"platform": self.name})


class Post:
    """An adapter at its post: does what the core tells it, in the adapter's words."""

    __slots__ = ("_adapter", "_part")

    def __init__(self, adapter: PlatformAdapter) -> None:
        """For gateways only."""
        self._adapter = adapter
        self._part: Part | None = None

    def attach(self, part: Part) -> None:
        """Gives it the core's end, which the adapter's intakes go through."""
        self._part = part

    async def run(self, errand: Errand) -> Any:
        """Does one thing. The arguments are those of the method, in its order."""
        adapter, what, given = self._adapter, errand.what, errand.arguments
        errand.told = True
        if what == "start":
            intake = Intake._of(self._need_part(), adapter.name, given["start"])
            started: object = adapter.start(intake)
            if inspect.isawaitable(started):
                await started
            return None
        if "context" in given:
            given["context"] = SendContext(**given["context"])
        if what == "send_file":
            given["file"] = File(**given["file"])
        elif what == "send_with_buttons":
            given["buttons"] = [Button(**button) for button in given["buttons"]]
        elif what == "turn_complete":
            given["end"] = TurnEnd(**given["end"])
        answer = getattr(adapter, what)(*given.values())
        if inspect.isawaitable(answer):
            answer = await answer
        if what in _SILENT:
            return None
        if what in _SENDS:
            return self._id(what, answer)
        if what == "bot_identity":
            return self._need(what, answer, BotIdentity).to_map()
        if what == "fetch_history":
            if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | Mapping):
                self._need(what, answer, HistoricalMessage)
            return [self._need(what, message, HistoricalMessage).to_map() for message in answer]
        return answer

    def _need(self, what: str, given: object, kind: type[T]) -> T:
        if isinstance(given, kind):
            return given
        gives = f"a list of {kind.__name__}" if what == "fetch_history" else f"a {kind.__name__}"
        text = f"{what} of the platform {self._adapter.name} must give {gives}, found {type(given).__name__}"
        raise InvalidError(text, {"platform": self._adapter.name, "expected": gives, "found": type(given).__name__})

    def _id(self, what: str, answer: object) -> str | None:
        if answer is None or isinstance(answer, str):
            return answer
        # It was sent all the same.
        text = "%s of the platform %s gave no text as the id of what it sent: %r"
        _log.warning(text, what, self._adapter.name, answer)
        return None

    def _need_part(self) -> Part:
        assert self._part is not None, "an adapter is attached before the core knows of it"
        return self._part
