"""Processes that fork: the child is told at once that the bus is its parent's, and connects anew."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

import pytest

#: What each child does: the old bus says so, a new one works.
CHILD = """
import asyncio, sys, warnings
import stargazer_core as sg

# A loop of the parent's that is dropped here is none of ours.
warnings.simplefilter("ignore", ResourceWarning)
url, stream = sys.argv[1:3]

async def renewed():
    async with sg.connect(url) as bus:
        return (await bus.publish(stream, "from a child")).id

async def refused(bus):
    try:
        await bus.publish(stream, 1)
    except sg.ForkedError as error:
        return error.code

def child(n, bus=None, sync=None):
    assert bus is None or asyncio.run(refused(bus)) == "forked"
    if sync is not None:
        try:
            sync.publish(stream, 1)
        except sg.ForkedError:
            pass
        else:
            raise AssertionError("published with the parent's bus")
        with sg.SyncBus(url) as own:
            own.publish(stream, "waited for")
    return asyncio.run(renewed())

async def opened():
    bus = await sg.connect(url)
    await bus.publish(stream, "from the parent")
    return bus

async def ended(bus):
    await bus.publish(stream, "still here")
    await bus.close()
"""

MULTIPROCESSING = """
import multiprocessing

def work(queue, bus, sync):
    queue.put(child(0, bus, sync))

if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    bus, sync = loop.run_until_complete(opened()), sg.SyncBus(url)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=work, args=(queue, bus, sync)) for _ in range(3)]
    for process in children:
        process.start()
    assert all(queue.get(timeout=30) for _ in children)
    for process in children:
        process.join(30)
        assert process.exitcode == 0, process.exitcode
    loop.run_until_complete(ended(bus))
    sync.close()
    loop.close()
    print("fine")
"""

SPAWN = """
import multiprocessing

if __name__ == "__main__":
    bus = sg.SyncBus(url)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        assert all(pool.map(child, range(4)))
    bus.publish(stream, "still here")
    bus.close()
    print("fine")
"""

# As Celery does it: a pool of processes that are forked after the application was loaded, replaced after some tasks.
PREFORK = """
from billiard import get_context
from billiard.pool import Pool

shared = None

def task(n):
    return child(n, shared, None)

if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    shared = loop.run_until_complete(opened())
    pool = Pool(2, context=get_context("fork"), maxtasksperchild=3)
    assert all(pool.map(task, range(10)))
    pool.close()
    pool.join()
    loop.run_until_complete(ended(shared))
    loop.close()
    print("fine")
"""


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(CHILD + program))
        words = [sys.executable, str(file), *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=50, check=False)

    return run


@pytest.mark.parametrize("program", [MULTIPROCESSING, SPAWN, PREFORK], ids=["fork", "spawn", "prefork"])
def test_pools_of_processes_connect_anew(script: Any, url: str, names: dict[str, Any], program: str) -> None:
    done = script(program, url, names["inbound_stream"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


APPLICATION = """
import os, sys
import stargazer_core as sg

url, stream = os.environ["SG_TEST_URL"], os.environ["SG_TEST_STREAM"]
loaded_by = os.getpid()
before = sg.SyncBus(url)
before.publish(stream, "from the arbiter")
own = None

def application(environ, start_response):
    global own
    try:
        before.publish(stream, "from a worker, with the arbiter's bus")
        said = "published"
    except sg.ForkedError as error:
        said = error.code
    if own is None:
        own = sg.SyncBus(url)
    receipt = own.publish(stream, "from a worker")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{said} {bool(receipt.id)} {os.getpid() != loaded_by}".encode()]
"""


def test_gunicorn_preloads_an_application_with_a_bus(tmp_path: Path, url: str, names: dict[str, Any]) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    with socket.socket() as listening:
        # Bound and listening before it starts: the first request waits for it.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        words = [
            sys.executable,
            "-m",
            "gunicorn",
            "--preload",
            "--workers",
            "2",
            "--bind",
            f"fd://{listening.fileno()}",
        ]
        server = subprocess.Popen(
            [*words, "--graceful-timeout", "5", "--no-control-socket", "application:application"],
            cwd=tmp_path,
            env={**os.environ, "SG_TEST_URL": url, "SG_TEST_STREAM": names["inbound_stream"]},
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        for _ in range(6):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert answer.read() == b"forked True True"
        server.send_signal(signal.SIGTERM)
        log, _ = server.communicate(timeout=30)
    finally:
        server.kill()
        server.communicate()
    assert server.returncode == 0, log
    assert "Traceback" not in log
