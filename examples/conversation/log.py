"""The four logs: what a line of each holds, and how lines are made from envelopes.

Files are logged as name, size and SHA-256, so that logs stay small and bytes are compared all the same; texts stand in
full. A log is a file with a line of JSON per record.
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import rules
from conversation import Message

# A file: its name and type, its size, its SHA-256.
Print = tuple[str, int, str]
Record = TypeVar("Record")
Log = list[Record]


def fingerprint(filename: str, mimetype: str, data: bytes) -> Print:
    """What is written down of a file."""
    return (f"{filename} ({mimetype})", len(data), hashlib.sha256(data).hexdigest())


@dataclasses.dataclass(frozen=True)
class Receipt:
    """A message as it was published, and the entry that the receipt names."""

    entry: str
    message_id: str
    trace_id: str
    channel_id: str
    user_id: str
    text: str
    reply_to: str | None
    reactions: str
    is_addressed: bool
    files: tuple[Print, ...]

    @cached_property
    def owed(self) -> list[rules.Owed]:
        """The answers that it gets if it is addressed."""
        return rules.owed(self.trace_id, len(self.files))


class Asked(Receipt):
    """A message as it stood in the inbound stream."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What stood in the outbound stream."""

    entry: str
    key: str
    trace_id: str
    channel_id: str
    reply_to: str
    type: str
    text: str
    file: Print | None

    @property
    def content(self) -> tuple[str, str, str, str, str, Print | None]:
        """What a double of it has in common with it."""
        return (self.channel_id, self.reply_to, self.trace_id, self.type, self.text, self.file)


@dataclasses.dataclass(frozen=True)
class Received(Answer):
    """What the client wrote down: an answer, whether it took it for a double, and whether it was handed out again."""

    double: bool
    redelivered: bool


def receipt(entry: str, message: Message) -> Receipt:
    """The line of a message that was published."""
    return Receipt(
        entry,
        message.message_id,
        message.trace_id,
        message.channel_id,
        message.user_id,
        message.content,
        message.reply_to,
        message.reactions,
        message.is_addressed,
        tuple(fingerprint(file.filename, file.mimetype, file.data) for file in message.attachments),
    )


def asked(entry: str, envelope: Mapping[str, Any]) -> Asked:
    """The line of an inbound envelope."""
    return Asked(
        entry,
        envelope["message_id"],
        envelope.get("trace_id") or "",
        envelope["channel_id"],
        envelope["user_id"],
        envelope["content"],
        envelope.get("reply_to"),
        envelope.get("reactions") or "",
        envelope.get("is_addressed", True),
        tuple(_file(file) for file in envelope.get("attachments") or ()),
    )


def answer(entry: str, envelope: Mapping[str, Any]) -> Answer:
    """The line of an outbound envelope."""
    return Answer(
        entry,
        envelope.get("message_key") or "",
        envelope.get("trace_id") or "",
        envelope.get("channel_id") or "",
        envelope.get("reply_to") or "",
        envelope["type"],
        envelope.get("text") or "",
        _file(envelope) if envelope["type"] == "file" else None,
    )


def _file(envelope: Mapping[str, Any]) -> Print:
    data = envelope["data"]
    content = data if isinstance(data, bytes) else base64.b64decode(data, validate=True)
    return fingerprint(envelope["filename"], envelope["mimetype"], content)


def line(record: Receipt | Answer) -> str:
    """A record as a line."""
    return json.dumps(dataclasses.asdict(record), ensure_ascii=True) + "\n"


def read(path: Path, kind: type[Record]) -> Log[Record]:
    """The records of a file in their order. A last line without an end is an error: everything here is synced."""
    records = []
    # Not `splitlines`, which also cuts at separators that may stand in a text.
    *lines, rest = path.read_text("utf-8").split("\n")
    if rest:
        raise ValueError(f"{path} ends in the middle of a line")
    for text in lines:
        fields = json.loads(text)
        if "files" in fields:
            fields["files"] = tuple(tuple(file) for file in fields["files"])
        if fields.get("file"):
            fields["file"] = tuple(fields["file"])
        records.append(kind(**fields))
    return records
