"""The gateway examples beside the worker examples, each in each language: a line goes in, its answer comes out.

And a gateway in Python that is killed in the middle of a send, followed by one in each language.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import stargazer_core as sg
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


async def publish(url: str, *texts: str) -> None:
    async with sg.connect(url, role="gateway", platforms=["terminal"]) as bus:
        for text in texts:
            await bus.publish_outbound("terminal", sg.message("here", text))


@pytest.mark.parametrize("language", ["node", "rust"])
def test_a_killed_gateway_is_followed_by_one_that_is_told(language: str) -> None:
    """Killed between the mark ``started`` and the mark ``done``, with the text out."""
    with Server() as server:
        asyncio.run(publish(server.url, "first", "hold this", "last"))
        doomed = [sys.executable, "tests/python/gateway_process.py", server.url, "{}", "resend", "terminal"]
        with subprocess.Popen(doomed, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(3)]
            process.kill()
        assert said == ["sent here first False\n", "sent here hold this False\n", "holding hold this\n"]
        with running(program("gateway", language), server.url) as gateway:
            assert gateway.stdout is not None
            assert [gateway.stdout.readline() for _ in range(2)] == ["(again?) hold this\n", "last\n"]
