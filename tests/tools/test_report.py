"""The end of a check."""

import pytest
from tools.report import end


def test_problems_end_a_check_with_1_and_are_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        end(["one", "another"], "all is well")
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "one\nanother\n")
    end([], "all is well")
    assert capsys.readouterr() == ("all is well\n", "")
