"""The stub of the waiting classes is what is written from the classes that they mirror."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    place = Path(__file__).resolve().parents[2] / "tools" / "sync_stub.py"
    spec = importlib.util.spec_from_file_location("sync_stub", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sync_stub"] = module
    spec.loader.exec_module(module)
    return module


def test_the_stub_is_up_to_date(tool: ModuleType) -> None:
    assert tool.STUB.read_text() == tool.written(), "run .venv/bin/python tools/sync_stub.py"


def test_what_a_class_inherits_is_written_once(tool: ModuleType) -> None:
    classes = {node.name: node for node in ast.parse(tool.written()).body if isinstance(node, ast.ClassDef)}
    members = {
        name: {member.name: ast.unparse(member) for member in node.body if isinstance(member, ast.FunctionDef)}
        for name, node in classes.items()
    }
    assert [ast.unparse(base) for base in classes["SyncBus"].bases] == ["SyncPublisher"]
    assert "publish" in members["SyncPublisher"]
    assert members["SyncPublisher"].keys() & members["SyncBus"].keys() == set()
    # What a waiting class has of its own is told in its own words.
    assert "who waits in another thread" in members["SyncBus"]["close"]
    assert "async def" in members["SyncBus"]["wait"]
