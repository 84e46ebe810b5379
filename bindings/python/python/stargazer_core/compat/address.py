"""Where the server is, from whatever the original's classes took: a URL, a client of redis-py, a configuration.

A client is only asked for its connection settings, by the names that redis-py gives them; it is never used, and
redis-py itself is not imported. A setting that we cannot keep is refused by name rather than passed over.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from stargazer_core.errors import InvalidError

__all__ = ["Address", "address_of"]


@dataclass(frozen=True)
class Address:
    """An address that ``connect`` takes, and the certificates that belong to it."""

    #: The URL.
    url: str
    #: PEM that the server is checked against; the system's where there is none.
    root_certificates: bytes | None = None
    #: What is shown to the server: certificate and key, both PEM.
    client_certificate: tuple[bytes, bytes] | None = None


#: Options in a URL that say how redis-py handles its own connections, which there are none of here.
_REDIS_PYS_OWN = frozenset(
    {
        "decode_responses",
        "encoding",
        "encoding_errors",
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "retry_on_timeout",
        "max_connections",
        "health_check_interval",
        "protocol",
        "client_name",
        "timeout",
    }
)

#: What a configuration may call its SSL arguments (inferred), a mapping or a function that gives one.
_SSL_ARGUMENTS = ("redis_ssl_kwargs", "get_redis_ssl_kwargs", "ssl_kwargs")


async def address_of(redis: object) -> Address | None:
    """The address of a URL, a client, or a configuration; ``None`` where no server is configured.

    Raises:
        InvalidError: it is none of these, or asks for something that cannot be kept.
    """
    if redis is None or redis == "":
        return None
    if isinstance(redis, str):
        return _of_url(redis, {})
    build = getattr(redis, "build_async_redis_client", None)
    if callable(build):
        client = build()
        client = await client if inspect.isawaitable(client) else client
        if client is not None:
            return await address_of(client)
    elif (pool := getattr(redis, "connection_pool", None)) is not None:
        return await _of_pool(pool)
    elif not hasattr(redis, "redis_url"):
        expected = "a URL, a redis.asyncio client, a configuration with redis_url, or None"
        raise _refused(f"redis must be {expected}, found {type(redis).__name__}")
    url = getattr(redis, "redis_url", None)
    return _of_url(str(url), _ssl_arguments(redis)) if url else None


def _ssl_arguments(config: object) -> Mapping[str, Any]:
    for name in _SSL_ARGUMENTS:
        given = getattr(config, name, None)
        given = given() if callable(given) else given
        if isinstance(given, Mapping):
            return given
    return {}


def _of_url(url: str, ssl: Mapping[str, Any]) -> Address:
    """redis-py takes arguments in a URL; those about the connection are taken over from there."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.scheme in ("redis", "rediss") else {}
    if not options and not ssl:
        return Address(url)
    path = f"/{options['db']}" if "db" in options else parts.path
    ssl = {**{name: value for name, value in options.items() if name.startswith("ssl_")}, **ssl}
    rest = [f"{name}={quote(value)}" for name, value in options.items() if not _is_taken(name)]
    address = urlunsplit((parts.scheme, parts.netloc, path, "&".join(rest), ""))
    return Address(address, *_certificates(ssl)) if parts.scheme == "rediss" else Address(address)


def _is_taken(name: str) -> bool:
    return name == "db" or name.startswith("ssl_") or name in _REDIS_PYS_OWN


async def _of_pool(pool: Any) -> Address:
    kwargs: Mapping[str, Any] = pool.connection_kwargs
    user = await _credentials(kwargs)
    database = int(kwargs.get("db") or 0)
    sentinels = getattr(getattr(pool, "sentinel_manager", None), "sentinels", None)
    if sentinels is not None:
        return await _of_sentinels(pool, sentinels, user, database)
    if "path" in kwargs:
        own = "".join(
            f"&{name}={quote(word, safe='')}" for name, word in zip(("user", "pass"), user, strict=True) if word
        )
        return Address(f"unix://{kwargs['path']}?db={database}{own}")
    place = _place(kwargs.get("host") or "localhost", kwargs.get("port") or 6379)
    return _at(pool, f"{_words(user)}{place}/{database}", "")


async def _of_sentinels(pool: Any, sentinels: Any, user: tuple[str, str], database: int) -> Address:
    if not getattr(pool, "is_master", True):
        raise _refused("the client reads from replicas; pass one of the primary (Sentinel.master_for)")
    places = []
    for sentinel in sentinels:
        kwargs = sentinel.connection_pool.connection_kwargs
        places.append(_place(kwargs.get("host") or "localhost", kwargs.get("port") or 26379))
    name, password = await _credentials(sentinels[0].connection_pool.connection_kwargs)
    own = f"?sentinel_user={quote(name, safe='')}&sentinel_password={quote(password, safe='')}"
    service = quote(str(pool.service_name), safe="")
    return _at(pool, f"{_words(user)}{','.join(places)}/{service}/{database}{own}", "+sentinel")


def _at(pool: Any, rest: str, by: str) -> Address:
    kind = getattr(pool.connection_class, "__name__", "")
    if "SSL" not in kind:
        return Address(f"redis{by}://{rest}")
    return Address(f"rediss{by}://{rest}", *_certificates(pool.connection_kwargs))


async def _credentials(kwargs: Mapping[str, Any]) -> tuple[str, str]:
    provider = kwargs.get("credential_provider")
    if provider is None:
        return _text(kwargs.get("username")), _text(kwargs.get("password"))
    if hasattr(provider, "get_credentials_async"):
        given = await provider.get_credentials_async()
    else:
        given = provider.get_credentials()
    given = tuple(given)
    return ("", _text(given[0])) if len(given) == 1 else (_text(given[0]), _text(given[1]))


def _certificates(ssl: Mapping[str, Any]) -> tuple[bytes | None, tuple[bytes, bytes] | None]:
    required = str(getattr(ssl.get("ssl_cert_reqs"), "name", ssl.get("ssl_cert_reqs", "required")))
    if required.lower().removeprefix("cert_") != "required":
        raise _refused("a server that is not checked (ssl_cert_reqs) is not supported; give its ssl_ca_certs")
    for name in ("ssl_ca_path", "ssl_password", "ssl_ciphers"):
        if ssl.get(name):
            raise _refused(f"{name} is not supported; give ssl_ca_certs, ssl_certfile and ssl_keyfile")
    authority, certificate, key = (ssl.get(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))
    data = ssl.get("ssl_ca_data")
    roots = Path(authority).read_bytes() if authority else _text(data).encode() if data else None
    if not certificate:
        return roots, None
    return roots, (Path(certificate).read_bytes(), Path(key or certificate).read_bytes())


def _words(user: tuple[str, str]) -> str:
    return f"{quote(user[0], safe='')}:{quote(user[1], safe='')}@" if any(user) else ""


def _place(host: object, port: object) -> str:
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else "" if value is None else str(value)


def _refused(text: str) -> InvalidError:
    return InvalidError(text, {"argument": "redis"})
