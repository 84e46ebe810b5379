"""What ``make`` says on a machine that lacks something: everything at once, with the commands to install it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.server import ROOT

SHELL = ("sh", "awk", "sed", "dirname")
COMPLETE = {
    "cargo": "cargo 1.95.0 (f2d3ce0bd 2026-03-21)",
    "node": "v20.17.0",
    "npm": "11.0.0",
    "cc": "cc 12",
    "python3": "3.11.7",
}


def check(folder: Path, programs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the check where only ``programs`` are, each answering with its text and success."""
    for name in SHELL:
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, answer in programs.items():
        (folder / name).write_text(f"#!{shutil.which('sh')}\necho '{answer}'\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [ROOT / "tools/prerequisites.sh"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(folder), "PYTHON": ""},
        capture_output=True,
        text=True,
    )


def test_a_complete_machine_passes_in_silence(tmp_path: Path) -> None:
    run = check(tmp_path, COMPLETE)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_an_empty_machine_is_told_everything_at_once(tmp_path: Path) -> None:
    run = check(tmp_path, {})
    assert run.returncode == 1
    for wanted in ("Rust 1.", "Python 3.11", "Node 20.17", "C compiler", "rustup.rs"):
        assert wanted in run.stderr
    for command in ("apt-get install python3", "dnf install python3", "apk add python3", "brew install python"):
        assert command in run.stderr


@pytest.mark.parametrize(
    ("changed", "said", "command"),
    [
        ({"node": "v18.20.4"}, "found 18.20.4", "apt-get install nodejs npm\n"),
        ({"node": "v20.9.0"}, "found 20.9.0", "apt-get install nodejs npm\n"),
        ({"cargo": "cargo 1.70.0 (abc 2023-01-01)"}, "found 1.70.0", "rustup.rs"),
    ],
)
def test_an_old_version_is_told_with_what_was_found(
    tmp_path: Path, changed: dict[str, str], said: str, command: str
) -> None:
    run = check(tmp_path, {**COMPLETE, **changed})
    assert run.returncode == 1
    assert said in run.stderr
    assert command in run.stderr
    assert "C compiler" not in run.stderr


@pytest.mark.parametrize(
    ("absent", "command"), [("cc", "apk add build-base"), ("npm", "brew install node"), ("python3", "python3-venv")]
)
def test_one_missing_program_asks_for_its_package_only(tmp_path: Path, absent: str, command: str) -> None:
    run = check(tmp_path, {name: text for name, text in COMPLETE.items() if name != absent})
    assert run.returncode == 1
    assert command in run.stderr
    assert run.stderr.count("  - ") == 1
