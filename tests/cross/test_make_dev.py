"""The first command of the README: it plays a conversation, stays as a chat on a terminal, and ends with 0."""

import os
import pty
import re
import select
import subprocess

import pytest
from harness.server import ROOT

PLAYED = "30 of 30 messages answered rightly"

# A make of its own, not a part of the one that runs the tests.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"SG_PORT": "0"}


@pytest.mark.timeout(300)
def test_without_a_terminal_it_plays_and_ends() -> None:
    run = subprocess.run(
        ["make", "dev"], cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert PLAYED in run.stdout


@pytest.mark.timeout(300)
def test_on_a_terminal_it_stays_as_a_chat_until_ctrl_c() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execvpe("make", ["make", "dev"], ENVIRONMENT)
    shown = ""
    # What is typed, and what has to be seen before it.
    to_type = [(f"{PLAYED}.*\n> $", b"echo are you there\n"), ("are you there.*are you there.*\n> $", b"\x03")]
    while True:
        readable, _, _ = select.select([terminal], [], [], 240)
        assert readable, shown
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # its end
            break
        if to_type and re.search(to_type[0][0], shown, re.DOTALL):
            os.write(terminal, to_type.pop(0)[1])
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert "***" not in shown, shown
