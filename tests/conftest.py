"""Fixtures of all Python tests: servers to test against."""

import signal
from collections.abc import Iterator

import harness.older  # noqa: F401 - before anything that needs it
import pytest
from harness.server import Server

# A shell that runs the suite in the background has it ignore interrupts, and programs that tests start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server that all tests of this run share: use names of streams that no other test uses."""
    with Server() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server of this test alone, to kill, restart and pause."""
    with Server("--appendonly") as server:
        yield server
