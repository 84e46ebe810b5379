"""The life of a process: fork, the interpreter's end, signals."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest


def run(program: str, *arguments: str, seconds: float = 20) -> subprocess.CompletedProcess[str]:
    """Runs a program of its own, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


FORK = """
    import asyncio, os, sys, warnings
    import stargazer_core as sg

    url, stream = sys.argv[1:]

    async def inside(old, delivery, consumer):
        for call in (
            lambda: old.publish(stream, 1),
            lambda: consumer.next(),
            lambda: old.close(),
            lambda: old.stream_info(stream),
        ):
            try:
                await call()
            except sg.ForkedError as error:
                assert error.code == "forked"
            else:
                return 11
        try:
            delivery.ack()
        except sg.ForkedError:
            pass
        else:
            return 12
        async with sg.connect(url) as new:
            receipt = await new.publish(stream, "from the child")
        return 0 if receipt.id else 13

    async def before():
        bus = await sg.connect(url)
        await bus.publish(stream, "from the parent")
        consumer = bus.consume(stream, "g")
        return bus, consumer, await consumer.next(timeout=5)

    loop = asyncio.new_event_loop()
    bus, consumer, delivery = loop.run_until_complete(before())
    child = os.fork()
    if child == 0:
        # Closing the parent's loop here would close it for the parent, too.
        warnings.simplefilter("ignore", ResourceWarning)
        code = asyncio.run(inside(bus, delivery, consumer))
        del bus, consumer, delivery
        sys.exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status

    async def after():
        # The child's end took nothing from the parent.
        delivery.ack()
        await bus.publish(stream, "still here")
        await consumer.close()
        await bus.close()

    loop.run_until_complete(after())
    loop.close()
    print("fine")
"""


def test_a_bus_from_before_a_fork_says_so(url: str, names: dict[str, Any]) -> None:
    done = run(FORK, url, names["inbound_stream"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


EXIT = """
    import asyncio, sys, threading
    import stargazer_core as sg

    url, stream, way = sys.argv[1:]
    kept = []

    async def stays(body):
        await asyncio.sleep(60)

    async def answers(request):
        await asyncio.sleep(60)

    async def work():
        bus = await sg.connect(url)
        consumer = bus.consume(stream, "g")
        kept.extend([bus, consumer])
        # A consumer that runs handlers, a server, and a call that is under way.
        others = bus.consume(stream, "others")
        kept.extend([others, asyncio.ensure_future(others.run(stays))])
        kept.append(await bus.serve({"answers": answers}, service=stream.replace(":", "-")))
        kept.append(asyncio.ensure_future(bus.call("answers", service=stream.replace(":", "-"))))
        kept.append(bus.lock(stream.replace(":", "-")))
        await kept[-1].acquire()
        for n in range(300):
            kept.append(asyncio.ensure_future(bus.publish(stream, n)))
        kept.append(await consumer.next(timeout=5))
        kept.append(asyncio.ensure_future(consumer.next()))
        await asyncio.sleep(0)
        if way == "leave":
            sys.exit(3)
        if way == "raise":
            raise ValueError("uncaught")
        if way == "daemon":
            while True:
                await asyncio.gather(*(bus.publish(stream, n) for n in range(50)))

    if way == "daemon":
        threading.Thread(target=lambda: asyncio.run(work()), daemon=True).start()
        while len(kept) < 307:
            pass
    else:
        asyncio.run(work())
"""


@pytest.mark.parametrize(("way", "code"), [("return", 0), ("leave", 3), ("raise", 1), ("daemon", 0)])
def test_a_process_may_end_with_work_under_way(url: str, names: dict[str, Any], way: str, code: int) -> None:
    for n in range(5):
        done = run(EXIT, url, f"{names['inbound_stream']}{n}", way)
        assert done.returncode == code, done.stderr
        if way in ("return", "daemon"):
            assert done.stderr == ""


SIGNAL = """
    import asyncio, sys, uvloop
    import stargazer_core as sg

    async def wait():
        async with sg.connect("memory://") as bus, bus.consume("s", "g") as consumer:
            print("waiting", flush=True)
            await consumer.next()

    try:
        (uvloop if sys.argv[1] == "uvloop" else asyncio).run(wait())
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_interrupt_ends_a_wait(loop: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SIGNAL), loop], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    started = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == ("interrupted\n", 0)
    assert time.monotonic() - started < 5


HANDLER = """
    import asyncio, sys
    import stargazer_core as sg

    async def main():
        async with sg.connect("memory://") as bus, bus.consume("s", "g") as consumer:
            await bus.publish("s", 1)

            async def handler(n):
                raise KeyboardInterrupt

            await consumer.run(handler)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interrupt_inside_a_handler_ends_the_program() -> None:
    done = run(HANDLER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
