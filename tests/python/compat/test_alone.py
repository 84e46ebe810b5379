"""``compat`` without redis-py: a program for which that module is poisoned does everything over a real server."""

import subprocess
import sys
from typing import Any

from harness.server import Server

PROGRAM = '''
import sys

class Poison:
    """Refuses to be imported."""
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("redis", "msgpack", "valkey"):
            raise ImportError(f"{name} is poisoned")

sys.meta_path.insert(0, Poison())

import asyncio
from stargazer_core import compat

class Pool:
    """What a client of redis-py has, without redis-py."""
    class connection_class: pass
    def __init__(self, port):
        self.connection_kwargs = {"host": "127.0.0.1", "port": port, "db": 9, "username": None, "password": None}

class Client:
    def __init__(self, port): self.connection_pool = Pool(port)

async def main(port):
    url, client = f"redis://127.0.0.1:{port}/9", Client(port)
    done = asyncio.Queue()
    bus = compat.RedisEventBus(client, "standalone", "n1")
    await bus.ensure_streams(["web"])
    async def work(payload):
        await bus.publish_outbound("web", {"type": "message", "channel_id": "c", "text": payload["content"].upper()})
    inbox = compat.InboundStreamConsumer(client, "worker-1", work)
    outbox = compat.OutboundStreamConsumer(client, "gateway-1", done.put, ["web"])
    await inbox.start()
    await outbox.start()
    await bus.publish_inbound({"channel_id": "c", "content": "hello", "is_addressed": True, "trace_id": "t"})
    said = await asyncio.wait_for(done.get(), 20)
    events = compat.install_default_bus(url)
    compat.get_event_bus().publish_nowait("agent.complete", payload={"said": said["text"]})
    await events.aclose()
    async for event in compat.EventBusReader(url, last_id="0"):
        print(event["payload"]["said"])
        break
    END

asyncio.run(main(int(sys.argv[1])))
print("left", flush=True)
'''


def run(server: Server, end: str) -> list[str]:
    program = PROGRAM.replace("END", end)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(server.port)], capture_output=True, text=True, timeout=50
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.split()


def test_a_program_runs_with_redis_py_poisoned(server: Server, witness: Any) -> None:
    assert run(server, "await inbox.stop(); await outbox.stop(); await compat.aclose()") == ["HELLO", "left"]


def test_a_program_that_closes_nothing_ends_as_well(server: Server, witness: Any) -> None:
    assert run(server, "await inbox.stop(); await outbox.stop()") == ["HELLO", "left"]


def test_closing_everything_at_once_ends_what_still_reads(server: Server, witness: Any) -> None:
    assert run(server, "await compat.aclose(); await inbox.stop(); await outbox.stop()") == ["HELLO", "left"]


FORKING = """
import asyncio, os, sys
from stargazer_core import compat

bus = compat.RedisEventBus(f"redis://127.0.0.1:{sys.argv[1]}/9", "worker", "n1")
asyncio.run(bus.publish_inbound({"who": "parent"}))
child = os.fork()
if child == 0:
    asyncio.run(bus.publish_inbound({"who": "child"}))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
asyncio.run(bus.publish_inbound({"who": "parent"}))
asyncio.run(compat.aclose())
"""


def test_a_child_connects_for_itself(server: Server, witness: Any) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, str(server.port)], capture_output=True, text=True, timeout=50
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert witness.xlen("sg:stream:inbound") == 3
