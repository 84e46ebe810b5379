"""The worker examples: they answer, and stop on SIGTERM after what they have begun."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
import stargazer_core as sg
from harness.server import ROOT, Server, built

PROGRAMS = {
    "python": [sys.executable, "examples/worker/worker.py"],
    "node": ["node", "examples/worker/worker.mjs"],
    "rust": [str(built("examples/worker"))],
}


async def answered(url: str) -> str:
    """What comes back for a message."""
    async with sg.connect(url, role="gateway", platforms=["web"]) as bus:
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="hello"))
        async with bus.consume_outbound("web") as out:
            answer = await out.next(timeout=20)
            await answer.ack()
            return str(answer.data.text)


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_worker_answers_and_stops_when_told(language: str) -> None:
    with Server() as server:
        environment = {**os.environ, "REDIS_URL": server.url}
        worker = subprocess.Popen(PROGRAMS[language], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        with worker:
            try:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
                assert asyncio.run(answered(server.url)) == "HELLO"
                worker.send_signal(signal.SIGTERM)
                assert worker.stdout.readline() == "stopped\n"
                assert worker.wait(20) == 0
            finally:
                worker.kill()
