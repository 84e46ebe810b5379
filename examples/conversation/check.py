"""The checker: whether everybody who was meant was answered, once, in order and without a changed byte.

``check`` is a pure function of four logs, so that it can be tested with logs that are wrong on purpose:

- ``replay``: what was published, a line per receipt, in the order of the receipts;
- ``inbound`` and ``outbound``: what stood in the two streams, as a group of its own read them;
- ``received``: what the client wrote down before it acknowledged.

An answer is known by its ``message_key``. A process that was killed may have published an answer and not yet said so;
then the message runs again and the answer stands in the stream twice, under one key. Such doubles are counted, not
held against anybody, as long as they are equal and begin where the lane was interrupted.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import rules
from log import Answer, Asked, Log, Receipt, Received


@dataclass(frozen=True)
class Finding:
    """Something that is wrong. ``kind`` is one of ``KINDS``."""

    kind: str
    where: str
    says: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.says}"


KINDS = {
    "lost": "something that was published or owed is not there",
    "doubled": "something is there twice that is no double of a crash",
    "swapped": "the order within a channel is not kept",
    "altered": "text, bytes or another member differ",
    "misdirected": "an answer went to another channel than its question",
    "uncalled": "an answer that nobody is owed",
}


@dataclass
class Report:
    """What the checker found, and how much it looked at."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, where: str, says: str) -> None:
        """Notes a finding."""
        assert kind in KINDS
        self.findings.append(Finding(kind, where, says))


def check(replay: Log[Receipt], inbound: Log[Asked], outbound: Log[Answer], received: Log[Received]) -> Report:
    """Compares the four logs with each other and with what the scripted model owes."""
    report = Report()
    _published(report, replay, inbound)
    _answered(report, inbound, outbound)
    _in_order(report, inbound, outbound)
    _received(report, outbound, received)
    addressed = [asked for asked in inbound if asked.is_addressed]
    first = {answer.key for answer in outbound}
    report.counts |= {
        "messages": len(inbound),
        "channels": len({asked.channel_id for asked in inbound}),
        "users": len({asked.user_id for asked in inbound}),
        "addressed": len(addressed),
        "owed": sum(len(asked.owed) for asked in addressed),
        "answers": len(first),
        "doubles": len(outbound) - len(first),
        "received": len(received),
        "bytes of files": sum(size for asked in addressed for _, size, _ in asked.files),
    }
    return report


def _published(report: Report, replay: Log[Receipt], inbound: Log[Asked]) -> None:
    """Each receipt stands for one entry with what was said, in the order in which its channel got them."""
    entries = {asked.entry: asked for asked in inbound}
    for receipt in replay:
        asked = entries.pop(receipt.entry, None)
        if asked is None:
            report.add("lost", receipt.message_id, f"has a receipt for {receipt.entry}, which is not in the stream")
            continue
        for name in (
            "message_id",
            "trace_id",
            "channel_id",
            "user_id",
            "text",
            "reply_to",
            "reactions",
            "is_addressed",
        ):
            if getattr(asked, name) != getattr(receipt, name):
                report.add("altered", receipt.message_id, f"{name} in the stream is not what was published")
        if asked.files != receipt.files:
            report.add("altered", receipt.message_id, "attachments in the stream are not what was published")
    for entry, asked in entries.items():
        report.add("doubled", asked.message_id, f"entry {entry} has no receipt")

    stood = _by_channel((asked.channel_id, asked.message_id) for asked in inbound)
    for channel, said in _by_channel((r.channel_id, r.message_id) for r in replay).items():
        present = set(stood[channel])
        _compare(report, channel, [m for m in said if m in present], stood[channel], "the inbound stream")


def _answered(report: Report, inbound: Log[Asked], outbound: Log[Answer]) -> None:
    """Each addressed message has exactly the answers that it is owed, in its channel, with its bytes."""
    questions = {asked.message_id: asked for asked in inbound}
    turns = {asked.trace_id: asked for asked in inbound}
    answers: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in outbound:
        # A file has no field for what it answers, only the trace of its turn.
        asked = turns.get(answer.trace_id) if answer.type == "file" else questions.get(answer.reply_to)
        if asked is None:
            what = answer.trace_id if answer.type == "file" else answer.reply_to
            report.add("uncalled", answer.entry, f"answers {what!r}, which nobody said")
            continue
        first = answers[asked.message_id].setdefault(answer.key, answer)
        if first is not answer and first.content != answer.content:
            report.add("altered", asked.message_id, f"{answer.entry} is a double of {first.entry} and differs from it")

    for asked in inbound:
        got = answers[asked.message_id]
        if not asked.is_addressed:
            for answer in got.values():
                report.add("uncalled", asked.message_id, f"is not addressed and got {answer.entry}")
            continue
        owed = {answer.key: answer for answer in asked.owed}
        for key in owed.keys() - got.keys():
            report.add("lost", asked.message_id, f"no answer {key}")
        for key in got.keys() - owed.keys():
            report.add("doubled", asked.message_id, f"{got[key].entry} is a further answer, {key}")
        for key in owed.keys() & got.keys():
            _fits(report, asked, owed[key], got[key])


def _fits(report: Report, asked: Asked, owed: rules.Owed, answer: Answer) -> None:
    if answer.channel_id != asked.channel_id:
        report.add("misdirected", asked.message_id, f"{answer.entry} is in {answer.channel_id}, not {asked.channel_id}")
    if answer.trace_id != asked.trace_id:
        report.add("altered", asked.message_id, f"{answer.entry} has another trace id")
    if owed.file is None:
        complaint = rules.complaint(asked.text, answer.text)
        if answer.type != "message":
            complaint = f"is a {answer.type}, not a message"
        if complaint:
            report.add("altered", asked.message_id, f"{answer.entry}: {complaint}")
    elif answer.type != "file" or answer.file != asked.files[owed.file]:
        report.add("altered", asked.message_id, f"{answer.entry} is not file {owed.file} of the message")


def _in_order(report: Report, inbound: Log[Asked], outbound: Log[Answer]) -> None:
    """The first answers of a channel stand in the order of the questions; what runs again, runs on from there."""
    turn: dict[str, tuple[str, int]] = {}
    due: dict[str, list[str]] = defaultdict(list)
    for asked in inbound:
        if asked.is_addressed:
            for owed in asked.owed:
                turn[owed.key] = (asked.channel_id, len(due[asked.channel_id]))
                due[asked.channel_id].append(owed.key)
    said = _by_channel((turn[answer.key][0], answer.key) for answer in outbound if answer.key in turn)
    for channel, keys in said.items():
        present = set(keys)
        expected = [key for key in due[channel] if key in present]
        if not _compare(report, channel, expected, list(dict.fromkeys(keys)), "the outbound stream"):
            continue
        # In order at first sight. Now the doubles: after each step back every answer comes again until new ground.
        at = {key: n for n, key in enumerate(expected)}
        for before, after in itertools.pairwise(keys):
            if at[after] > at[before] + 1:
                report.add("swapped", channel, f"the outbound stream goes on from {before} with {after}")


def _received(report: Report, outbound: Log[Answer], received: Log[Received]) -> None:
    """The client got every entry once, as it stood in the stream, and each channel in order."""
    entries = {answer.entry: answer for answer in outbound}
    lines: dict[str, list[Received]] = defaultdict(list)
    for line in received:
        lines[line.entry].append(line)
        if line.entry not in entries:
            report.add("uncalled", line.entry, "was received and never stood in the stream")
    known: set[str] = set()
    for line in received:
        if line.double != (line.key in known):
            report.add("doubled", line.entry, f"the client took {line.key} for {'a double' if line.double else 'new'}")
        known.add(line.key)
    for answer in outbound:
        got = lines[answer.entry]
        if not got:
            report.add("lost", answer.entry, f"{answer.key} was not received")
        for line in got:
            if line.channel_id != answer.channel_id:
                report.add("misdirected", answer.entry, f"was received in {line.channel_id}, not {answer.channel_id}")
            elif line.content != answer.content:
                report.add("altered", answer.entry, "was received with another content than in the stream")
        for line in got[1:]:
            if not line.redelivered:
                report.add("doubled", answer.entry, "was received again as if it were new")
    expected = _by_channel((answer.channel_id, answer.entry) for answer in outbound if lines[answer.entry])
    for channel, seen in _by_channel((line.channel_id, line.entry) for line in received).items():
        present = set(expected[channel])
        _compare(report, channel, expected[channel], [e for e in dict.fromkeys(seen) if e in present], "the client")


def _by_channel(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    channels: dict[str, list[str]] = defaultdict(list)
    for channel, what in pairs:
        channels[channel].append(what)
    return channels


def _compare(report: Report, channel: str, expected: list[str], seen: list[str], place: str) -> bool:
    """Notes the first of a channel that does not stand where it should; what is missing is told elsewhere."""
    there = set(seen)
    wanted = [what for what in expected if what in there]
    for want, got in zip(wanted, seen, strict=False):
        if want != got:
            report.add("swapped", channel, f"{place} has {got} where {want} comes first")
            return False
    return True
