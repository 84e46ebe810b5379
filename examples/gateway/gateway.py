"""A gateway with an adapter of its own: a platform that is this terminal. A line is a message, and answers are printed.

REDIS_URL=redis://127.0.0.1:6379 python examples/gateway/gateway.py
"""

import asyncio
import signal
import sys

import stargazer_core as sg
from stargazer_core.platform import IncomingMessage, Intake, SendContext


class Terminal(sg.PlatformAdapter):
    """What is typed goes to the bus; what workers say is printed."""

    name = "terminal"

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self.reading: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    async def is_running(self) -> bool:
        """Whether lines are read."""
        return self.reading is not None

    async def start(self, intake: Intake) -> None:
        """Begins to read lines; they end the program with their end."""

        async def read() -> None:
            lines = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
            async for line in lines:
                await intake.message(IncomingMessage("", "here", "me", "Me", line.decode().rstrip("\n")))
            self.ended.set()

        self.reading = asyncio.create_task(read())

    async def stop(self) -> None:
        """Reads no more."""
        if self.reading is not None:
            self.reading.cancel()
            self.reading = None

    async def send(self, channel_id: str, text: str, context: SendContext) -> None:
        """Prints it; and says so where it may stand there already, because a gateway died in the middle."""
        print(f"(again?) {text}" if context.may_be_repeat else text, flush=True)

    async def is_channel_valid(self, channel_id: str) -> bool:
        """There is one."""
        return channel_id == "here"


async def main() -> None:
    """Runs until the lines end, or until it is told to stop."""
    async with sg.connect(role="gateway", platforms=["terminal"]) as bus:
        terminal = Terminal()
        gateway = sg.Gateway(bus, [terminal])
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, gateway.stop)
        async with gateway:
            print("ready", flush=True)
            await asyncio.wait(
                [asyncio.create_task(terminal.ended.wait()), asyncio.create_task(gateway.ended())],
                return_when=asyncio.FIRST_COMPLETED,
            )
    print("stopped", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
