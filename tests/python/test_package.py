"""The package as a whole: what it exports and that it is typed."""

from importlib import metadata
from importlib.resources import files

import stargazer_core


def test_the_version_is_that_of_the_distribution() -> None:
    assert stargazer_core.__version__ == metadata.version("stargazer-core")


def test_every_public_name_exists() -> None:
    missing = [name for name in stargazer_core.__all__ if not hasattr(stargazer_core, name)]
    assert missing == []


def test_the_package_says_that_it_is_typed() -> None:
    assert files("stargazer_core").joinpath("py.typed").is_file()
