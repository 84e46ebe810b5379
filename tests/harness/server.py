"""A server of one's own, for tests in Python: the program ``sg-test-server`` behind a small class."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


def built(program: str) -> Path:
    """A program of the workspace, as ``make`` built it."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / program


class Server:
    """Runs from construction to ``close``; the server ends with this process at the latest."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [built("sg-test-server"), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self.about = self._answer()
        except RuntimeError:
            self.close()
            raise

    @property
    def url(self) -> str:
        """``redis://…``, the same over restarts."""
        return str(self.about["url"])

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self.about["port"])

    def kill(self) -> None:
        """``kill -9``: the server is gone when this returns."""
        self._tell("kill")

    def restart(self) -> None:
        """Starts it again on the same port and folder, killing it first where it runs."""
        self._tell("restart")

    def pause(self) -> None:
        """``SIGSTOP``: connections stay open and nothing answers."""
        self._tell("pause")

    def resume(self) -> None:
        """``SIGCONT``: goes on after a pause."""
        self._tell("continue")

    def close(self) -> None:
        """Ends the server."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        self.about = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"sg-test-server ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
