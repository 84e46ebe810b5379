"""Histories as `sg-chaos check` reads them, and the messages that both subjects are given."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

import msgpack  # type: ignore[import-untyped]

#: As in `history/record.rs`.
LAYOUT = Struct("<QIBBHQIIQQQQ")
PUBLISH_CALL, PUBLISH_OK = 1, 2
HANDLER_START, HANDLER_END, HANDLER_CANCEL = 10, 11, 12
EFFECT_FOUND, DEAD_LETTER, VANISHED = 32, 40, 41
FAULT_BEGIN, FAULT_END = 50, 51
ACTOR_START, ACTOR_END, ACTOR_KILLED = 60, 61, 62
MEASURED = 70
NO_MESSAGE = (1 << 64) - 1

INBOUND, GROUP, DLQ = "sg:stream:inbound", "sg:workers", "sg:stream:dlq"
OUTBOUND = "sg:stream:outbound:chaos"


def fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & NO_MESSAGE
    return value


def entry_of(text: bytes | str) -> tuple[int, int]:
    """The two numbers of an entry's id."""
    ms, seq = (text.decode() if isinstance(text, bytes) else text).split("-")
    return int(ms), int(seq)


class Pen:
    """Writes one history: a `write` for each record."""

    def __init__(self, folder: Path, actor: int) -> None:
        """Opens the file of an actor."""
        self.file = os.open(folder / f"{actor}.hist", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.actor = actor

    def write(
        self,
        kind: int,
        *,
        actor: int | None = None,
        detail: int = 0,
        attempt: int = 0,
        message: int = NO_MESSAGE,
        lane: int = 0,
        extra: int = 0,
        entry: tuple[int, int] = (0, 0),
        token: int = 0,
        body: int = 0,
    ) -> None:
        """Writes a record of now."""
        who = self.actor if actor is None else actor
        now = time.monotonic_ns()
        os.write(self.file, LAYOUT.pack(now, who, kind, detail, attempt, message, lane, extra, *entry, token, body))


@dataclass(frozen=True)
class Message:
    """What a message asks of its handler; the words are those of `sg-chaos worker`."""

    number: int
    lane: int
    millis: int
    deed: str = "ack"

    def body(self) -> bytes:
        """The inbound envelope."""
        until = 0 if self.deed == "ack" else 1000
        text = f"{self.number} in {self.lane} takes {self.millis} ms do {self.deed} until {until} "
        envelope = {
            "channel_key": f"chaos:l{self.lane}",
            "platform": "chaos",
            "channel_id": f"l{self.lane}",
            "user_id": "someone",
            "username": "someone",
            "content": text,
            "message_id": f"m{self.number}",
            "timestamp": 1.0e9,
            "is_addressed": True,
        }
        data: bytes = msgpack.packb(envelope)
        return data

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Back from the body."""
        words = msgpack.unpackb(data)["content"].split(" ")
        return cls(int(words[0]), int(words[2]), int(words[4]), words[7])
