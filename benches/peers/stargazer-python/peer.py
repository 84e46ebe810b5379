"""Ours, the package ``stargazer_core`` as built in this clone, on asyncio's own loop."""

import asyncio
from typing import Any, Literal

import stargazer_core as sg
from bench import Run, Witness, main, resident


async def publish(run: Run) -> None:
    ready = [sg.Inbound(envelope) for envelope in run.envelopes]
    async with sg.connect(run.url) as bus:
        await run.publish(lambda n: bus.publish_inbound(ready[n % len(ready)]))


async def lanes(run: Run) -> None:
    await in_order(run, "lanes")


async def exclusive(run: Run) -> None:
    await in_order(run, "exclusive")


async def in_order(run: Run, ordering: Literal["lanes", "exclusive"]) -> None:
    witness = Witness()

    async def handle(message: sg.Inbound) -> None:
        witness.note(message.channel_id, message.message_id)

    async with sg.connect(run.url) as bus:
        run.start()
        async with bus.consume_inbound(ordering=ordering) as inbox:
            await inbox.run(handle, until_idle=True)
            run.stop(witness.handled, witness.disorder)


async def none(run: Run) -> None:
    witness = Witness()
    async with sg.connect(run.url) as bus:
        run.start()
        async with bus.consume_inbound(ordering="none") as inbox:
            async for delivery in inbox:
                message = delivery.data
                witness.note(message.channel_id, message.message_id)
                delivery.ack()
                if witness.handled == run.messages:
                    break
        run.stop(witness.handled, witness.disorder)


async def request(run: Run) -> None:
    async with sg.connect(run.url) as bus:
        await run.ask(lambda n: bus.call("echo", {"n": n}))


async def serve(run: Run) -> None:
    async def echo(request: sg.Request) -> Any:
        return request.arguments["n"]

    async with sg.connect(run.url) as bus, bus.serve({"echo": echo}):
        await run.serve()


async def memory(run: Run) -> None:
    """Memory of a worker that waits, and of the same with every message in hand at once."""
    came, full, done = 0, asyncio.Event(), asyncio.Event()

    async def handle(_: sg.Inbound) -> None:
        nonlocal came
        came += 1
        if came == run.messages:
            full.set()
        await done.wait()

    async with sg.connect(run.url) as bus, bus.consume_inbound(ordering="none", concurrency=run.messages) as inbox:
        working = asyncio.create_task(inbox.run(handle, until_idle=True))
        await asyncio.wait([working])
        idle = resident()
        working = asyncio.create_task(inbox.run(handle, until_idle=False))
        # The messages come before we are told to go.
        run.start()
        await full.wait()
        held = resident()
        done.set()
        await inbox.close()
        await working
    run.tell({"idle": idle, "held": held, "handled": came})


CASES = {
    "publish": publish,
    "lanes": lanes,
    "exclusive": exclusive,
    "none": none,
    "request": request,
    "serve": serve,
    "memory": memory,
}

main(CASES, ["stargazer-core"])
