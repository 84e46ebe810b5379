"""Runs the conversation for real and proves every answer.

    python run.py [--times N] [--seed N] [--seconds S] [--kill [N]] [--freeze [N]] [--client [N]] ...

A server of its own, two processes `stargazer inference`, a client in Node, a speaker in Python; then the checker. Exits
with 0 only if every run was without a finding.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import audit
import log
import stargazer_core as sg
from check import check
from conversation import PLATFORM, Message, converse
from faults import FAULTS, Crew
from log import Answer, Asked, Receipt, Received
from processes import Failure, Processes
from screen import Bar, table

HERE = Path(__file__).parent
# Findings of a run that are shown.
SHOWN = 12


@dataclass
class Run:
    """One run and what came of it."""

    seed: int
    folder: Path
    server: str = ""
    faults: str = "-"
    in_work: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def row(self, number: int) -> dict[str, object]:
        """Its row of the table."""
        shown = ("messages", "channels", "users", "addressed", "owed", "answers", "doubles", "received")
        size = self.counts.get("bytes of files", 0) / 1e6
        return {
            "run": number,
            "seed": self.seed,
            **{name: self.counts.get(name, "?") for name in shown},
            "MB of files": size,
            "faults": self.faults,
            "in work": self.in_work,
            "seconds": self.seconds,
            "result": f"{len(self.troubles)} wrong" if self.troubles else "ok",
        }


async def perform(run: Run, options: argparse.Namespace, title: str) -> None:
    """Plays one conversation from beginning to end; what is wrong is in the run afterwards."""
    messages = converse(run.seed)
    start = time.monotonic()
    paths = {name: run.folder / f"{name}.jsonl" for name in ("replay", "received", "inbound", "outbound")}
    async with Processes(run.folder) as processes:
        url, run.server = await processes.server(*(["--appendonly"] if options.restart else []))
        async with sg.connect(url, role="standalone", platforms=[PLATFORM]) as bus:
            await audit.register(bus)
            await play(run, options, messages, url, bus, processes, Bar(title))
            await audit.collect(bus, run.folder)
            run.troubles += await audit.remains(bus)
    run.seconds = time.monotonic() - start
    for path in sorted(run.folder.glob("*.log")):
        if "panicked at" in path.read_text("utf-8", errors="replace"):
            run.troubles.append(f"{path.name} tells of a panic")

    report = check(
        log.read(paths["replay"], Receipt),
        log.read(paths["inbound"], Asked),
        log.read(paths["outbound"], Answer),
        log.read(paths["received"], Received),
    )
    run.counts = report.counts
    run.troubles += [str(finding) for finding in report.findings]
    if len(messages) != report.counts["messages"]:
        run.troubles.append(
            f"{len(messages)} messages were to be said, {report.counts['messages']} stood in the stream"
        )
    if report.counts["doubles"] and not run.in_work:
        run.troubles.append(f"{report.counts['doubles']} doubles, and nothing went wrong")


async def play(
    run: Run,
    options: argparse.Namespace,
    messages: list[Message],
    url: str,
    bus: sg.Bus,
    processes: Processes,
    bar: Bar,
) -> None:
    """Starts everybody, lets them talk until everything is said and done, and ends them."""
    replay, received = run.folder / "replay.jsonl", run.folder / "received.jsonl"
    faults = {name: getattr(options, name) for name in FAULTS}
    crew = Crew(processes, url, bus, received, faults, random.Random(run.seed))
    await crew.start()
    speaker = [sys.executable, str(HERE / "replay.py"), "--redis", url, "--log", str(replay)]
    await processes.start("replay", *speaker, "--seed", str(run.seed), "--seconds", str(options.seconds))
    speaking = asyncio.create_task(processes.end("replay"))

    lines = {replay: Lines(replay), received: Lines(received)}
    owed = sum(1 + len(message.attachments) for message in messages if message.is_addressed)
    deadline = time.monotonic() + options.timeout
    try:
        while not (speaking.done() and await finished(bus)):
            processes.check()
            published, answered = lines[replay].count() / len(messages), lines[received].count() / owed
            bar.show(published, answered, run.faults)
            await crew.strike(answered)
            if crew.done:
                run.faults, run.in_work = ", ".join(crew.done), crew.in_work
            if time.monotonic() > deadline:
                run.troubles.append(f"not done within {options.timeout:.0f} s")
                break
            await asyncio.sleep(0.1)
        if speaking.done():
            await speaking
    finally:
        bar.clear()
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError, Failure):
            await speaking
    await crew.thawed()
    for name in [*crew.names, "receive"]:
        try:
            await processes.stop(name)
        except Failure as failure:
            run.troubles.append(str(failure))


async def finished(bus: sg.Bus) -> bool:
    """Whether everything is done; a server that does not answer just now leaves that open."""
    try:
        return await audit.finished(bus)
    except (sg.UnavailableError, sg.TimeoutError):
        return False


class Lines:
    """Counts the lines of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._count = 0

    def count(self) -> int:
        """How many there are by now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            self._count += new.count(b"\n")
        return self._count


async def all_runs(options: argparse.Namespace) -> int:
    """Every run in turn, then the table."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    root = Path(tempfile.mkdtemp(prefix="stargazer-conversation-"))
    runs: list[Run] = []
    try:
        for number in range(options.times):
            run = Run(options.seed + number, root / str(number + 1))
            run.folder.mkdir()
            runs.append(run)
            try:
                await perform(run, options, f"run {number + 1} of {options.times}")
            except (Failure, sg.StargazerError, OSError, ValueError) as error:
                run.troubles.append(f"{type(error).__name__}: {error}")
            if run.troubles:
                tell(run, number + 1)
            else:
                shutil.rmtree(run.folder)
    finally:
        if any(run.folder.exists() for run in runs):
            print(f"the logs are in {root}", file=sys.stderr)
        else:
            shutil.rmtree(root)
    print(table([run.row(number) for number, run in enumerate(runs, 1)]))
    wrong = sum(bool(run.troubles) for run in runs)
    print(f"{len(runs) - wrong} of {len(runs)} runs without a finding, on {runs[-1].server}")
    return 1 if wrong else 0


def tell(run: Run, number: int) -> None:
    """What was wrong, on the error stream."""
    print(f"run {number} (seed {run.seed}):", file=sys.stderr)
    for trouble in run.troubles[:SHOWN]:
        print(f"  {trouble}", file=sys.stderr)
    if len(run.troubles) > SHOWN:
        print(f"  and {len(run.troubles) - SHOWN} more", file=sys.stderr)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="replay a conversation over Redis and prove every answer")
    for fault, says in FAULTS.items():
        parser.add_argument(f"--{fault}", type=int, nargs="?", const=1, default=0, metavar="N", help=says)
    parser.add_argument("--times", type=int, default=1, help="runs, each with the next seed (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (default: 1)")
    parser.add_argument("--seconds", type=float, default=8, help="how long the talking takes (default: 8)")
    parser.add_argument("--timeout", type=float, default=90, help="seconds after which a run has failed (default: 90)")
    options = parser.parse_args()
    try:
        return asyncio.run(all_runs(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("ended before its time; all processes are gone", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
