"""OpenTelemetry: the context of whoever publishes or calls is the handler's, over every way that a message takes."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import stargazer_core as sg
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceState
from opentelemetry.trace.span import NonRecordingSpan, TraceFlags


class Spans:
    """Spans that were made, and what makes them; no provider is set for the process."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("tests")

    def parents(self) -> dict[str, str | None]:
        """Names of parents by name, over the processes' borders."""
        spans: tuple[ReadableSpan, ...] = self._exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        return {span.name: None if span.parent is None else names[span.parent.span_id] for span in spans}

    def traces(self) -> set[int]:
        """The traces that there are."""
        return {span.context.trace_id for span in self._exporter.get_finished_spans() if span.context}

    def close(self) -> None:
        self._provider.shutdown()


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    yield spans
    spans.close()


async def test_the_trace_of_the_publisher_is_the_handlers(bus: sg.Bus, spans: Spans) -> None:
    async def answer(message: sg.Inbound, delivery: sg.Delivery) -> None:
        with spans.tracer.start_as_current_span("answer"):
            await delivery.bus.publish_outbound("web", sg.message(message.channel_id, "21 °C"))

    async def show(reply: sg.Outbound) -> None:
        with spans.tracer.start_as_current_span("show"):
            await bus.publish("log", {"text": reply.text})

    async def log(body: Any) -> None:
        with spans.tracer.start_as_current_span("log"):
            pass

    with spans.tracer.start_as_current_span("request"):
        await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="Berlin?"))
    async with bus.consume_inbound() as inbox, bus.consume_outbound("web") as outbox, bus.consume("log", "g") as lines:
        await inbox.run(answer, until_idle=True)
        await outbox.run(show, until_idle=True)
        await lines.run(log, until_idle=True)
    assert spans.parents() == {"request": None, "answer": "request", "show": "answer", "log": "show"}
    assert len(spans.traces()) == 1
    assert not trace.get_current_span().get_span_context().is_valid


async def test_calls_are_in_the_trace_of_their_caller(bus: sg.Bus, spans: Spans) -> None:
    def in_a_thread(request: sg.Request) -> str:
        with spans.tracer.start_as_current_span("in a thread"):
            return request.traceparent or ""

    async def served(request: sg.Request) -> Any:
        with spans.tracer.start_as_current_span("served"):
            return await request.bus.call("inner")

    @sg.tool
    async def weather(city: str) -> str:
        """Weather of a city."""
        with spans.tracer.start_as_current_span("tool"):
            return f"{city}: 21 °C"

    async with bus.serve({"outer": served, "inner": in_a_thread}):
        with spans.tracer.start_as_current_span("caller"):
            assert (await bus.call("outer")).startswith("00-")
    async with bus.serve_tools(weather):
        with spans.tracer.start_as_current_span("model"):
            await bus.call("weather", {"city": "Berlin"})
    parents = {"caller": None, "served": "caller", "in a thread": "served", "model": None, "tool": "model"}
    assert spans.parents() == parents


async def test_what_the_entry_carries_is_the_w3c_context(bus: sg.Bus) -> None:
    state = TraceState([("vendor", "x")])
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
    with trace.use_span(NonRecordingSpan(context)):
        await bus.publish("s", 1)
        await bus.publish("s", 2, traceparent="00-given")
    await bus.publish("s", 3)
    async with bus.consume("s", "g") as consumer:
        carried = [(d.traceparent, d.tracestate) for d in [await consumer.next(timeout=5) for _ in range(3)]]
    text = "00-00000000000000000000000000000abc-0000000000000def-01"
    assert carried == [(text, "vendor=x"), ("00-given", None), (None, None)]


async def test_a_context_that_is_none_changes_nothing(bus: sg.Bus, spans: Spans) -> None:
    found = []

    async def handler(body: Any) -> None:
        found.append(trace.get_current_span().get_span_context().is_valid)

    await bus.publish("s", 1, traceparent="nonsense", tracestate="\x00")
    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert found == [False]


async def test_a_handler_leaves_no_context_behind(bus: sg.Bus, spans: Spans) -> None:
    found: dict[int, bool] = {}

    async def handler(n: int) -> None:
        found[n] = trace.get_current_span().get_span_context().is_valid

    with spans.tracer.start_as_current_span("request"):
        await bus.publish("s", 1, key="k")
    await bus.publish("s", 2, key="k")
    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert found == {1: True, 2: False}


def test_nothing_of_it_is_imported_by_the_package() -> None:
    program = "import sys, stargazer_core; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
