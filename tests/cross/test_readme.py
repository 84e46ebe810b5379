"""The README shows programs that exist, and they do what it says."""

import re
import subprocess
import sys

import pytest
from harness.server import ROOT, Server, built

README = (ROOT / "README.md").read_text()
PROGRAMS = {
    "examples/hello/hello.py": [sys.executable, "examples/hello/hello.py"],
    "examples/hello/hello.mjs": ["node", "examples/hello/hello.mjs"],
    "core/examples/hello.rs": [str(built("examples/hello"))],
}


def shown(path: str) -> str:
    """The program as the README shows it."""
    block = re.search(rf"^<!-- {re.escape(path)} -->\n```\w+\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert block, f"README.md does not show {path}"
    return block[1]


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_is_shown_as_it_is(path: str) -> None:
    program = (ROOT / path).read_text()
    assert shown(path) == re.split(r"^.*README: from here\n", program, flags=re.MULTILINE)[-1]


def test_every_program_that_is_shown_runs() -> None:
    assert re.findall(r"^<!-- (\S+) -->$", README, re.MULTILINE) == list(PROGRAMS)


def run(path: str, *arguments: str) -> str:
    command = [*PROGRAMS[path], *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_runs_with_nothing_installed(path: str) -> None:
    assert run(path) == "Berlin? 21 °C\n"


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_runs_over_a_server(path: str) -> None:
    with Server() as server:
        assert run(path, server.url) == "Berlin? 21 °C\n"
