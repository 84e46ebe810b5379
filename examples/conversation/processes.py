"""The processes of a run: each with a log of its own, all ended when the run ends, however it ends."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]

# How long a process may take to say its first line, and to end after it was asked to.
START = 20.0
END = 30.0


class Failure(Exception):  # noqa: N818 - an outcome of a process, not of a call
    """A process did not do what it should."""


def built(program: str) -> str:
    """A program of the workspace, as ``make`` built it."""
    return str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / program)


class Processes:
    """Started processes by name. Leaving ends those that still run, by their ids."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Process] = {}

    async def __aenter__(self) -> Self:
        # For the case that this process is told twice to end and has no time.
        atexit.register(self._kill)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        # The server last: what talks to it should end in peace.
        names = [name for name in self._running if name != "server"]
        await asyncio.gather(*(self.stop(name) for name in names), return_exceptions=True)
        await asyncio.gather(*(self.stop(name) for name in list(self._running)), return_exceptions=True)
        atexit.unregister(self._kill)

    async def start(self, name: str, *command: str) -> Process:
        """Starts a program; its errors go to a log of its name. Ctrl-C of a terminal does not reach it by itself."""
        with (self._folder / f"{name}.log").open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=file, cwd=ROOT, start_new_session=True
            )
        self._running[name] = process
        return process

    async def line(self, name: str) -> str:
        """The first line that a process says."""
        process = self._running[name]
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START)
        except TimeoutError:
            raise Failure(f"{name} said nothing within {START:.0f} s") from None
        if not line:
            raise Failure(f"{name} ended with {await process.wait()}; {self.last_words(name)}")
        return line.decode().strip()

    async def server(self, *options: str) -> tuple[str, str]:
        """Starts a server: its address, and what it is."""
        await self.start("server", built("sg-test-server"), *options)
        about = json.loads(await self.line("server"))
        return about["url"], f"{about['server']} {about['version']}"

    async def tell_server(self, word: str) -> None:
        """Has the server killed, restarted, paused or continued."""
        process = self._running["server"]
        assert process.stdin is not None
        process.stdin.write(f"{word}\n".encode())
        about = json.loads(await self.line("server"))
        if "error" in about:
            raise Failure(about["error"])

    async def kill(self, name: str) -> None:
        """``kill -9``: it is gone when this returns."""
        process = self._running.pop(name)
        _signal(process, signal.SIGKILL)
        await process.wait()

    def freeze(self, name: str) -> None:
        """``SIGSTOP``: it is there and does nothing."""
        _signal(self._running[name], signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """``SIGCONT``: it goes on as if no time had passed."""
        if name in self._running:
            _signal(self._running[name], signal.SIGCONT)

    async def stop(self, name: str) -> None:
        """Asks it to end and waits for that; it fails when it ends badly or not at all."""
        process = self._running.pop(name)
        if name == "server":
            assert process.stdin is not None
            process.stdin.close()
        else:
            _signal(process, signal.SIGTERM)
            # It may have been frozen.
            _signal(process, signal.SIGCONT)
        await self._end(name, process)

    async def end(self, name: str) -> None:
        """Waits until it has ended by itself."""
        await self._end(name, self._running.pop(name), patience=None)

    def check(self) -> None:
        """Fails when a process has ended that should run."""
        for name, process in self._running.items():
            if process.returncode is not None:
                raise Failure(f"{name} ended with {process.returncode}; {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The end of a log, for people."""
        lines = (self._folder / f"{name}.log").read_text("utf-8", errors="replace").splitlines()
        return "its log ends:\n    " + "\n    ".join(lines[-8:]) if lines else "its log is empty"

    async def _end(self, name: str, process: Process, patience: float | None = END) -> None:
        try:
            # Not only `wait`: a full pipe would keep it from ending.
            await asyncio.wait_for(process.communicate(), patience)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
            raise Failure(f"{name} did not end within {patience} s") from None
        except asyncio.CancelledError:
            self._running[name] = process
            raise
        if process.returncode:
            raise Failure(f"{name} ended with {process.returncode}; {self.last_words(name)}")

    def _kill(self) -> None:
        for name, process in self._running.items():
            # The server's keeper takes it down and cleans up behind it, as soon as we are gone.
            if name != "server":
                _signal(process, signal.SIGKILL)


def _signal(process: Process, what: signal.Signals) -> None:
    """Not the process's own way: that reaps what has just ended, and the event loop would wait for it in vain."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, what)
