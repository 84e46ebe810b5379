"""What the Python programs share: the protocol with the harness, the clocks, the load, and the witness.

A program is run as ``peer.py URL CASE MESSAGES DEPTH ENVELOPES``. It prepares, prints ``ready``, waits for a line,
runs, and prints what it took as one line of JSON. ``peer.py versions`` tells what it runs on.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

STREAM, GROUP = "sg:stream:inbound", "sg:workers"
#: Messages that a reader takes at a time.
BATCH = 100

Envelope = dict[str, Any]


class Witness:
    """What a handler saw: each message once, and each channel in order."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.latest: dict[str, int] = {}
        self.disorder = 0

    def note(self, channel: str, message_id: str) -> None:
        number = int(message_id)
        self.seen.add(number)
        if number < self.latest.get(channel, -1):
            self.disorder += 1
        else:
            self.latest[channel] = number

    @property
    def handled(self) -> int:
        return len(self.seen)


class Run:
    """One run: what it was told, and its clocks."""

    def __init__(self, url: str, messages: int, depth: int, path: str) -> None:
        self.url, self.messages, self.depth, self.path = url, messages, depth, path
        self.latencies: list[float] = []

    @cached_property
    def envelopes(self) -> list[Envelope]:
        """What is sent; read when it is first needed, so that it is not in memory that is measured."""
        with open(self.path, encoding="utf-8") as file:
            read: list[Envelope] = json.load(file)
        return read

    def envelope(self, n: int) -> Envelope:
        return self.envelopes[n % len(self.envelopes)]

    def numbered(self, n: int) -> Envelope:
        """The envelope of message ``n`` for programs that fill a queue of their own."""
        return self.envelope(n) | {"message_id": f"{n:08}", "channel_id": f"c{n % len(self.envelopes)}"}

    def start(self) -> None:
        """Says that everything is prepared, and starts the clocks when told to."""
        print("ready", flush=True)
        sys.stdin.readline()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def tell(self, said: Mapping[str, float]) -> None:
        print(json.dumps(said), flush=True)

    def stop(self, handled: int, disorder: int = 0, *, elsewhere: float = 0.0) -> None:
        """Stops the clocks; ``elsewhere`` is CPU that another process of this program has used."""
        seconds, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu + elsewhere
        said: dict[str, float] = {"seconds": seconds, "cpu": cpu, "handled": handled, "disorder": disorder}
        if self.latencies:
            said["p50"] = sorted(self.latencies)[len(self.latencies) // 2] * 1e6
        self.tell(said)

    async def in_tasks(self, one: Callable[[int], Awaitable[object]]) -> None:
        """Does ``one`` for every message, ``depth`` at a time; alone, each is timed."""
        if self.depth == 1:
            for number in range(self.messages):
                began = time.perf_counter()
                await one(number)
                self.latencies.append(time.perf_counter() - began)
            return
        numbers = iter(range(self.messages))

        async def work() -> None:
            for number in numbers:
                await one(number)

        await asyncio.gather(*(work() for _ in range(self.depth)))

    async def publish(self, one: Callable[[int], Awaitable[object]]) -> None:
        """Measures a way to publish."""
        self.start()
        await self.in_tasks(one)
        self.stop(self.messages)

    async def ask(self, call: Callable[[int], Awaitable[object]]) -> None:
        """Measures a way to call; who answers is this program once more, as a process of its own."""
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, sys.argv[0], self.url, "serve", str(self.messages), str(self.depth), self.path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        if await server.stdout.readline() != b"ready\n":
            raise RuntimeError("the process that answers did not start")

        async def one(number: int) -> None:
            if (answer := await call(number)) != number:
                raise RuntimeError(f"{number} was answered with {answer!r}")

        await one(0)
        self.start()
        await self.in_tasks(one)
        server.stdin.write(b"stop\n")
        self.stop(self.messages, elsewhere=json.loads(await server.stdout.readline())["cpu"])
        if await server.wait():
            raise RuntimeError("the process that answers failed at its end")

    async def serve(self) -> None:
        """Answers until told to stop, then says what that took."""
        print("ready", flush=True)
        before = time.process_time()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print(json.dumps({"cpu": time.process_time() - before}), flush=True)


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(cases: Mapping[str, Callable[[Run], Awaitable[None]]], packages: list[str], *, uvloop: bool = False) -> None:
    """Runs the case that the command line names, on asyncio's own loop unless it is to be uvloop."""
    if sys.argv[1:] == ["versions"]:
        # Not in memory that is measured.
        import platform
        from importlib.metadata import version

        print(", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]))
        return
    url, case, messages, depth, path = sys.argv[1:]
    factory = None
    if uvloop:
        from uvloop import new_event_loop as factory
    with asyncio.Runner(loop_factory=factory) as runner:

        async def go() -> None:
            await cases[case](Run(url, int(messages), int(depth), path))

        runner.run(go())
