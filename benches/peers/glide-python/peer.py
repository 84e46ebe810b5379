"""Valkey GLIDE, the client with a Rust core.

Its documentation recommends for speed one client for everything, over whose one connection it pipelines by itself
(https://valkey.io/valkey-glide-docs/concepts/architecture/multiplexing). Bodies are msgpack.
"""

from urllib.parse import urlsplit

import msgpack
from bench import STREAM, Run, main
from glide import GlideClient, GlideClientConfiguration, NodeAddress


async def publish(run: Run) -> None:
    address = urlsplit(run.url)
    client = await GlideClient.create(
        GlideClientConfiguration([NodeAddress(str(address.hostname), address.port or 6379)])
    )
    await client.ping()
    await run.publish(lambda n: client.xadd(STREAM, [("data", msgpack.packb(run.envelope(n)))]))
    await client.close()


main({"publish": publish}, ["valkey-glide", "msgpack"])
