"""The original's consumer and ours, under the same accidents, judged by the same checker.

    .venv/bin/python chaos/original/compare.py [--result docs/evidence/original.json]

Both get the same messages, written by this program as their producers would: the original's with its `MAXLEN ~`, ours
without, since ours refuses when it is full. The original's times are 20 times shorter than documented (claims after
3 s instead of 60), ours are those of the test profile (lease 2 s).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import redis
from history import (
    ACTOR_KILLED,
    DEAD_LETTER,
    DLQ,
    EFFECT_FOUND,
    FAULT_BEGIN,
    FAULT_END,
    GROUP,
    INBOUND,
    MEASURED,
    OUTBOUND,
    PUBLISH_CALL,
    PUBLISH_OK,
    Message,
    Pen,
    entry_of,
    fnv1a,
)

ROOT = Path(__file__).resolve().parents[2]
LANES, WORKERS = 40, 3
#: Numbers of `FaultKind`.
KILL, FREEZE, FLUSH, CLIENT_KILL, CAP = 1, 2, 26, 50, 33


def retry(what: Callable[[], Any]) -> Any:
    """A command of this program itself, however often its connection is cut."""
    while True:
        try:
            return what()
        except redis.ConnectionError:
            time.sleep(0.02)


@dataclass
class Stage:
    """One scenario with one subject."""

    subject: str
    folder: Path
    client: Any
    url: str
    cap: int | None
    pen: Pen
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    gateway: subprocess.Popen[bytes] | None = None
    next_actor: int = 1
    faults: int = 0
    deaths: int = 0

    def start(self, role: str = "worker") -> int:
        """Starts a process."""
        actor, self.next_actor = self.next_actor, self.next_actor + 1
        if self.subject == "original":
            script = Path(__file__).with_name("consumer.py")
            command = [sys.executable, str(script), "--url", self.url, "--folder", str(self.folder)]
        else:
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
            history = self.folder / f"{actor}.hist"
            command = [str(target / "debug/sg-chaos"), role, "--url", self.url, "--history", str(history)]
        with (self.folder / f"{actor}.err").open("wb") as says:
            process = subprocess.Popen([*command, "--actor", str(actor)], stdout=says, stderr=says)
        if role == "worker":
            self.workers[actor] = process
        else:
            self.gateway = process
        return actor

    def fault(self, kind: int, target: int = 0) -> int:
        """A fault begins."""
        self.faults += 1
        self.pen.write(FAULT_BEGIN, detail=kind, token=self.faults, extra=target)
        return self.faults

    def over(self, fault: int) -> None:
        """It is over."""
        self.pen.write(FAULT_END, token=fault)

    def publish(self, messages: list[Message], every: float) -> None:
        """Stores the messages, one after the other."""
        for message in messages:
            body = message.body()
            nature = {"overflow": 1, "retry": 2}.get(message.deed, 0)
            about: dict[str, Any] = {"message": message.number, "lane": message.lane, "body": fnv1a(body)}
            self.pen.write(PUBLISH_CALL, actor=100, extra=nature, **about)
            fields = {"data": body, "ts": "0", "trace_id": ""}
            entry = retry(partial(self.client.xadd, INBOUND, fields, maxlen=self.cap, approximate=True))
            self.pen.write(PUBLISH_OK, actor=100, detail=1, entry=entry_of(entry), **about)
            time.sleep(every)

    def watch(self) -> None:
        """Who died of what it handled is started again."""
        for actor, process in list(self.workers.items()):
            if process.poll() is not None:
                del self.workers[actor]
                self.pen.write(ACTOR_KILLED, actor=actor, detail=1)
                self.deaths += 1
                self.start()

    def drain(self, patience: float) -> int:
        """Waits until nothing is left; how much is."""
        deadline = time.monotonic() + patience
        while True:
            self.watch()
            left: int = retry(self.left)
            if left == 0 or time.monotonic() > deadline:
                return left
            time.sleep(0.1)

    def left(self) -> int:
        """Pending entries, and those not read, in all groups; 1 without a group."""
        left = 0
        for stream in (INBOUND, OUTBOUND) if self.gateway else (INBOUND,):
            try:
                groups = self.client.xinfo_groups(stream)
            except redis.ResponseError:
                return 1
            left += sum(int(group["pending"] + (group["lag"] or 0)) for group in groups) if groups else 1
        return left

    def end(self) -> None:
        """Stops everybody, and writes down what was found."""
        processes = [*self.workers.values(), *([self.gateway] if self.gateway else [])]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for actor, process in self.workers.items():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                self.pen.write(ACTOR_KILLED, actor=actor)
        if self.gateway:
            self.gateway.wait(15)
        for entry, fields in self.client.xrange(OUTBOUND) if self.subject == "original" else []:
            self.pen.write(EFFECT_FOUND, token=int(fields[b"run"]), entry=entry_of(entry))
        for _, fields in self.client.xrange(DLQ):
            message, place = Message.parse(fields[b"data"]), entry_of(fields[b"original_msg_id"])
            about: dict[str, Any] = {"message": message.number, "lane": message.lane, "entry": place}
            self.pen.write(DEAD_LETTER, body=fnv1a(fields[b"data"]), **about)


def plain(count: int, seed: int, slow: float = 0.0) -> list[Message]:
    """Messages that take some milliseconds each, and a few much longer."""
    dice = random.Random(seed)
    takes = [4500 if dice.random() < slow else dice.randrange(15) for _ in range(count)]
    return [Message(number, dice.randrange(LANES), millis) for number, millis in enumerate(takes)]


def quiet(stage: Stage) -> None:
    """Nothing goes wrong."""


def kills(stage: Stage) -> None:
    """Three workers are killed."""
    for _ in range(3):
        time.sleep(1)
        actor, process = next(iter(stage.workers.items()))
        fault = stage.fault(KILL, actor)
        process.kill()
        process.wait()
        del stage.workers[actor]
        stage.pen.write(ACTOR_KILLED, actor=actor)
        stage.over(fault)
        stage.start()


def freezes(stage: Stage) -> None:
    """A worker stands still for longer than claims take."""
    time.sleep(1)
    actor, process = next(iter(stage.workers.items()))
    fault = stage.fault(FREEZE, actor)
    process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    process.send_signal(signal.SIGCONT)
    stage.over(fault)


def flush(stage: Stage) -> None:
    """FLUSHALL."""
    time.sleep(2)
    fault = stage.fault(FLUSH)
    retry(stage.client.flushall)
    stage.over(fault)


def cuts(stage: Stage) -> None:
    """Every connection is cut, again and again."""
    time.sleep(1)
    fault = stage.fault(CLIENT_KILL)
    for _ in range(10):
        retry(lambda: stage.client.client_kill_filter(_type="normal", skipme=True))
        time.sleep(0.2)
    stage.over(fault)


@dataclass(frozen=True)
class Scenario:
    """An accident, the messages, and how long it may take until all is done."""

    name: str
    accident: Callable[[Stage], None]
    messages: list[Message]
    every: float = 0.004
    patience: float = 25
    #: Cap of the original's streams; 100,000 as documented.
    cap: int = 100_000
    #: Workers come when everything has been published.
    late: bool = False


def scenarios(seed: int) -> list[Scenario]:
    """All of them."""
    poison = plain(300, seed)
    poison[100] = Message(100, 5, 1, "overflow")
    return [
        Scenario("no fault", quiet, plain(1000, seed)),
        Scenario("kill -9 of three workers", kills, plain(1000, seed)),
        Scenario("a worker stopped for 6 s", freezes, plain(1000, seed, 0.01)),
        Scenario("handlers of 4.5 s", quiet, plain(600, seed, 0.02)),
        Scenario("3,000 behind a cap of 1,000", quiet, plain(3000, seed), 0.0, 25, 1000, True),
        Scenario("FLUSHALL", flush, plain(1000, seed)),
        Scenario("connections cut for 2 s", cuts, plain(1000, seed)),
        Scenario("a message that kills", quiet, poison),
    ]


def play(scenario: Scenario, subject: str, folder: Path, server: str) -> dict[str, Any]:
    """One scenario with one subject, and the verdict."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rules = {"dedupe_ms": 0, "poison_deaths": 4, "handler_timeout_ms": 8000 if subject == "ours" else 0}
    (folder / "rules.json").write_text(json.dumps(rules))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    redis_server = subprocess.Popen([server, *arguments], stdout=subprocess.DEVNULL)
    try:
        client: Any = redis.Redis(port=port)
        retry(client.ping)
        cap = scenario.cap if subject == "original" else None
        stage = Stage(subject, folder, client, f"redis://127.0.0.1:{port}", cap, Pen(folder, 0))
        if subject == "ours":
            stage.start("gateway")
        publisher = threading.Thread(target=stage.publish, args=(scenario.messages, scenario.every))
        if scenario.late:
            client.xgroup_create(INBOUND, GROUP, id="0", mkstream=True)
            publisher.start()
            publisher.join()
        for _ in range(WORKERS):
            stage.start()
        time.sleep(1)
        if not scenario.late:
            publisher.start()
        scenario.accident(stage)
        publisher.join()
        left = stage.drain(scenario.patience)
        stage.pen.write(MEASURED, detail=2, message=left)
        stage.end()
    finally:
        redis_server.terminate()
        redis_server.wait()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    verdict = subprocess.run(
        [target / "debug/sg-chaos", "check", "--json", folder], stdout=subprocess.PIPE, check=False
    )
    report = json.loads(verdict.stdout)
    found = {check: result["found"] for check, result in report["checks"].items() if result["found"]}
    excused = report["checks"]["C1"]["excused"]
    return {"found": found, "left": left, "deaths": stage.deaths, "excused": excused, "recovery": report["recovery"]}


def version(server: str) -> str:
    """What the server says it is."""
    return subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Plays everything, prints a table and keeps the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=os.environ.get("SG_TEST_SERVER", "redis-server"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path, default=ROOT / "target/chaos/original")
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    table: dict[str, dict[str, Any]] = {}
    for scenario in scenarios(options.seed):
        if options.only not in scenario.name:
            continue
        row = {}
        for subject in ("original", "ours"):
            row[subject] = play(scenario, subject, options.folder, options.server)
            print(f"{scenario.name:30} {subject:9} {row[subject]['found']} left {row[subject]['left']}", flush=True)
        table[scenario.name] = row
    if options.result:
        result = {"seed": options.seed, "server": version(options.server), "redis-py": redis.__version__}
        options.result.write_text(json.dumps({**result, "scenarios": table}, indent=1) + "\n")


main()
