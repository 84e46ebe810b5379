"""The bus for programs without an event loop."""

import ast
import inspect
import signal
import subprocess
import sys
import textwrap
import threading
from importlib.resources import files
from typing import Any

import pytest
import stargazer_core as sg
from harness.server import Server
from stargazer_core.mirror import Mirror
from stargazer_core.sync import SyncPublisher
from stargazer_core.waiter import Waiter


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


def test_locks_and_leases_are_taken_by_scripts(waiting: sg.SyncBus, names: dict[str, Any]) -> None:
    name = names["inbound_stream"].replace(":", "-")
    with waiting.lock(name, ttl=5) as lock:
        assert lock.held
        assert not waiting.lock(name).try_acquire()
        assert lock.renew()
    assert not lock.held
    with waiting.lease(name) as lease:
        assert lease.is_leader
        assert isinstance(lease.fence, int)


def test_a_lock_that_was_lost_is_told_at_the_end_of_its_block(server: Server, names: dict[str, Any]) -> None:
    with sg.SyncBus(server.url, **names) as bus:
        lock = bus.lock(names["stream_prefix"], ttl=5)
        with pytest.raises(sg.StaleError), lock:  # noqa: PT012 - the end of the block is what raises
            assert bus.store().delete(lock.key) == 1
            assert isinstance(lock.lost(), sg.StaleError)
        with pytest.raises(ValueError, match="mine"), lock:
            raise ValueError("mine")
        # Closing a bus gives up what a script still holds.
        lock.acquire(timeout=5)
    with sg.SyncBus(server.url, **names) as bus:
        bus.lock(names["stream_prefix"]).acquire(timeout=5)


def test_calls_are_made_and_served(waiting: sg.SyncBus, names: dict[str, Any]) -> None:
    @sg.tool
    def weather(city: str) -> str:
        """Weather of a city."""
        return f"{city}: 21 °C"

    service = names["tools_stream"].replace(":", "-")
    with waiting.serve({"double": lambda request: request.arguments["n"] * 2}, service=service) as serving:
        assert waiting.call("double", {"n": 4}, service=service, timeout=10) == 8
        assert serving.figures().handlers["double"].succeeded == 1
        serving.handle("triple", lambda request: request.arguments["n"] * 3)
        assert serving.names == ["double", "triple"]
    with waiting.serve_tools(weather), waiting.tool_registry() as registry:
        assert registry.call("weather", {"city": "Berlin"}, bus=waiting, timeout=10) == "Berlin: 21 °C"


def test_the_store_is_used_by_scripts(waiting: sg.SyncBus, names: dict[str, Any]) -> None:
    store, key = waiting.store(), f"{names['stream_prefix']}:k"
    store.set(key, b"x", ttl=60)
    assert store.get(key) == b"x"
    assert store.batch().increment(f"{key}:n", 5).set_add(f"{key}:s", b"a").commit()
    assert store.get(f"{key}:n") == b"5"
    with store.subscribe(f"{key}:ears") as ears:
        store.notify(f"{key}:ears", b"hello")
        heard = next(ears)
        assert (heard.channel, heard.payload) == (f"{key}:ears", b"hello")
    assert list(ears) == []


def test_dead_letters_and_traces_are_looked_at_by_scripts(waiting: sg.SyncBus) -> None:
    waiting.publish("s", [{"n": 1}])
    with waiting.consume("s", "g", body=list[dict[str, int]]) as consumer:
        delivery = consumer.next(timeout=5)
        # What a delivery causes is published by its own bus, which waits, too.
        assert delivery.bus.publish("effects", delivery.data).id
        assert delivery.data is delivery.data
        delivery.reject("no")
    letters = waiting.dead_letters()
    [letter] = letters.list().letters
    assert (letter.reason, letter.error) == ("rejected", "no")
    assert len(letters.replay([letter.id]).replayed) == 1
    assert waiting.stream_info("s").length == 1
    assert {finding.check for finding in waiting.doctor()} >= {"version"}


def test_events_are_published_and_read(waiting: sg.SyncBus, names: dict[str, Any]) -> None:
    stream = f"{names['stream_prefix']}:events"
    with waiting.events(stream) as events:
        assert events.publish_and_wait("agent.complete", payload={"n": 1})
        assert events.stream == stream
    reader = waiting.event_reader(stream, last_id="0")
    for event in reader:
        assert event["payload"] == {"n": 1}
        break
    assert reader.last_id != "0"
    reader.aclose()


def test_notices_are_iterated(waiting: sg.SyncBus) -> None:
    with waiting.consume("s", "g") as consumer:
        kinds: list[str] = []

        def listen() -> None:
            for notice in consumer.notices():
                kinds.append(notice.kind)
                return

        listener = threading.Thread(target=listen)
        listener.start()
        # It hears what is told from its first step on.
        while listener.is_alive():
            waiting.publish("s", 1)
            consumer.next(timeout=5).reject("no")
        assert kinds == ["dead_lettered"]


def public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


@pytest.mark.parametrize("mirror", list(Mirror.mirrors.values()), ids=lambda mirror: mirror.__name__)
def test_a_mirror_has_every_member_or_a_reason(mirror: type[Mirror]) -> None:
    members, of = public(mirror) - public(Mirror), public(mirror.mirrored)
    assert of - set(mirror.without) - members == set()
    assert set(mirror.without) <= of
    assert all(mirror.without.values())
    for name in ("__aiter__", "__aenter__"):
        assert not hasattr(mirror.mirrored, name) or hasattr(mirror, name.replace("__a", "__"))


def test_a_waiting_bus_is_a_waiting_publisher(waiting: sg.SyncBus) -> None:
    """As a bus is a publisher, and what both have is mirrored once."""
    assert isinstance(waiting, SyncPublisher)
    inherited = public(sg.Publisher) - {name for name in vars(sg.Bus) if not name.startswith("_")}
    assert {"publish", "call", "store"} <= inherited
    assert inherited & set(vars(sg.SyncBus)) == set()
    assert vars(sg.SyncBus).keys() >= {"consume", "lock", "url"}


def test_what_a_class_changes_of_its_base_is_mirrored_anew() -> None:
    class Base:
        async def kept(self) -> str:
            return "kept"

        async def changed(self) -> str:
            return "before"

        async def left_out(self) -> str:
            return "not in the base's mirror"

    class Derived(Base):
        async def changed(self) -> str:
            return "after"

    before = dict(Mirror.mirrors)
    try:

        class SyncBase(Mirror, of=Base, without={"left_out": "for a test"}):
            pass

        class SyncDerived(SyncBase, of=Derived):
            pass
    finally:
        Mirror.mirrors.clear()
        Mirror.mirrors.update(before)
    assert public(SyncDerived) >= {"kept", "changed", "left_out"}
    assert "kept" not in vars(SyncDerived)
    waiter = Waiter()
    try:
        mirror: Any = SyncDerived(waiter, Derived())
        assert [mirror.kept(), mirror.changed()] == ["kept", "after"]
    finally:
        waiter.end()


def test_nothing_that_has_to_be_awaited_is_given_back() -> None:
    """Every class that has coroutines, and that a mirror gives, has a mirror."""
    stub = ast.parse(files("stargazer_core").joinpath("sync.pyi").read_text())
    given = {
        name.id
        for node in ast.walk(stub)
        if isinstance(node, ast.FunctionDef) and node.returns is not None
        for name in ast.walk(node.returns)
        if isinstance(name, ast.Name)
    }
    asynchronous = {
        name
        for name in sg.__all__
        if inspect.isclass(of := getattr(sg, name))
        and any(inspect.iscoroutinefunction(inspect.getattr_static(of, member)) for member in dir(of))
    }
    assert given & asynchronous == set()


def test_what_a_mirror_says_of_itself(waiting: sg.SyncBus) -> None:
    assert repr(waiting) == f"<SyncBus {waiting.url}>"
    assert sg.SyncBus.publish.__doc__ == sg.Bus.publish.__doc__
    assert list(inspect.signature(sg.SyncBus.pending).parameters) == ["self", "stream", "group"]
    waiting.publish("s", 1)
    with waiting.consume("s", "g") as consumer:
        assert repr(consumer.next(timeout=5)).startswith("<SyncDelivery ")
