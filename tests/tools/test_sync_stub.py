"""The stub of the waiting classes is what is written from the classes that they mirror."""

import importlib.util
import sys
from pathlib import Path


def test_the_stub_is_up_to_date() -> None:
    place = Path(__file__).resolve().parents[2] / "tools" / "sync_stub.py"
    spec = importlib.util.spec_from_file_location("sync_stub", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sync_stub"] = module
    spec.loader.exec_module(module)
    assert module.STUB.read_text() == module.written(), "run .venv/bin/python tools/sync_stub.py"
