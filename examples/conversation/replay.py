"""Says the conversation: publishes every message into the inbound stream, as a program of anybody's would.

    python replay.py --redis redis://127.0.0.1:6379 --log replay.jsonl [--seed 1] [--seconds 8]

Each channel has a speaker of its own that waits for a receipt before it says the next thing; the channels speak at the
same time. The log has a line per receipt.
"""

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import log
import stargazer_core as sg
from conversation import PLATFORM, Message, converse


def envelope(message: Message) -> sg.Inbound:
    """The message as it is published."""
    attachments: list[dict[str, Any]] = [
        {"data": file.data, "mimetype": file.mimetype, "filename": file.filename, "source_url": ""}
        for file in message.attachments
    ]
    return sg.inbound(
        PLATFORM,
        channel=message.channel_id,
        user=message.user_id,
        username=message.username,
        text=message.content,
        message_id=message.message_id,
        trace_id=message.trace_id,
        timestamp=message.timestamp,
        reply_to=message.reply_to,
        reactions=message.reactions,
        is_addressed=message.is_addressed,
        attachments=attachments,
    )


async def publish(bus: sg.Bus, message: Message) -> sg.Receipt:
    """Publishes until there is a receipt. Under the same id nothing is stored twice, so trying again does no harm."""
    while True:
        try:
            return await bus.publish_inbound(envelope(message), message_id=message.message_id)
        except sg.StargazerError as error:
            if not error.retryable:
                raise
            print(f"{message.message_id}: {error}; trying again", file=sys.stderr)
            await asyncio.sleep(0.2)


async def replay(url: str, messages: list[Message], seconds: float, path: Path) -> None:
    """Publishes all messages, spread over the time, and logs their receipts."""
    channels: dict[str, list[tuple[float, Message]]] = defaultdict(list)
    for n, message in enumerate(messages):
        channels[message.channel_id].append((seconds * n / len(messages), message))
    start = time.monotonic()

    with path.open("w", encoding="utf-8") as file:
        async with sg.connect(url) as bus:

            async def speak(turns: list[tuple[float, Message]]) -> None:
                for at, message in turns:
                    await asyncio.sleep(start + at - time.monotonic())
                    receipt = await publish(bus, message)
                    file.write(log.line(log.receipt(receipt.id, message)))
                    file.flush()

            async with asyncio.TaskGroup() as speakers:
                for turns in channels.values():
                    speakers.create_task(speak(turns))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="publish the conversation")
    parser.add_argument("--redis", required=True, metavar="URL")
    parser.add_argument("--log", required=True, type=Path, metavar="FILE", help="where receipts go")
    parser.add_argument("--seed", type=int, default=1, help="which conversation (default: 1)")
    parser.add_argument("--seconds", type=float, default=8, help="how long it takes (default: 8)")
    options = parser.parse_args()
    asyncio.run(replay(options.redis, converse(options.seed), options.seconds, options.log))


if __name__ == "__main__":
    main()
