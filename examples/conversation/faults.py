"""What goes wrong on purpose: processes that answer are killed, or frozen for longer than their lease."""

import asyncio
import random

import audit
import stargazer_core as sg
from processes import Processes, built

# A process that is silent for so long has lost its work: short where processes are killed, so that others soon pick
# their work up; long where none is, so that nothing is picked up by mistake on a busy machine.
LEASE = {False: ("15s", "5s"), True: ("2s", "500ms")}
FAULTS = {
    "kill": "kill -9 one process in the middle and start a new one, N times",
    "freeze": "freeze one for longer than its lease, N times",
}
# Longer than lease and sweep: the work of a frozen process is elsewhere when it wakes up.
FREEZE = 4.0


class Workers:
    """The processes that answer: two at any time, whatever happens to one of them."""

    def __init__(
        self, processes: Processes, url: str, bus: sg.Bus, kills: int, freezes: int, rng: random.Random
    ) -> None:
        self._processes = processes
        self._bus = bus
        self._url = url
        self._rng = rng
        self._lease = LEASE[kills + freezes > 0]
        self._frozen: dict[str, asyncio.Task[None]] = {}
        self._number = 0
        faults = ["kill"] * kills + ["freeze"] * freezes
        rng.shuffle(faults)
        # Spread over what happens between a sixth and two thirds of all answers.
        self._plan = [(1 / 6 + (n + rng.random()) / 2 / len(faults), fault) for n, fault in enumerate(faults)]
        self.names: list[str] = []
        # What was done, and how much was in work in that moment.
        self.done: list[str] = []
        self.in_work = 0

    async def start(self) -> None:
        """Starts another process that answers."""
        self._number += 1
        name = f"inference-{self._number}"
        lease, sweep = self._lease
        options = ["--port", "0", "--lease", lease, "--sweep", sweep]
        await self._processes.start(name, built("stargazer"), "inference", "--redis", self._url, *options)
        self.names.append(name)

    async def strike(self, answered: float) -> None:
        """Does what is planned by this share of the answers."""
        if not self._plan or answered < self._plan[0][0]:
            return
        _, fault = self._plan.pop(0)
        victim = self._rng.choice([name for name in self.names if name not in self._frozen])
        self.in_work += (await self._bus.pending(audit.INBOUND, audit.WORK[audit.INBOUND])).count
        if fault == "kill":
            self.names.remove(victim)
            await self._processes.kill(victim)
            await self.start()
        else:
            self._processes.freeze(victim)
            self._frozen[victim] = asyncio.create_task(self._thaw(victim))
        self.done.append(f"{fault} at {answered:.0%}")

    async def thawed(self) -> None:
        """Waits until nobody is frozen."""
        await asyncio.gather(*self._frozen.values())

    async def _thaw(self, name: str) -> None:
        try:
            await asyncio.sleep(FREEZE)
        finally:
            self._processes.thaw(name)
            del self._frozen[name]
