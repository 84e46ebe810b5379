"""A model of the original's inbound consumer, after its documentation; times are divided by `--faster`.

Documented: `XREADGROUP` with `>`; a task for each message; attempts counted in memory by entry; a lock for each channel
(`SET NX EX 30`, released and renewed by token); `XACK` after the handler, without a look at who holds the entry; a
failure leaves the entry pending, the third writes it to the dead letters (`MAXLEN ~ 5000`) and acknowledges;
`XAUTOCLAIM` every 30 s of what was idle for 60 s; groups made once, at the start; every publish with `MAXLEN ~`.

Where the documentation is silent, the choice is the kinder one: the lock is renewed as long as the handler runs,
whoever waits for it does so until it is free, entries that were deleted are told, a broken read loop goes on after a
pause, and an entry that this process is handling is not handled by it a second time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import redis.asyncio as redis
from history import (
    ACTOR_END,
    ACTOR_START,
    DLQ,
    GROUP,
    HANDLER_END,
    HANDLER_START,
    INBOUND,
    OUTBOUND,
    VANISHED,
    Message,
    Pen,
    entry_of,
    fnv1a,
)

MAX_RETRIES = 3
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"


class Consumer:
    """One worker."""

    def __init__(self, client: Any, pen: Pen, faster: float, maxlen: int) -> None:
        """Nothing touches the server before `run`."""
        self.client, self.pen, self.maxlen = client, pen, maxlen
        self.name = f"worker-{uuid.uuid4().hex[:8]}"
        self.interval, self.idle_ms, self.lock_ms = 30 / faster, int(60_000 / faster), int(30_000 / faster)
        self.pause = 1 / faster
        self.attempts: dict[bytes, int] = {}
        self.running: set[bytes] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.tokens = 0

    async def run(self) -> None:
        """Makes the group, then reads and claims until told to stop; what runs then is waited for."""
        with contextlib.suppress(redis.ResponseError):
            await self.client.xgroup_create(INBOUND, GROUP, id="0", mkstream=True)
        claims = asyncio.create_task(self.claim())
        while not self.stopping:
            try:
                answer = await self.client.xreadgroup(GROUP, self.name, {INBOUND: ">"}, count=10, block=200)
            except redis.RedisError:
                await asyncio.sleep(self.pause)
                continue
            for _, entries in answer or []:
                self.dispatch(entries)
        claims.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def claim(self) -> None:
        """Takes over what nobody has touched for a while."""
        while True:
            await asyncio.sleep(self.interval)
            try:
                cursor = b"0-0"
                while True:
                    cursor, entries, gone = await self.client.xautoclaim(
                        INBOUND, GROUP, self.name, self.idle_ms, start_id=cursor, count=100
                    )
                    for entry in gone:
                        self.pen.write(VANISHED, entry=entry_of(entry))
                    self.dispatch(entries)
                    if cursor == b"0-0":
                        break
            except redis.RedisError:
                continue

    def dispatch(self, entries: list[tuple[bytes, dict[bytes, bytes] | None]]) -> None:
        """A task for each."""
        for entry, fields in entries:
            if not fields:
                self.pen.write(VANISHED, entry=entry_of(entry))
                continue
            if entry in self.running:
                continue
            self.running.add(entry)
            task = asyncio.create_task(self.handle(entry, fields))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def handle(self, entry: bytes, fields: dict[bytes, bytes]) -> None:
        """The lock, the handler, the acknowledgement."""
        try:
            message = Message.parse(fields[b"data"])
            key, token = f"sg:lock:channel:l{message.lane}", uuid.uuid4().hex
            # The lock is on a server that tells nobody.
            while not await self.client.set(key, token, nx=True, px=self.lock_ms):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            watchdog = asyncio.create_task(self.renew(key, token))
            try:
                self.attempts[entry] = self.attempts.get(entry, 0) + 1
                try:
                    await self.process(entry, fields, message)
                except RuntimeError as error:
                    await self.failed(entry, fields, str(error))
                else:
                    await self.client.xack(INBOUND, GROUP, entry)
            finally:
                watchdog.cancel()
                await self.client.eval(RELEASE, 1, key, token)
        except redis.RedisError:
            pass  # The entry stays pending until it is claimed.
        finally:
            self.running.discard(entry)

    async def renew(self, key: str, token: str) -> None:
        """Keeps the lock while the handler runs."""
        while True:
            await asyncio.sleep(self.lock_ms / 3000)
            with contextlib.suppress(redis.RedisError):
                await self.client.eval(RENEW, 1, key, token, self.lock_ms)

    async def process(self, entry: bytes, fields: dict[bytes, bytes], message: Message) -> None:
        """What the message says, and an answer to the platform."""
        attempt, place = self.attempts[entry], entry_of(entry)
        self.tokens += 1
        run = self.pen.actor << 32 | self.tokens
        about: dict[str, Any] = {
            "message": message.number,
            "lane": message.lane,
            "entry": place,
            "attempt": attempt,
            "token": run,
        }
        self.pen.write(HANDLER_START, detail=int(attempt > 1), body=fnv1a(fields[b"data"]), **about)
        await asyncio.sleep(message.millis / 1000)
        if message.deed == "overflow":
            os.abort()
        if message.deed == "retry":
            self.pen.write(HANDLER_END, detail=1, **about)
            raise RuntimeError("its plan says so")
        with contextlib.suppress(redis.RedisError):
            await self.client.xadd(OUTBOUND, {"run": str(run)}, maxlen=100_000, approximate=True)
        self.pen.write(HANDLER_END, **about)

    async def failed(self, entry: bytes, fields: dict[bytes, bytes], error: str) -> None:
        """Stays pending, or goes to the dead letters."""
        if self.attempts[entry] < MAX_RETRIES:
            return
        letter = {"original_stream": INBOUND, "original_msg_id": entry, "error": error, "data": fields[b"data"]}
        letter |= {"attempt": str(self.attempts[entry]), "ts": "0", "trace_id": ""}
        await self.client.xadd(DLQ, letter, maxlen=5000, approximate=True)
        await self.client.xack(INBOUND, GROUP, entry)


async def main() -> None:
    """Runs until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--actor", type=int, required=True)
    parser.add_argument("--faster", type=float, default=20)
    parser.add_argument("--maxlen", type=int, default=100_000)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # It ends with whoever started it.
    pen = Pen(options.folder, options.actor)
    pen.write(ACTOR_START)
    consumer = Consumer(redis.Redis.from_url(options.url), pen, options.faster, options.maxlen)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, consumer, "stopping", True)
    await consumer.run()
    pen.write(ACTOR_END)


asyncio.run(main())
