"""The conversation of ``examples/conversation`` and its checker: what is right passes, each wrong log is caught."""

import io
import re
import struct
import wave
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import log
import pytest
import rules
from check import KINDS, Report, check
from conversation import Message, converse
from log import Answer, Asked, Log, Receipt, Received


@pytest.fixture(scope="module")
def conversation() -> list[Message]:
    return converse(7)


@dataclass
class Logs:
    """The logs of a run in which everything went well, to be spoilt."""

    replay: Log[Receipt]
    inbound: Log[Asked]
    outbound: Log[Answer]
    received: Log[Received]

    def check(self) -> Report:
        return check(self.replay, self.inbound, self.outbound, self.received)

    def deliver(self) -> None:
        """The client gets what stands in the outbound stream now."""
        known: set[str] = set()
        self.received = []
        for answer in self.outbound:
            self.received.append(Received(**vars(answer), double=answer.key in known, redelivered=False))
            known.add(answer.key)

    def one(self, fits: Callable[[Answer], bool] = lambda _: True) -> int:
        """The place of an answer that fits, neither at the start nor at the end."""
        places = [n for n, answer in enumerate(self.outbound) if fits(answer)]
        return places[len(places) // 2]


def _said(asked: Receipt) -> str:
    if asked.text.startswith("echo "):
        return asked.text[5:]
    if asked.text.startswith("weather in "):
        return f"{asked.text[11:]}: 21 °C. You asked: {asked.text}"
    return f"You wrote: {asked.text}" + "." * (4096 if asked.text.startswith("long") else 0)


@pytest.fixture
def logs(conversation: list[Message]) -> Logs:
    replay = [log.receipt(f"{n + 1}-0", message) for n, message in enumerate(conversation)]
    inbound = [Asked(**{k: v for k, v in vars(receipt).items() if k != "owed"}) for receipt in replay]
    outbound: Log[Answer] = []
    for asked in inbound:
        for owed in asked.owed if asked.is_addressed else []:
            outbound.append(
                Answer(
                    entry=f"{len(outbound) + 1}-1",
                    key=owed.key,
                    trace_id=asked.trace_id,
                    channel_id=asked.channel_id,
                    reply_to=asked.message_id if owed.file is None else "",
                    type="message" if owed.file is None else "file",
                    text=_said(asked) if owed.file is None else "",
                    file=None if owed.file is None else asked.files[owed.file],
                )
            )
    logs = Logs(replay, inbound, outbound, [])
    logs.deliver()
    return logs


def test_a_good_log_passes(logs: Logs) -> None:
    report = logs.check()
    assert report.findings == []
    assert report.counts["messages"] >= 500
    assert report.counts["channels"] >= 20
    assert report.counts["users"] >= 50
    assert report.counts["doubles"] == 0
    assert 0 < report.counts["addressed"] < report.counts["messages"]


# The corrupted logs, each with the findings named before it was run.


def lose(logs: Logs) -> None:
    """One answer is not in the stream."""
    del logs.outbound[logs.one()]


def double(logs: Logs) -> None:
    """One answer is in the stream again under another key: the message was answered twice."""
    at = logs.one()
    answer = logs.outbound[at]
    logs.outbound.insert(at + 1, replace(answer, entry="9999-9", key=f"{answer.trace_id}:message:1"))


def swap(logs: Logs) -> None:
    """Two answers of a channel stand in each other's place."""
    at = logs.one()
    channel = logs.outbound[at].channel_id
    other = next(n for n in range(at + 1, len(logs.outbound)) if logs.outbound[n].channel_id == channel)
    first, second = logs.outbound[at], logs.outbound[other]
    logs.outbound[at], logs.outbound[other] = replace(second, entry=first.entry), replace(first, entry=second.entry)


def alter(logs: Logs) -> None:
    """One bit of a file that came back is another."""
    at = logs.one(lambda answer: answer.file is not None)
    name, size, _ = logs.outbound[at].file or ("", 0, "")
    logs.outbound[at] = replace(logs.outbound[at], file=log.fingerprint(name, "", b"\x01" * size))


def misdirect(logs: Logs) -> None:
    """One answer went to another channel."""
    at = logs.one()
    logs.outbound[at] = replace(logs.outbound[at], channel_id="room-elsewhere")


@pytest.mark.parametrize(
    ("corrupt", "kind"),
    [(lose, "lost"), (double, "doubled"), (swap, "swapped"), (alter, "altered"), (misdirect, "misdirected")],
)
def test_a_corrupted_stream_is_caught_by_name(logs: Logs, corrupt: Callable[[Logs], None], kind: str) -> None:
    corrupt(logs)
    logs.deliver()
    assert {finding.kind for finding in logs.check().findings} == {kind}


def lose_a_line(logs: Logs) -> None:
    del logs.received[100]


def double_a_line(logs: Logs) -> None:
    logs.received.insert(101, replace(logs.received[100], double=True))


def swap_lines(logs: Logs) -> None:
    channel = logs.received[100].channel_id
    other = next(n for n in range(101, len(logs.received)) if logs.received[n].channel_id == channel)
    logs.received[100], logs.received[other] = logs.received[other], logs.received[100]


def alter_a_line(logs: Logs) -> None:
    line = logs.received[100]
    logs.received[100] = replace(line, text=line.text + "\u200d")


def misdirect_a_line(logs: Logs) -> None:
    logs.received[100] = replace(logs.received[100], channel_id="room-00")


@pytest.mark.parametrize(
    ("corrupt", "kind"),
    [
        (lose_a_line, "lost"),
        (double_a_line, "doubled"),
        (swap_lines, "swapped"),
        (alter_a_line, "altered"),
        (misdirect_a_line, "misdirected"),
    ],
)
def test_a_corrupted_log_of_the_client_is_caught_by_name(
    logs: Logs, corrupt: Callable[[Logs], None], kind: str
) -> None:
    corrupt(logs)
    assert {finding.kind for finding in logs.check().findings} == {kind}


def test_doubles_of_a_crash_are_accepted_and_counted(logs: Logs) -> None:
    at = logs.one()
    channel = logs.outbound[at].channel_id
    lane = [answer for answer in logs.outbound[: at + 1] if answer.channel_id == channel][-3:]
    again = [replace(answer, entry=f"{at + 1}-{n + 2}") for n, answer in enumerate(lane)]
    logs.outbound[at + 1 : at + 1] = again
    logs.deliver()
    report = logs.check()
    assert report.findings == []
    assert report.counts["doubles"] == 3


def test_a_lane_that_runs_again_leaves_nothing_out(logs: Logs) -> None:
    at = logs.one()
    channel = logs.outbound[at].channel_id
    lane = [answer for answer in logs.outbound[: at + 1] if answer.channel_id == channel][-3:]
    del lane[1]
    logs.outbound[at + 1 : at + 1] = [replace(answer, entry=f"{at + 1}-{n + 2}") for n, answer in enumerate(lane)]
    logs.deliver()
    assert {finding.kind for finding in logs.check().findings} == {"swapped"}


def test_a_double_that_says_something_else_is_caught(logs: Logs) -> None:
    at = logs.one()
    answer = logs.outbound[at]
    logs.outbound.insert(at + 1, replace(answer, entry=f"{at + 1}-2", text=answer.text + "!"))
    logs.deliver()
    assert {finding.kind for finding in logs.check().findings} == {"altered"}


def test_an_answer_to_an_unaddressed_message_is_caught(logs: Logs) -> None:
    asked = next(asked for asked in logs.inbound if not asked.is_addressed)
    answer = replace(
        logs.outbound[-1],
        entry="9999-9",
        key=asked.owed[0].key,
        trace_id=asked.trace_id,
        channel_id=asked.channel_id,
        reply_to=asked.message_id,
    )
    logs.outbound.append(answer)
    logs.deliver()
    assert [(f.kind, f.where) for f in logs.check().findings] == [("uncalled", asked.message_id)]


def test_what_was_published_and_is_not_in_the_stream_is_lost(logs: Logs) -> None:
    logs.replay.append(replace(logs.replay[-1], entry="9999-9", message_id="msg-more"))
    assert [(f.kind, f.where) for f in logs.check().findings] == [("lost", "msg-more")]


def test_every_finding_is_of_a_kind_that_is_explained() -> None:
    with pytest.raises(AssertionError):
        Report().add("nonsense", "", "")
    assert all(KINDS.values())


def test_a_log_reads_as_it_was_written(logs: Logs, tmp_path: Path) -> None:
    for name, records in vars(logs).items():
        path = tmp_path / name
        path.write_text("".join(log.line(record) for record in records), "utf-8")
        assert log.read(path, type(records[0])) == records


def test_a_line_without_its_end_is_told(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "half"
    path.write_text(log.line(logs.replay[0]) + log.line(logs.replay[1])[:-10], "utf-8")
    with pytest.raises(ValueError, match="middle of a line"):
        log.read(path, Receipt)


# The conversation itself.


def test_the_same_seed_says_the_same(conversation: list[Message]) -> None:
    assert converse(7) == conversation
    assert converse(8) != conversation


def test_the_conversation_has_everything_that_is_hard(conversation: list[Message]) -> None:
    addressed = [message for message in conversation if message.is_addressed]
    said = [message.content for message in addressed]
    assert sum(len(text.encode()) >= 100_000 for text in said) >= 4
    assert "" in said
    assert "echo " in said
    for rule in ("echo ", "weather in ", "fail twice", "long"):
        assert sum(text.startswith(rule) for text in said) >= 3
    for marks in ("\u200d", "\u0301", "\x00", "\u202e", "ש", "ع", "日", "\U0001f469", "\r\n", "\u2028"):
        assert any(marks in text for text in said), ascii(marks)
    assert sum(message.reply_to is not None for message in conversation) >= 50
    assert sum(message.reactions != "" for message in conversation) >= 50
    types = {file.mimetype for message in addressed for file in message.attachments}
    assert types >= {"image/png", "audio/wav", "application/pdf"}
    sizes = [len(file.data) for message in addressed for file in message.attachments]
    assert min(sizes) == 0
    assert max(sizes) > 1 << 20
    assert any(len(message.attachments) == 3 for message in addressed)


def test_replies_answer_earlier_messages_of_their_channel(conversation: list[Message]) -> None:
    channel_of: dict[str, str] = {}
    for message in conversation:
        if message.reply_to is not None:
            assert channel_of[message.reply_to] == message.channel_id
        channel_of[message.message_id] = message.channel_id
    assert len(channel_of) == len(conversation)


def test_every_file_is_a_valid_one_of_its_type(conversation: list[Message]) -> None:
    read = {"image/png": _read_png, "audio/wav": _read_wav, "application/pdf": _read_pdf}
    for message in conversation:
        for file in message.attachments:
            if file.mimetype in read:
                read[file.mimetype](file.data)


def _read_png(data: bytes) -> None:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(name + body),)
        chunks[name] = body
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + 3 * width)


def _read_wav(data: bytes) -> None:
    with wave.open(io.BytesIO(data)) as file:
        assert file.getsampwidth() == 2
        assert file.getnframes() > 1000
        assert len(set(file.readframes(1000))) > 20


def _read_pdf(data: bytes) -> None:
    assert data.startswith(b"%PDF-1.4\n")
    end = re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)
    assert end is not None
    offsets = re.findall(rb"^(\d{10}) 00000 n $", data[int(end[1]) :], re.M)
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, 1):
        assert data[int(offset) :].startswith(b"%d 0 obj\n" % number)
    stream = re.search(rb"/Length (\d+) >>\nstream\n", data)
    assert stream is not None
    assert data[stream.end() + int(stream[1]) :].startswith(b"\nendstream")


# What the checker asks of a text.


@pytest.mark.parametrize(
    ("asked", "answer", "complaint"),
    [
        ("echo  a ", " a ", None),
        ("echo a", "a ", "an echo says something else"),
        ("hello", "You wrote: hello", None),
        ("hello", "You wrote: hallo", "the answer does not hold the text"),
        ("weather in 東京", "東京: 21 °C. You asked: weather in 東京", None),
        ("weather in 東京", "You asked: weather in 東京", "the answer lacks the result of the tool"),
        ("long", "long" + "x" * 4093, None),
        ("long", "long" + "x" * 4092, "a long answer is not over 4 kB"),
        ("", "You wrote nothing.", None),
        ("", "", "the answer to an empty text is empty"),
    ],
)
def test_the_text_of_an_answer_is_held_to_its_rule(asked: str, answer: str, complaint: str | None) -> None:
    assert rules.complaint(asked, answer) == complaint
