"""A worker of a run over a real server, in Python: the same command line, deeds and records as `sg-chaos worker`.

`chaos/README.md` describes all three. What is Python's own: `hold` keeps the interpreter's lock (GIL) all the
time, so that no Python of this process runs, and a handler that runs out of memory is killed, as the kernel would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import faulthandler
import itertools
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from struct import Struct
from typing import Any, NoReturn

import stargazer_core as sg

#: The library that this process is linked to, called without giving up the interpreter's lock.
LIBC = ctypes.PyDLL(None)
#: `prctl`: which signal this process gets when its parent ends.
PR_SET_PDEATHSIG = 1

#: As in `history/record.rs`.
LAYOUT = Struct("<QIBBHQIIQQQQ")
PUBLISH_CALL, PUBLISH_OK, PUBLISH_REFUSED, PUBLISH_UNKNOWN = 1, 2, 3, 4
HANDLER_START, HANDLER_END, HANDLER_CANCEL = 10, 11, 12
EFFECT_OK, EFFECT_STALE = 30, 31
ACTOR_START, ACTOR_END = 60, 61
NO_MESSAGE = (1 << 64) - 1

PROFILES: dict[str, dict[str, float]] = {
    "test": {"lease": 2.0, "sweep": 0.5, "handler_timeout": 8.0},
    "default": {"lease": 15.0, "sweep": 5.0, "handler_timeout": 30.0},
}
OUTCOMES = {"ack": 0, "retry": 1, "reject": 2, "release": 3}


@dataclass(frozen=True)
class Record:
    """What a record says besides its kind and time."""

    detail: int = 0
    attempt: int = 0
    message: int = NO_MESSAGE
    lane: int = 0
    extra: int = 0
    entry: tuple[int, int] = (0, 0)
    token: int = 0
    hash: int = 0


NOTHING = Record()


class Pen:
    """Writes the history: one write per record, nothing kept back."""

    def __init__(self, path: Path, actor: int) -> None:
        """Opens it, to be added to."""
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.actor = actor
        self.runs = itertools.count()

    def write(self, kind: int, record: Record = NOTHING) -> None:
        """Writes a record of now."""
        r = record
        fields = (r.detail, min(r.attempt, 0xFFFF), r.message, r.lane, r.extra, *r.entry, r.token, r.hash)
        data = LAYOUT.pack(time.monotonic_ns(), self.actor, kind, *fields)
        if os.write(self.file, data) != len(data):
            os.abort()

    def token(self) -> int:
        """One that no other run of a handler has."""
        return self.actor << 32 | next(self.runs)


@dataclass(frozen=True)
class Plan:
    """What a message asks of its handler."""

    number: int
    lane: int
    millis: int
    deed: str
    until: int

    @classmethod
    def parse(cls, text: str) -> Plan:
        """From the message's text: ``17 in 5 takes 120 ms do ack until 0 …``."""
        number, _in, lane, _takes, millis, _ms, _do, deed, _until, until, *_ = text.split(" ")
        return cls(int(number), int(lane), int(millis), deed, int(until))

    def deed_at(self, attempt: int, *, redelivered: bool) -> str:
        """What the handler does at this attempt."""
        over = attempt > self.until or (self.deed == "release" and redelivered)
        return "ack" if over else self.deed


class Worker:
    """Handles messages: does what their plan says, and answers through the delivery before it acknowledges."""

    def __init__(self, pen: Pen, options: argparse.Namespace) -> None:
        """With a history to write to."""
        self.pen = pen
        self.options = options
        self.ending = asyncio.Event()
        self.started = False

    async def handle(self, message: sg.Inbound, delivery: sg.Delivery[sg.Inbound]) -> sg.Outcome:
        """One message."""
        self.started = True
        plan = Plan.parse(message["content"])
        deed = plan.deed_at(delivery.attempt, redelivered=delivery.redelivered)
        run = Record(
            detail=int(delivery.redelivered),
            attempt=delivery.attempt,
            message=plan.number,
            lane=plan.lane,
            entry=pair(delivery.id),
            token=self.pen.token(),
            hash=fnv1a(delivery.raw),
        )
        self.pen.write(HANDLER_START, run)
        run = replace(run, detail=0)
        try:
            if deed == "hold":
                hold(plan.millis)
            else:
                await asyncio.sleep(plan.millis / 1000)
            outcome = await self.act(deed, plan, delivery, run)
        except asyncio.CancelledError:
            self.pen.write(HANDLER_CANCEL, run)
            raise
        self.pen.write(HANDLER_END, replace(run, detail=OUTCOMES[outcome.kind]))
        if deed == "panic":
            raise RuntimeError("the plan says so")
        return outcome

    async def act(self, deed: str, plan: Plan, delivery: sg.Delivery[sg.Inbound], run: Record) -> sg.Outcome:
        """The deed itself."""
        if deed in ("retry", "panic"):
            return sg.Outcome.retry()
        if deed == "reject":
            return sg.Outcome.reject("its plan says so")
        if deed == "release":
            return sg.Outcome.release()
        if deed == "hang":
            await asyncio.get_running_loop().create_future()
        if deed == "overflow":
            overflow()
        if deed == "memory":
            run_out_of_memory()
        return await self.answer(plan, delivery, run)

    async def answer(self, plan: Plan, delivery: sg.Delivery[sg.Inbound], run: Record) -> sg.Outcome:
        """Publishes the answer under the delivery's fence, always under the same message id."""
        number, lane = plan.number | 1 << 40, plan.lane | 1 << 24
        outbound = Record(message=number, lane=lane, token=run.token)
        self.pen.write(PUBLISH_CALL, outbound)
        answer = sg.message(f"l{plan.lane}", f"{number} in {lane} by {run.token}")
        try:
            receipt = await delivery.bus.publish_outbound("chaos", answer, message_id=f"e{plan.number}")
        except sg.StargazerError as error:
            refused = error.context.get("stored") == "no"
            self.pen.write(PUBLISH_REFUSED if refused else PUBLISH_UNKNOWN, outbound)
            if isinstance(error, sg.StaleError):
                self.pen.write(EFFECT_STALE, run)
            # The server's trouble is not the message's: the attempt does not count.
            return sg.Outcome.release()
        stored = replace(outbound, detail=1, extra=int(receipt.duplicate), entry=pair(receipt.id))
        self.pen.write(PUBLISH_OK, stored)
        self.pen.write(EFFECT_OK, replace(run, detail=int(receipt.duplicate)))
        return sg.Outcome.ack()

    async def play(self) -> None:
        """Connects, however long it takes, and works until told to end."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ending.set)
        bus = await self.connect()
        if bus is not None:
            async with bus:
                await self.work(bus)
        self.pen.write(ACTOR_END)

    async def connect(self) -> sg.Bus | None:
        """The bus; none when told to end before."""
        while not self.ending.is_set():
            try:
                return await sg.connect(self.options.url, publish_timeout=3.0)
            except sg.StargazerError as error:
                await self.wait_out(error)
        return None

    async def work(self, bus: sg.Bus) -> None:
        """Opens a consumer, however long it takes, and runs the handler."""
        settings: dict[str, Any] = {**PROFILES[self.options.profile], "ordering": self.options.ordering}
        settings |= {"name": f"actor{self.pen.actor}", "concurrency": self.options.concurrency}
        settings |= {"retry_base": 0.2, "retry_max": 2.0, "drain_timeout": 1.0}
        while not self.ending.is_set():
            consumer = bus.consume_inbound(**settings)
            closing = asyncio.create_task(self.close(consumer))
            try:
                await consumer.run(self.handle)
                await closing
            except sg.StargazerError as error:
                if self.started:
                    raise
                await self.wait_out(error)
            finally:
                closing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await closing

    async def close(self, consumer: sg.Consumer[sg.Inbound]) -> None:
        """Closes the consumer once told to end."""
        await self.ending.wait()
        await consumer.close()

    async def wait_out(self, error: sg.StargazerError) -> None:
        """Waits before the next try, if trouble of this kind ends when the fault does."""
        if not (error.retryable or isinstance(error, sg.AuthError)):
            raise error
        await asyncio.sleep(0.05)


def hold(millis: int) -> None:
    """Keeps the interpreter's lock; `time.sleep` would give it away."""
    LIBC.poll(None, ctypes.c_ulong(0), ctypes.c_int(millis))


def overflow() -> NoReturn:
    """A stack without end. Python itself stops its own recursion, so this is that of the C code below it."""
    faulthandler._stack_overflow()  # type: ignore[attr-defined]
    os.abort()


def run_out_of_memory() -> NoReturn:
    """Takes memory until it is refused, then ends as the kernel ends whoever takes too much."""
    hoard: list[bytearray] = []
    with contextlib.suppress(MemoryError):
        while True:
            hoard.append(bytearray(b"\1" * (64 << 20)))
    os.kill(os.getpid(), signal.SIGKILL)
    os.abort()


def pair(entry: str) -> tuple[int, int]:
    """Milliseconds and sequence number of an id."""
    ms, seq = entry.split("-")
    return int(ms), int(seq)


def fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & NO_MESSAGE
    return value


def options() -> argparse.Namespace:
    """What `sg-chaos` tells its workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("role", choices=["worker"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--history", required=True, type=Path)
    parser.add_argument("--actor", required=True, type=int)
    parser.add_argument("--profile", default="test", choices=PROFILES)
    parser.add_argument("--ordering", default="lanes")
    parser.add_argument("--concurrency", default=64, type=int)
    parser.add_argument("--memory", default=1024, type=int, metavar="MIB")
    return parser.parse_args()


def main() -> None:
    """Plays the part until told to end."""
    told = options()
    clock = time.get_clock_info("monotonic").implementation
    if "CLOCK_MONOTONIC" not in clock:
        sys.exit(f"the history needs the machine's monotonic clock, not {clock}")
    LIBC.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    resource.setrlimit(resource.RLIMIT_AS, (told.memory << 20, told.memory << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pen = Pen(told.history, told.actor)
    pen.write(ACTOR_START)

    async def play() -> None:
        await Worker(pen, told).play()

    asyncio.run(play())


if __name__ == "__main__":
    main()
