"""The bus for programs without an event loop."""

import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
import stargazer_core as sg


@pytest.fixture
def waiting(url: str, names: dict[str, Any]) -> Any:
    with sg.SyncBus(url, role="standalone", platforms=["web"], **names) as bus:
        yield bus


def test_a_script_publishes_and_reads(waiting: sg.SyncBus) -> None:
    receipt = waiting.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))
    with waiting.consume_inbound() as inbox:
        delivery = inbox.next(timeout=5)
        assert (delivery.id, delivery.data.content) == (receipt.id, "Berlin?")
        waiting.publish_outbound("web", sg.message("c1", "21 °C"))
        delivery.ack()
    with waiting.consume_outbound("web") as outbox:
        for answer in outbox:
            assert answer.data.text == "21 °C"
            answer.ack()
            break


def test_everything_else_is_waited_for_too(waiting: sg.SyncBus) -> None:
    waiting.publish("s", {"n": 1}, key="k")
    assert waiting.stream_info("s").length == 1
    assert [entry.data for entry in waiting.entries("s")] == [{"n": 1}]
    assert waiting.wait(lambda bus: bus.dead_letters().inspect()).count == 0
    with waiting.consume("s", "g") as consumer:
        assert [delivery.data for delivery in consumer.next_batch(10, timeout=5)] == [{"n": 1}]
        assert waiting.pending("s", "g").count == 1
        with pytest.raises(sg.TimeoutError):
            consumer.next(timeout=0.05)
    # What was in hand is given back, and a closed consumer has no next one.
    with pytest.raises(sg.ClosedError):
        consumer.next()
    assert list(consumer) == []


def test_several_threads_share_a_bus(waiting: sg.SyncBus) -> None:
    def publish(n: int) -> None:
        for m in range(20):
            waiting.publish("s", [n, m])

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting.stream_info("s").length == 80


async def test_it_holds_no_running_loop(url: str) -> None:
    with pytest.raises(sg.InvalidError, match="async with connect"):
        sg.SyncBus(url)


def test_a_closed_bus_says_so(url: str) -> None:
    bus = sg.SyncBus(url)
    bus.close()
    bus.close()
    with pytest.raises(sg.ClosedError):
        bus.publish("s", 1)


def test_what_cannot_be_connected_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(sg.InvalidError):
        sg.SyncBus("nonsense://")
    assert threading.active_count() == before


def program(text: str, *arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_ends_a_wait(url: str) -> None:
    child = program(
        """
        import sys, stargazer_core as sg
        with sg.SyncBus(sys.argv[1]) as bus, bus.consume("ctrl-c", "g") as consumer:
            bus.publish("ctrl-c", 1)
            consumer.next().ack()
            try:
                print("waiting", flush=True)
                consumer.next()
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        """,
        url,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    child.send_signal(signal.SIGINT)
    said, complaint = child.communicate(timeout=30)
    assert (child.returncode, said, complaint) == (0, "interrupted\n", "")


def test_a_script_that_closes_nothing_ends(url: str) -> None:
    child = program(
        """
        import sys, stargazer_core as sg
        bus = sg.SyncBus(sys.argv[1])
        bus.publish("left", 1)
        consumer = bus.consume("left", "g")
        print(consumer.next(timeout=5).data)
        """,
        url,
    )
    said, complaint = child.communicate(timeout=30)
    assert (child.returncode, said, complaint) == (0, "1\n", "")
