"""What goes wrong on purpose: processes and the server are killed, or frozen for longer than a lease."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import audit
import stargazer_core as sg
from processes import Failure, Processes, built

FAULTS = {
    "kill": "kill -9 one process that answers and start a new one, N times",
    "freeze": "freeze one that answers for longer than its lease, N times",
    "client": "kill -9 the client and start it again, N times",
    "stall": "freeze the server, N times",
    "restart": "kill -9 the server and start it again (it syncs every write), N times",
}

# A process that is silent for so long has lost its work: short where something goes wrong, so that others soon pick it
# up; long where nothing does, so that nothing is picked up by mistake on a busy machine. In milliseconds.
LEASE = {False: (15_000, 5_000), True: (2_000, 500)}
# Longer than lease and sweep: the work of a frozen process is elsewhere when it wakes up.
FREEZE = 4.0
# Also longer than the lease, and nobody can take anything over.
STALL = 3.0

HERE = Path(__file__).parent


class Crew:
    """Two processes that answer and one client, at any time, whatever happens to one of them."""

    def __init__(
        self, processes: Processes, url: str, bus: sg.Bus, received: Path, faults: dict[str, int], rng: random.Random
    ) -> None:
        self._processes = processes
        self._bus = bus
        self._url = url
        self._received = received
        self._rng = rng
        self._lease = LEASE[any(faults.values())]
        self._frozen: dict[str, asyncio.Task[None]] = {}
        self._number = 0
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "client": self._kill_client,
            "stall": self._stall,
            "restart": self._restart,
        }
        plan = [name for name, times in faults.items() for _ in range(times)]
        rng.shuffle(plan)
        # Spread over what happens between a sixth and two thirds of all answers.
        self._plan = [(1 / 6 + (n + rng.random()) / 2 / len(plan), fault) for n, fault in enumerate(plan)]
        self.names: list[str] = []
        # What was done, and how much was in work in those moments.
        self.done: list[str] = []
        self.in_work = 0

    async def start(self) -> None:
        """Starts everybody; the client reads when this returns."""
        await self._start_client()
        for _ in range(2):
            await self._start_worker()

    async def strike(self, answered: float) -> None:
        """Does what is planned by this share of the answers."""
        if not self._plan or answered < self._plan[0][0]:
            return
        _, fault = self._plan.pop(0)
        self.in_work += (await self._bus.pending(audit.INBOUND, audit.WORK[audit.INBOUND])).count
        await self._faults[fault]()
        self.done.append(f"{fault} {answered:.0%}")

    async def thawed(self) -> None:
        """Waits until nobody is frozen."""
        await asyncio.gather(*self._frozen.values())

    async def _start_worker(self) -> None:
        self._number += 1
        name = f"inference-{self._number}"
        lease, sweep = (f"{ms}ms" for ms in self._lease)
        options = ["--port", "0", "--lease", lease, "--sweep", sweep]
        await self._processes.start(name, built("stargazer"), "inference", "--redis", self._url, *options)
        self.names.append(name)

    async def _start_client(self) -> None:
        lease, sweep = map(str, self._lease)
        options = ["--redis", self._url, "--log", str(self._received), "--lease", lease, "--sweep", sweep]
        await self._processes.start("receive", "node", str(HERE / "receive.mjs"), *options)
        if await self._processes.line("receive") != "ready":
            raise Failure("receive.mjs is not ready")

    def _victim(self) -> str:
        return self._rng.choice([name for name in self.names if name not in self._frozen] or self.names)

    async def _kill(self) -> None:
        victim = self._victim()
        self.names.remove(victim)
        await self._processes.kill(victim)
        await self._start_worker()

    async def _freeze(self) -> None:
        victim = self._victim()
        if victim not in self._frozen:
            self._processes.freeze(victim)
            self._frozen[victim] = asyncio.create_task(self._thaw(victim))

    async def _thaw(self, name: str) -> None:
        try:
            await asyncio.sleep(FREEZE)
        finally:
            self._processes.thaw(name)
            del self._frozen[name]

    async def _kill_client(self) -> None:
        await self._processes.kill("receive")
        await self._start_client()

    async def _stall(self) -> None:
        await self._processes.tell_server("pause")
        await asyncio.sleep(STALL)
        await self._processes.tell_server("continue")

    async def _restart(self) -> None:
        await self._processes.tell_server("restart")
