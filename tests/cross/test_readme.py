"""The README shows programs that exist, and they do what it says."""

import re
import subprocess

import pytest
from harness.server import ROOT, built

README = (ROOT / "README.md").read_text()
PROGRAMS = {
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


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_runs_with_nothing_installed(path: str) -> None:
    run = subprocess.run(PROGRAMS[path], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    assert run.stdout == "Berlin? 21 °C\n"
