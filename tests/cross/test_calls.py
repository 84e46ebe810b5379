"""Caller and tool are two processes, in every pair of languages: results, failures, raw bytes, cancelling."""

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest
from harness.server import ROOT, Server, built

PROGRAMS = {
    "python": [sys.executable, "tests/cross/pair/pair.py"],
    "node": ["node", "tests/cross/pair/pair.mjs"],
    "rust": [str(built("examples/pair"))],
}

DATA = bytes(range(256)) * 300


class Half:
    """A process that says one thing a line."""

    def __init__(self, language: str, role: str, url: str) -> None:
        pipe = subprocess.PIPE
        command = [*PROGRAMS[language], role, url]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def hear(self, what: str) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended before it said {what}"
        said, value = json.loads(line)
        assert said == what, line
        return value

    def tell(self) -> None:
        """Lets it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Ends its input, which ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def __enter__(self) -> "Half":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("caller", PROGRAMS)
@pytest.mark.parametrize("tool", PROGRAMS)
def test_a_tool_is_called_from_another_process(caller: str, tool: str) -> None:
    with Server() as server, Half(tool, "serve", server.url) as tools:
        tools.hear("ready")
        with Half(caller, "call", server.url) as calls:
            assert calls.hear("offered") == ["draw", "echo", "endless", "fail"]
            assert calls.hear("registry") == "Ünï"
            assert calls.hear("ok") == "Berlin"
            assert calls.hear("failed") == ["no_city", "no such city", {"city": "Xanadu"}]
            assert calls.hear("bytes") == ["sent", "p.png", hashlib.sha256(DATA).hexdigest()]
            tools.hear("began")
            calls.tell()
            calls.hear("cancelled")
            assert tools.hear("ended") == "caller"
            calls.tell()
            calls.end()
        tools.end()


EXAMPLES = {
    "python": [sys.executable, "examples/tools/tools.py"],
    "node": ["node", "examples/tools/tools.mjs"],
    "rust": [str(built("examples/tools"))],
}


@pytest.mark.parametrize("over", ["memory", "redis"])
@pytest.mark.parametrize("language", EXAMPLES)
def test_the_example_answers_with_a_tool(language: str, over: str) -> None:
    with Server() as server:
        arguments = [server.url] if over == "redis" else []
        ended = subprocess.run(
            [*EXAMPLES[language], *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=30
        )
    offered, answer = ended.stdout.decode().splitlines()
    (tool,) = json.loads(offered)
    assert tool["function"]["name"] == "weather"
    assert tool["function"]["description"] == "Weather of a city."
    assert tool["function"]["parameters"]["required"] == ["city"]
    assert answer == "Berlin: 21 °C"
