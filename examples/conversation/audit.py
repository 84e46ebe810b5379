"""The auditor: a group of its own on both streams, which reads what stands in them.

Under the retention `acked` an entry goes once every registered group has finished it. The auditor registers before
anything is published and reads when everything is over: so it sees every entry, whatever the others did, and afterwards
both streams must be empty.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import log
import stargazer_core as sg
from conversation import PLATFORM
from log import Answer, Asked

# No order: what stands in the streams is put in order by the ids of the entries.
READING: sg.ConsumerSettings = {"ordering": "none", "sweep": 0.5, "lease": 2}

# How long finished entries may stay: they go with a sweep.
PATIENCE = 5.0

# The names of streams and groups where nobody configured others.
INBOUND = "sg:stream:inbound"
OUTBOUND = f"sg:stream:outbound:{PLATFORM}"
DEAD_LETTERS = "sg:stream:dlq"
WORK = {INBOUND: "sg:workers", OUTBOUND: f"sg:gateway:{PLATFORM}"}

# What is shown of a dead letter.
FIELDS = ("original_stream", "original_msg_id", "reason", "error", "attempt", "consumer")


async def register(bus: sg.Bus) -> None:
    """Joins both streams. Whoever is to answer and to receive must be registered as well before the first publish."""

    async def nothing(body: Any, delivery: sg.Delivery[Any]) -> None:
        raise RuntimeError(f"{delivery.id} stood in {delivery.stream} before anything was published")

    async with (
        bus.consume_inbound(group="audit", **READING) as inbound,
        bus.consume_outbound(PLATFORM, group="audit", **READING) as outbound,
    ):
        await inbound.run(nothing, until_idle=True)
        await outbound.run(nothing, until_idle=True)


async def collect(bus: sg.Bus, folder: Path) -> None:
    """Reads both streams to their end, into a log each, and waits until they are empty."""
    async with (
        bus.consume_inbound(group="audit", **READING) as inbound,
        bus.consume_outbound(PLATFORM, group="audit", **READING) as outbound,
    ):
        (folder / "inbound.jsonl").write_text(await _lines(inbound, log.asked), "utf-8")
        (folder / "outbound.jsonl").write_text(await _lines(outbound, log.answer), "utf-8")
        deadline = time.monotonic() + PATIENCE
        while any([(await bus.stream_info(stream)).length for stream in WORK]):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)


async def _lines(consumer: sg.Consumer[Any], make: Callable[[str, Any], Asked | Answer]) -> str:
    lines: dict[tuple[int, ...], str] = {}

    async def note(body: Any, delivery: sg.Delivery[Any]) -> None:
        place = tuple(map(int, delivery.id.split("-")))
        lines[place] = log.line(make(delivery.id, body))

    await consumer.run(note, until_idle=True)
    return "".join(line for _, line in sorted(lines.items()))


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
