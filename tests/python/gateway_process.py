"""Not a test: a gateway as a process of its own, to be killed while it sends.

Usage: ``gateway_process.py URL SETTINGS ON_UNKNOWN [PLATFORM]``. What stands on a line of its output was sent, whatever
becomes of it.
"""

import asyncio
import json
import sys

import stargazer_core as sg
from stargazer_core.platform import Intake, SendContext


class Output(sg.PlatformAdapter):
    """A platform that is the output of this process. A text ``hold…`` is sent and then held, ``lost…`` held before."""

    def __init__(self, platform: str) -> None:
        self.name = platform

    async def is_running(self) -> bool:
        return True

    async def start(self, intake: Intake) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def is_channel_valid(self, channel_id: str) -> bool:
        return True

    async def send(self, channel_id: str, text: str, context: SendContext) -> str:
        if text.startswith("lost") and not context.may_be_repeat:
            await self.hold(text)
        print(f"sent {channel_id} {text} {context.may_be_repeat}", flush=True)
        if text.startswith("hold") and not context.may_be_repeat:
            await self.hold(text)
        return ""

    async def hold(self, text: str) -> None:
        print(f"holding {text}", flush=True)
        await asyncio.Event().wait()


async def main(url: str, settings: str, on_unknown: str, platform: str = "web") -> None:
    async with sg.connect(url, **json.loads(settings)) as bus:
        consumer: sg.ConsumerSettings = {"lease": 2.0, "sweep": 0.5}
        gateway = sg.Gateway(bus, [Output(platform)], on_unknown=on_unknown, consumer=consumer)  # type: ignore[arg-type]
        await gateway.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
