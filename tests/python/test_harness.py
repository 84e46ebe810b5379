"""The harness as Python sees it; what it does is tested in Rust."""

import pytest
import redis
from harness.server import Server


def test_a_server_is_killed_and_comes_back_on_its_port(own_server: Server) -> None:
    client = redis.Redis(port=own_server.port)
    client.set("kept", "1")
    own_server.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    own_server.restart()
    assert client.get("kept") == b"1"
    client.close()


def test_an_unknown_option_is_told() -> None:
    with pytest.raises(RuntimeError, match="sg-test-server ended with 1"):
        Server("--nonsense").close()
