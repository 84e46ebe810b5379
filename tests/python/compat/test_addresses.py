"""What may be given as ``redis``: a URL, a client of redis-py, a configuration, nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio
import stargazer_core as sg
from redis.asyncio.sentinel import Sentinel
from redis.credentials import UsernamePasswordCredentialProvider
from stargazer_core.compat import RedisEventBus
from stargazer_core.compat.address import Address, address_of


async def url_of(given: object) -> str:
    address = await address_of(given)
    assert address is not None
    return address.url


def sentinels(*arguments: Any, **named: Any) -> Any:
    return Sentinel(*arguments, **named)  # type: ignore[no-untyped-call]


async def test_a_url_is_taken_as_it_is() -> None:
    for url in ("redis://h:1/2", "rediss://me:pw@h", "unix:///s?db=3", "memory://a", "redis+sentinel://a,b/s"):
        assert await address_of(url) == Address(url)


async def test_none_and_an_empty_url_are_no_server() -> None:
    assert [await address_of(nothing) for nothing in (None, "", SimpleNamespace(redis_url=None))] == [None] * 3


async def test_options_of_redis_py_in_a_url_are_understood_or_left_to_be_refused() -> None:
    assert await url_of("redis://h:1?db=4&decode_responses=True&socket_timeout=3") == "redis://h:1/4"
    assert await url_of("redis://h:1/2?nonsense=1") == "redis://h:1/2?nonsense=1"
    with pytest.raises(sg.InvalidError):
        await RedisEventBus("redis://h:1/2?nonsense=1", "worker", "n").publish_inbound({})


async def test_a_client_is_asked_for_its_settings() -> None:
    of_url = redis.asyncio.Redis.from_url
    assert await url_of(redis.asyncio.Redis()) == "redis://localhost:6379/0"
    assert await url_of(of_url("redis://me:p%40ss@h:7/3")) == "redis://me:p%40ss@h:7/3"
    assert await url_of(of_url("redis://:pw@h")) == "redis://:pw@h:6379/0"
    assert await url_of(redis.asyncio.Redis(host="::1", port=5)) == "redis://[::1]:5/0"
    assert await url_of(of_url("unix://me:p%2Fw@/run/s.sock?db=2")) == "unix:///run/s.sock?db=2&user=me&pass=p%2Fw"
    assert await url_of(redis.asyncio.Redis(ssl=True, host="h")) == "rediss://h:6379/0"


async def test_a_client_of_sentinels_gives_the_sentinels_and_the_service() -> None:
    sentinel = sentinels([("a", 1), ("b", 2)], sentinel_kwargs={"username": "watch", "password": "x&y"})
    url = await url_of(sentinel.master_for("orders", username="me", password="pw", db=3))
    assert url == "redis+sentinel://me:pw@a:1,b:2/orders/3?sentinel_user=watch&sentinel_password=x%26y"
    bare = await url_of(sentinels([("a", 1)]).master_for("orders"))
    assert bare == "redis+sentinel://a:1/orders/0?sentinel_user=&sentinel_password="
    encrypted = sentinels([("a", 1)], sentinel_kwargs={"ssl": True}).master_for("orders", ssl=True)
    assert (await url_of(encrypted)).startswith("rediss+sentinel://a:1/orders")
    with pytest.raises(sg.InvalidError):
        await address_of(sentinel.slave_for("orders"))


async def test_a_provider_of_credentials_is_asked() -> None:
    user = redis.asyncio.Redis(credential_provider=UsernamePasswordCredentialProvider("me", "secret"))
    assert await url_of(user) == "redis://me:secret@localhost:6379/0"
    nobody = redis.asyncio.Redis(credential_provider=UsernamePasswordCredentialProvider(password="secret"))
    assert await url_of(nobody) == "redis://:secret@localhost:6379/0"


async def test_a_configuration_that_builds_a_client_is_asked_for_one() -> None:
    client = redis.asyncio.Redis(host="h", db=5)

    async def later() -> Any:
        return client

    for build in (lambda: client, later):
        config = SimpleNamespace(build_async_redis_client=build, redis_url="redis://other")
        assert await url_of(config) == "redis://h:6379/5"
    nothing = SimpleNamespace(build_async_redis_client=lambda: None, redis_url="redis://other")
    assert await url_of(nothing) == "redis://other"


async def test_ssl_arguments_of_a_configuration_are_kept(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"-- {name}")
    arguments = {
        "ssl_ca_certs": str(tmp_path / "ca"),
        "ssl_certfile": str(tmp_path / "cert"),
        "ssl_keyfile": str(tmp_path / "key"),
        "ssl_cert_reqs": "required",
    }
    expected = Address("rediss://h:1", b"-- ca", (b"-- cert", b"-- key"))
    for given in (arguments, lambda: arguments):
        assert await address_of(SimpleNamespace(redis_url="rediss://h:1", redis_ssl_kwargs=given)) == expected
    client = redis.asyncio.Redis(host="h", port=1, ssl=True, **arguments)  # type: ignore[arg-type]
    assert await address_of(client) == Address("rediss://h:1/0", b"-- ca", (b"-- cert", b"-- key"))
    plain = SimpleNamespace(redis_url="redis://h:1", redis_ssl_kwargs=arguments)
    assert await address_of(plain) == Address("redis://h:1")


@pytest.mark.parametrize("reqs", ["none", "optional"])
async def test_a_server_that_is_not_checked_is_refused_by_name(reqs: str) -> None:
    with pytest.raises(sg.InvalidError, match="ssl_cert_reqs"):
        await address_of(redis.asyncio.Redis(ssl=True, ssl_cert_reqs=reqs))
    with pytest.raises(sg.InvalidError, match="ssl_cert_reqs"):
        await address_of(f"rediss://h?ssl_cert_reqs={reqs}")


async def test_certificates_that_are_none_are_told_when_connecting() -> None:
    bus = sg.connect("rediss://127.0.0.1:1", root_certificates=b"no PEM", connect_timeout=0.0)
    with pytest.raises((sg.InvalidError, sg.UnavailableError)):
        await bus
    with pytest.raises(sg.InvalidError, match="client_certificate"):
        await sg.connect("rediss://127.0.0.1:1", client_certificate=b"x")  # type: ignore[arg-type]


async def test_what_is_no_address_is_refused_by_the_argument_s_name() -> None:
    for wrong in (5, object(), {"host": "h"}):
        with pytest.raises(sg.InvalidError) as caught:
            await address_of(wrong)
        assert caught.value.context["argument"] == "redis"
