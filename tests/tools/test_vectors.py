"""The vectors are what their generator writes."""

from vectors.generate import FILE, rendered


def test_the_file_is_what_the_generator_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == rendered(), "in tests/: python -m vectors.generate"
