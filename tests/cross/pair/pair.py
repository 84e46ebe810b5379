"""One half of a pair: ``pair.py serve URL`` serves tools until its input ends, ``pair.py call URL`` calls them."""

import asyncio
import hashlib
import json
import sys

import stargazer_core as sg
from stargazer_core import tool

DATA = bytes(range(256)) * 300


def say(what: str, value: object) -> None:
    """One line for the test."""
    print(json.dumps([what, value]), flush=True)


@tool
async def echo(text: str) -> str:
    """Says it again."""
    return text


@tool
async def fail(city: str) -> None:
    """Knows no city."""
    raise sg.Failure("no_city", "no such city", details={"city": city})


@tool
async def draw(context: sg.ToolContext) -> str:
    """Sends a picture."""
    context.sent_file(DATA, "image/png", "p.png")
    return "sent"


@tool
async def endless(context: sg.ToolContext) -> None:
    """Ends when it is told to."""
    say("began", None)
    try:
        await asyncio.sleep(60)
    finally:
        say("ended", context.cancelled)


async def line() -> str:
    """A line of the input; empty at its end."""
    return await asyncio.to_thread(sys.stdin.readline)


async def serve(bus: sg.Bus) -> None:
    async with bus.serve_tools(echo, fail, draw, endless):
        say("ready", None)
        while await line():
            pass


async def call(bus: sg.Bus) -> None:
    async with bus.tool_registry() as registry:
        say("offered", [of["function"]["name"] for of in registry.openai_tools()])
        say("registry", await registry.call("echo", {"text": "Ünï"}))
    say("ok", await bus.call("echo", {"text": "Berlin"}))
    try:
        await bus.call("fail", {"city": "Xanadu"})
    except sg.RemoteError as error:
        say("failed", [error.remote_code, error.args[0], error.details])
    answer = await bus.call_with("draw")
    (file,) = answer.writeback["sent_files"]
    say("bytes", [answer.result, file["filename"], hashlib.sha256(file["data"]).hexdigest()])
    task = asyncio.create_task(bus.call("endless"))
    await line()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        say("cancelled", None)
    await line()


async def main(role: str, url: str) -> None:
    async with sg.connect(url, role="tools") as bus:
        await (serve if role == "serve" else call)(bus)


asyncio.run(main(*sys.argv[1:]))
