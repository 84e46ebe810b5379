"""OpenTelemetry's context: that of whoever publishes or calls travels in the entry, and is the handler's.

Nothing of OpenTelemetry is imported by this package: a program that has not imported ``opentelemetry.trace`` has no
span that could travel. What travels is the W3C trace context, not baggage. No span is made here.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["enter", "here", "wanted"]

#: ``traceparent`` and ``tracestate``.
Context = tuple[str | None, str | None]

_NONE: Context = (None, None)


def here(traceparent: str | None = None, tracestate: str | None = None) -> Context:
    """What a message published here is to carry: what was given, else the context of the current span."""
    if traceparent is not None or tracestate is not None:
        return traceparent, tracestate
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NONE
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return _NONE
    carrier = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return carrier, context.trace_state.to_header() or None


def wanted() -> bool:
    """Whether the program uses OpenTelemetry."""
    return "opentelemetry.trace" in sys.modules


def enter(traceparent: str | None, tracestate: str | None) -> None:
    """Makes what a message carries the current context of the task: spans begun in it are children of the sender's."""
    if traceparent is None or not wanted():
        return
    carrier = {"traceparent": traceparent, "tracestate": tracestate or ""}
    context: Any = importlib.import_module("opentelemetry.context")
    propagation: Any = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    # Not detached: it ends with the task. What is no trace context leaves the current one as it is.
    context.attach(propagation.TraceContextTextMapPropagator().extract(carrier))
