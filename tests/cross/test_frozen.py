"""A process that stands still beyond its lease begins none of the handlers that it had taken deliveries for."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
import stargazer_core as sg
from harness.server import ROOT, Server

TAKEN = 8

PYTHON = """
import asyncio, os, signal, sys
import stargazer_core as sg

async def handle(n, delivery):
    print(n, flush=True)
    if n == 0:
        os.kill(os.getpid(), signal.SIGSTOP)

async def main():
    async with sg.connect(sys.argv[1]) as bus:
        async with bus.consume("work", "g", lease=2, sweep=0.5, concurrency=8) as consumer:
            await consumer.run(handle)

asyncio.run(main())
"""

NODE = """
import * as sg from '@stargazer/core';
const bus = await sg.connect(process.argv[1]);
await bus.consume('work', 'g', { leaseMs: 2000, sweepMs: 500, concurrency: 8 }).run((n) => {
  console.log(n);
  if (n === 0) process.kill(process.pid, 'SIGSTOP');
});
"""

PROGRAMS = {
    "python": [sys.executable, "-c", PYTHON],
    "node": ["node", "--input-type=module", "-e", NODE, "--"],
}


async def taken_over(bus: sg.Bus) -> None:
    """Handles what the frozen process holds."""
    async with bus.consume("work", "g", lease=2, sweep=0.5) as consumer:
        for _ in range(TAKEN):
            delivery = await consumer.next(timeout=20)
            assert delivery.redelivered
            await delivery.ack()


def start(program: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(program, cwd=ROOT / "tests/node", stdout=subprocess.PIPE, text=True)


async def stand_still(program: list[str], url: str) -> None:
    async with sg.connect(url) as bus:
        for n in range(TAKEN):
            await bus.publish("work", n)
        with await asyncio.to_thread(start, [*program, url]) as child:
            try:
                _, status = await asyncio.to_thread(os.waitpid, child.pid, os.WUNTRACED)
                assert os.WIFSTOPPED(status)
                await taken_over(bus)
                await bus.publish("work", 100)
                child.send_signal(signal.SIGCONT)
                assert child.stdout is not None
                lines = [await asyncio.to_thread(child.stdout.readline) for _ in range(2)]
                assert lines == ["0\n", "100\n"], "it began what had gone to another process"
            finally:
                child.kill()


@pytest.mark.parametrize("language", PROGRAMS)
def test_who_stood_still_begins_nothing_of_what_it_lost(language: str) -> None:
    with Server() as server:
        asyncio.run(asyncio.wait_for(stand_still(PROGRAMS[language], server.url), 60))
