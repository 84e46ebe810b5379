"""Gives Python 3.10 what the suite uses of 3.11, so that the tests read like everybody's programs."""

import sys

if sys.version_info < (3, 11):
    import asyncio
    import datetime
    import typing

    import async_timeout
    import typing_extensions

    asyncio.timeout = async_timeout.timeout
    datetime.UTC = datetime.timezone.utc
    typing.Self = typing_extensions.Self
