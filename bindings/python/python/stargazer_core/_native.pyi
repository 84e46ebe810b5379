"""What the private native module exports; proven against the built module by stubtest."""

__all__ = ["version"]

def version() -> str:
    """The version that all packages of stargazer share."""
