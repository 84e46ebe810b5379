"""stargazer: a message bus over Redis Streams with strict order per channel."""

from stargazer_core._native import version

__all__ = ["__version__"]

__version__: str = version()
