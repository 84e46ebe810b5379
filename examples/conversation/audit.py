"""The auditor: a group of its own on both streams, which reads what stands in them.

Under the retention `acked` an entry goes once every registered group has finished it. The auditor registers before
anything is published and reads when everything is over: so it sees every entry, whatever the others did, and afterwards
both streams must be empty.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import log
import stargazer_core as sg
from conversation import PLATFORM
from log import Answer, Asked

GROUP = "audit"

# The names of streams and groups where nobody configured others.
INBOUND = "sg:stream:inbound"
OUTBOUND = f"sg:stream:outbound:{PLATFORM}"
DEAD_LETTERS = "sg:stream:dlq"
WORK = {INBOUND: "sg:workers", OUTBOUND: f"sg:gateway:{PLATFORM}"}


async def register(bus: sg.Bus) -> None:
    """Joins both streams. Whoever is to answer and to receive must be registered as well before the first publish."""

    async def nothing(body: Any, delivery: sg.Delivery[Any]) -> None:
        raise RuntimeError(f"{delivery.id} stood in {delivery.stream} before anything was published")

    for consumer in _consumers(bus):
        async with consumer:
            await consumer.run(nothing, until_idle=True)


async def collect(bus: sg.Bus, folder: Path) -> list[Path]:
    """Reads both streams to their end, into a log each."""
    paths = [folder / "inbound.jsonl", folder / "outbound.jsonl"]
    makers: list[Callable[[str, Any], Asked | Answer]] = [log.asked, log.answer]
    for consumer, make, path in zip(_consumers(bus), makers, paths, strict=True):
        lines: dict[tuple[int, ...], str] = {}

        async def write(body: Any, delivery: sg.Delivery[Any], make: Any = make, lines: Any = lines) -> None:
            place = tuple(map(int, delivery.id.split("-")))
            lines[place] = log.line(make(delivery.id, body))

        async with consumer:
            await consumer.run(write, until_idle=True)
        path.write_text("".join(line for _, line in sorted(lines.items())), "utf-8")
    return paths


async def finished(bus: sg.Bus) -> bool:
    """Whether workers and gateway have done everything that stands in their streams by now, in that order."""
    for stream, name in WORK.items():
        info = await bus.stream_info(stream)
        group = next(group for group in info.groups if group.name == name)
        if group.pending > 0 or group.last_delivered != info.last_id:
            return False
    return True


async def remains(bus: sg.Bus) -> list[str]:
    """What should not be there once the auditor has read: entries in the streams, dead letters."""
    left = []
    for stream in WORK:
        info = await bus.stream_info(stream)
        if info.length:
            groups = ", ".join(f"{group.name} has {group.pending} pending" for group in info.groups)
            left.append(f"{stream} holds {info.length} entries that everybody has finished ({groups})")
    try:
        letters = await bus.entries(DEAD_LETTERS, count=20)
    except sg.NotFoundError:
        letters = []
    for letter in letters:
        fields = {name: letter.fields.get(name, b"").decode(errors="replace") for name in FIELDS}
        left.append("dead letter: " + ", ".join(f"{name} {value}" for name, value in fields.items()))
    return left


FIELDS = ("original_stream", "original_msg_id", "reason", "error", "attempt", "consumer")


def _consumers(bus: sg.Bus) -> tuple[sg.Consumer[sg.Inbound], sg.Consumer[sg.Outbound]]:
    return (
        bus.consume_inbound(group=GROUP, ordering="none"),
        bus.consume_outbound(PLATFORM, group=GROUP, ordering="none"),
    )
