"""The packages of the three languages are built from one version."""

import subprocess

import stargazer_core
from harness.server import ROOT, built


def test_rust_python_and_node_are_of_one_version() -> None:
    node = subprocess.run(
        ["node", "-p", "require('@stargazer/core').version"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    rust = subprocess.run([built("stargazer"), "--version"], check=True, capture_output=True, text=True)
    assert node.stdout.strip() == stargazer_core.__version__
    assert rust.stdout.split() == ["stargazer", stargazer_core.__version__]
