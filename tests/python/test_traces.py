"""The life of a message by its trace id. The names are those of ``scenarios.toml``."""

import asyncio
import subprocess
import sys
import uuid
from typing import Any, get_args

import pytest
import stargazer_core as sg
from harness.server import ROOT, Server


async def once(bus: sg.Bus, trace_id: str, state: str) -> sg.Trace:
    """The trace once it has come to a state."""
    async with asyncio.timeout(10):
        while True:
            try:
                trace = await bus.trace(trace_id)
            except sg.NotFoundError:
                pass
            else:
                if trace.state == state:
                    return trace
            await asyncio.sleep(0.01)


async def test_a_message_is_followed_by_its_trace_id(url: str, names: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"role": "standalone", "platforms": ["web"], **names}
    async with (
        sg.connect(url, trace="gateway-1", **settings) as gateway,
        sg.connect(url, trace="worker-1", **settings) as worker,
        sg.connect(url, **settings) as looks,
    ):
        message = sg.inbound("web", channel="c1", user="u1", text="Berlin?")
        trace_id = message["trace_id"]
        await gateway.publish_inbound(message)

        async def answer(msg: sg.Inbound, d: sg.Delivery) -> None:
            await d.bus.publish_outbound("web", sg.message("c1", "21 °C"))

        async with worker.consume_inbound() as inbox:
            await inbox.run(answer, until_idle=True)
        # In its own time, so that the order of the two last steps is known.
        await once(looks, trace_id, "COMPLETED")
        async with gateway.consume_outbound("web") as outbox:
            d = await outbox.next(timeout=5)
            assert d.trace_id == trace_id, "what a handler publishes belongs to the trace"
            await d.ack()
            trace = await once(looks, trace_id, "DELIVERED")
        assert [(step.state, step.by) for step in trace.steps] == [
            ("RECEIVED", "gateway-1"),
            ("QUEUED", "gateway-1"),
            ("CLAIMED", "worker-1"),
            ("DELIVERING", "worker-1"),
            ("COMPLETED", "worker-1"),
            ("DELIVERED", "gateway-1"),
        ]
        assert trace.total == 6
        assert trace.illegal == sum(not step.legal for step in trace.steps)
        assert trace.steps[2].detail["attempt"] == 1
        assert trace.steps[2].detail["stream"] == names["inbound_stream"]
        assert trace.updated_at_ms >= trace.steps[0].at_ms
        assert trace.checkpoint is None


async def test_retries_and_dead_letters_stand_in_the_trace(url: str, names: dict[str, Any]) -> None:
    async with sg.connect(url, role="worker", trace="worker-1", **names) as bus:
        message = sg.inbound("web", channel="c1", user="u1", text="bad")
        await bus.publish_inbound(message)

        async def fails(msg: sg.Inbound) -> None:
            raise ValueError("it broke")

        async with bus.consume_inbound(max_attempts=2, retry_base=0.01, retry_max=0.01) as inbox:
            await inbox.run(fails, until_idle=True)
        trace = await once(bus, message["trace_id"], "ERRORED")
        assert [step.state for step in trace.steps] == [
            "RECEIVED",
            "QUEUED",
            "CLAIMED",
            "ERRORED",
            "RETRYING",
            "QUEUED",
            "CLAIMED",
            "ERRORED",
        ]
        assert trace.illegal == 0
        last = trace.steps[-1].detail
        assert (last["reason"], last["attempt"], last["dead_letters"]) == (
            "max_attempts",
            "2",
            names["dead_letter_stream"],
        )
        assert "it broke" in last["error"]


async def test_steps_of_ones_own_are_written_and_judged(bus: sg.Bus) -> None:
    message = sg.inbound("web", channel="c1", user="u1", text="quiet")
    trace_id = message["trace_id"]
    # Nothing is traced unasked.
    await bus.publish_inbound(message)
    with pytest.raises(sg.NotFoundError):
        await bus.trace(trace_id)
    await bus.transition(trace_id, "RECEIVED", {"from": "a test"})
    await bus.transition(trace_id, "COMPLETED")
    assert not await bus.checkpoint(trace_id, "ERRORED", {"turn": 3, "text": "ü"})
    trace = await bus.trace(trace_id)
    assert [(step.state, step.legal) for step in trace.steps] == [
        ("RECEIVED", True),
        ("COMPLETED", False),
        ("ERRORED", False),
    ]
    assert (trace.illegal, trace.state, trace.checkpoint) == (2, "ERRORED", {"turn": 3, "text": "ü"})
    assert trace.steps[0].detail == {"from": "a test"}
    with pytest.raises(sg.InvalidError, match="trace id"):
        await bus.transition("", "QUEUED")
    with pytest.raises(sg.InvalidError, match="a state is one of"):
        await bus.transition(trace_id, "DONE")  # type: ignore[arg-type]
    # A step that nobody takes along leaves by itself.
    alone = uuid.uuid4().hex
    await bus.transition(alone, "RECEIVED")
    await once(bus, alone, "RECEIVED")


def test_the_example_runs(server: Server) -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "examples" / "trace" / "trace.py", server.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert said.stdout.splitlines()[:4] == ["RECEIVED", "QUEUED", "CLAIMED", "INFERRING"]


async def test_the_states_are_those_of_the_core(bus: sg.Bus) -> None:
    with pytest.raises(sg.InvalidError) as told:
        await bus.transition("t", "NOWHERE")  # type: ignore[arg-type]
    known = str(told.value).partition("one of ")[2].partition(", not")[0]
    assert list(get_args(sg.State)) == known.split(", ")
