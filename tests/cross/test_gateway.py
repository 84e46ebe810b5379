"""The gateway examples beside the worker examples, each in each language: a line goes in, its answer comes out."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from harness.server import ROOT, Server, built

LANGUAGES = ["python", "node", "rust"]


def program(of: str, language: str) -> list[str]:
    """An example."""
    return {
        "python": [sys.executable, f"examples/{of}/{of}.py"],
        "node": ["node", f"examples/{of}/{of}.mjs"],
        "rust": [str(built(f"examples/{of}"))],
    }[language]


@contextmanager
def running(command: Sequence[str], url: str) -> Iterator[subprocess.Popen[str]]:
    """An example that is ready, and is gone afterwards."""
    environment = {**os.environ, "REDIS_URL": url}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("worker_in", LANGUAGES)
@pytest.mark.parametrize("gateway_in", LANGUAGES)
def test_a_line_is_answered(server: Server, gateway_in: str, worker_in: str) -> None:
    with (
        running(program("worker", worker_in), server.url) as worker,
        running(program("gateway", gateway_in), server.url) as gateway,
    ):
        assert gateway.stdin is not None
        assert gateway.stdout is not None
        for text in ("hello", "wörld 🌟"):
            gateway.stdin.write(f"{text}\n")
            gateway.stdin.flush()
            assert gateway.stdout.readline() == f"{text.upper()}\n"
        # The end of the lines ends it, and so does a signal.
        if worker_in == gateway_in:
            gateway.send_signal(signal.SIGTERM)
        else:
            gateway.stdin.close()
        assert gateway.stdout.readline() == "stopped\n"
        assert gateway.wait(20) == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
