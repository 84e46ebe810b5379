"""Tools: schemas from type hints, serving, calling wherever they run, permissions, the catalog."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import enum
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest
import pytest_asyncio
import stargazer_core as sg
from harness.server import Server
from stargazer_core import tool
from stargazer_core.docstring import described
from stargazer_core.typed import plain, value_of


@pytest.fixture
def names(names: dict[str, Any]) -> dict[str, Any]:
    """With a catalog that no other test uses."""
    own = names["stream_prefix"]
    return {
        **names,
        "tools_catalog_prefix": f"{own}:catalog",
        "tools_catalog_channel": f"{own}:catalog:channel",
        "no_worker_after": 0.3,
    }


@pytest_asyncio.fixture
async def other(url: str, names: dict[str, Any]) -> AsyncIterator[sg.Bus]:
    """A second bus on the same transport."""
    async with sg.connect(url, role="tools", **names) as bus:
        yield bus


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Point:
    lat: float
    lon: float = 0.0


class Options(TypedDict):
    unit: Unit
    days: NotRequired[int]


class Model(pydantic.BaseModel):
    name: str
    at: datetime.datetime | None = None


class Struct(msgspec.Struct):
    ids: list[int]


@tool
async def weather(city: str, days: int = 1) -> str:
    """Weather of a city.

    For the next days.

    Args:
        city: Its name
            in English.
        days: How many of them.

    Returns:
        A sentence.
    """
    return f"{city}: 21 °C for {days}"


def test_the_schema_comes_from_the_hints_and_the_docstring() -> None:
    assert weather.definition == {
        "name": "weather",
        "description": "Weather of a city.\n\nFor the next days.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name in English."},
                "days": {"type": "integer", "default": 1, "description": "How many of them."},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
        "permissions": [],
        "no_background": False,
        "allow_repeat": False,
    }


async def test_a_decorated_function_is_still_the_function() -> None:
    assert await weather("Berlin", days=2) == "Berlin: 21 °C for 2"
    assert weather.name == "weather"
    assert "Weather" in (weather.__doc__ or "")


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of a parameter of that type, with what it refers to."""

    def function(it: Any) -> None: ...

    function.__annotations__["it"] = hint
    parameters: dict[str, Any] = tool(function).definition["parameters"]
    found: dict[str, Any] = parameters["properties"]["it"]
    while "$ref" in found:
        found = parameters["$defs"][found["$ref"].rpartition("/")[2]]
    return found


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (Any, {}),
        (int | None, {"type": ["integer", "null"]}),
        (list[str] | None, {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Unit, {"enum": ["celsius", "fahrenheit"]}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (datetime.date, {"type": "string", "format": "date"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, pydantic.Field(ge=1, le=9, description="how many")],
            {"type": "integer", "minimum": 1, "maximum": 9, "description": "how many"},
        ),
        (
            Annotated[str, pydantic.Field(min_length=1, pattern="^x")],
            {"type": "string", "minLength": 1, "pattern": "^x"},
        ),
        (
            Point,
            {
                "type": "object",
                "properties": {"lat": {"type": "number"}, "lon": {"type": "number", "default": 0.0}},
                "required": ["lat"],
                "additionalProperties": False,
            },
        ),
        (
            Options,
            {
                "type": "object",
                "properties": {"unit": {"enum": ["celsius", "fahrenheit"]}, "days": {"type": "integer"}},
                "required": ["unit"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_type_has_its_schema(hint: Any, schema: dict[str, Any]) -> None:
    assert schema_of(hint) == schema


def test_models_of_pydantic_and_msgspec_describe_themselves() -> None:
    assert schema_of(Model)["properties"]["name"]["type"] == "string"
    assert schema_of(Struct)["properties"]["ids"]["items"] == {"type": "integer"}
    assert value_of(Model, {"name": "x"}) == Model(name="x")
    assert value_of(Struct, {"ids": [1]}) == Struct([1])


def test_a_type_that_refers_to_itself_has_a_schema() -> None:
    @dataclass
    class Tree:
        name: str
        inner: list[Tree]

    globals()["Tree"] = Tree
    try:
        schema = schema_of(Tree)
    finally:
        del globals()["Tree"]
    assert schema["properties"]["inner"]["items"] == {"$ref": "#/$defs/Tree"}


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Point, {"lat": 1}, Point(1.0)),
        (list[Point], [{"lat": 1, "lon": 2}], [Point(1.0, 2.0)]),
        (Point | None, None, None),
        (Point | str, "x", "x"),
        (Unit, "celsius", Unit.C),
        (dict[str, Unit], {"a": "celsius"}, {"a": Unit.C}),
        (set[int], [1, 2], {1, 2}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (datetime.datetime, "2026-01-01T00:00:00Z", datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
        (Options, {"unit": "celsius"}, {"unit": Unit.C}),
    ],
)
def test_arguments_become_values_of_their_types(hint: Any, given: Any, value: Any) -> None:
    made = value_of(hint, given)
    assert (made, type(made)) == (value, type(value))


def test_results_become_plain_values() -> None:
    result = {"p": Point(1.0), "u": Unit.C, "m": Model(name="x"), "s": Struct([1]), "t": (1, b"\x00")}
    expected = {
        "p": {"lat": 1.0, "lon": 0.0},
        "u": "celsius",
        "m": {"name": "x", "at": None},
        "s": {"ids": [1]},
        "t": [1, b"\x00"],
    }
    assert plain(result) == expected


def test_docstrings_of_both_styles_are_read() -> None:
    assert described("Does it.\n\n:param a: first\n    and more\n:param int b: second\n:returns: x") == (
        "Does it.",
        {"a": "first and more", "b": "second"},
    )
    assert described(None) == ("", {})
    assert described("Args:\n    a (int): one: two\n    b: three\n\nMore text.")[1] == {"a": "one: two", "b": "three"}


def test_what_cannot_be_a_tool_is_refused_by_name() -> None:
    class Odd: ...

    def odd(it: Odd) -> None: ...
    def star(*args: int) -> None: ...
    def missing(it: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, field in ((odd, "it"), (star, "args"), (missing, "function")):
        with pytest.raises(sg.InvalidError) as told:
            tool(function)
        assert told.value.context["field"] == field
    with pytest.raises(sg.InvalidError) as named:
        tool(name="not a name")(lambda: None)
    assert named.value.context["field"] == "name"
    with pytest.raises(sg.InvalidError) as unknown:
        sg.Tool({"name": "x", "descripton": "x"}, lambda context: None)
    assert unknown.value.context["field"] == "descripton"


async def test_a_tool_is_called_by_its_name(bus: sg.Bus, other: sg.Bus) -> None:
    async with other.serve_tools(weather) as service:
        assert await bus.call("weather", {"city": "Berlin"}) == "Berlin: 21 °C for 1"
        assert service.figures().handlers["weather"].succeeded == 1
        (worker,) = await bus.tool_workers()
        assert (worker.instance, [one.name for one in worker.tools]) == (service.instance, ["weather"])
        assert worker.has_room("weather")
        assert not worker.has_room("other")


async def test_wrong_arguments_are_told_before_the_tool_runs(bus: sg.Bus) -> None:
    async with bus.serve_tools(weather):
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("weather", {"citty": "Berlin"})
        assert told.value.remote_code == "invalid_arguments"
        assert "is `city` meant?" in str(told.value)
        assert told.value.details["tool"] == "weather"
        async with bus.tool_registry() as registry:
            with pytest.raises(sg.InvalidError):
                await registry.call("weather", {"citty": "Berlin"})


async def test_arguments_of_a_tool_have_their_types(bus: sg.Bus) -> None:
    seen: list[Any] = []

    @tool
    async def far(start: Point, unit: Unit = Unit.C, *, model: Model | None = None) -> Point:
        seen.extend((start, unit, model))
        return start

    async with bus.serve_tools(far):
        result = await bus.call("far", {"start": {"lat": 1}, "unit": "fahrenheit", "model": {"name": "x"}})
    assert seen == [Point(1.0), Unit.F, Model(name="x")]
    assert result == {"lat": 1.0, "lon": 0.0}


async def test_what_a_class_refuses_is_a_wrong_argument(bus: sg.Bus) -> None:
    class Even(pydantic.BaseModel):
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def even(cls, n: int) -> int:
            if n % 2:
                raise ValueError("must be even")
            return n

    @tool
    async def half(it: Even) -> int:
        return it.n // 2

    async with bus.serve_tools(half):
        assert await bus.call("half", {"it": {"n": 4}}) == 2
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("half", {"it": {"n": 3}})
    assert told.value.remote_code == "invalid_arguments"
    assert "must be even" in str(told.value)


async def test_a_tool_writes_back_also_when_it_fails(bus: sg.Bus) -> None:
    data = bytes(range(256)) * 1000

    @tool
    async def draw(ok: bool, context: sg.ToolContext) -> str:
        context.sent_file(data, "image/png", "p.png")
        context.inject_tool("more")
        if not ok:
            raise ValueError("no ink")
        return context.tool

    assert draw.definition["parameters"]["required"] == ["ok"]
    file = {"data": data, "mimetype": "image/png", "filename": "p.png", "source_url": ""}
    written = {"sent_files": [file], "injected_tools": ["more"]}
    async with bus.serve_tools(draw):
        answer = await bus.call_with("draw", {"ok": True})
        assert (answer.result, answer.writeback) == ("draw", written)
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("draw", {"ok": False})
    assert (told.value.remote_code, told.value.writeback) == ("ValueError", written)
    assert "no ink" in str(told.value)
    have: dict[str, Any] = {"sent_files": ["x"], "n": 1}
    sg.merge_writeback(have, {"sent_files": ["y"], "n": 2})
    assert have == {"sent_files": ["x", "y"], "n": 2}


async def test_a_plain_function_runs_in_a_thread_with_its_context(bus: sg.Bus) -> None:
    where: list[threading.Thread] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    @tool
    def blocking(context: sg.ToolContext) -> str:
        where.append(threading.current_thread())
        return f"{variable.get()} {context.cancelled}"

    async with bus.serve_tools(blocking):
        assert await bus.call("blocking") == "unset "
    assert where[0] is not threading.main_thread()


async def test_a_tool_ends_when_its_time_is_over(bus: sg.Bus) -> None:
    ended = asyncio.Event()

    @tool(timeout=0.2)
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with bus.serve_tools(slow):
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("slow")
    assert told.value.remote_code == "timeout"
    assert ended.is_set()


async def test_concurrency_holds_calls_of_a_tool_back(bus: sg.Bus) -> None:
    running, most = 0, 0

    @tool(concurrency=2)
    async def busy() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    async with bus.serve_tools(busy):
        await asyncio.gather(*(bus.call("busy") for _ in range(10)))
    assert most == 2


async def test_permissions_are_asked_where_a_tool_runs(bus: sg.Bus) -> None:
    @tool(permissions=["admin"])
    async def ban() -> str:
        return "banned"

    async def asked(caller: sg.Identity, permission: str) -> bool:
        return (caller.get("user_id"), permission) == ("1", "admin")

    one: sg.Identity = {"platform": "web", "user_id": "1"}
    two: sg.Identity = {"platform": "web", "user_id": "2"}
    table: dict[str, list[str]] = {"web:1": ["admin"]}
    for authority in (asked, table):
        async with bus.serve_tools(ban, authority=authority), bus.tool_registry(authority=authority) as registry:
            assert await bus.call("ban", identity=one) == "banned"
            with pytest.raises(sg.RemoteError) as told:
                await bus.call("ban", identity=two)
            assert told.value.remote_code == "permission_denied"
            assert [of["name"] for of in await registry.definitions_for(one)] == ["ban"]
            assert await registry.openai_tools_for(two) == []
    async with bus.serve_tools(ban):
        with pytest.raises(sg.RemoteError):
            await bus.call("ban", identity=one)


async def test_a_registry_offers_and_calls_what_others_serve(bus: sg.Bus, other: sg.Bus) -> None:
    async with other.serve_tools(weather) as service, bus.tool_registry() as registry:
        assert registry.openai_tools() == [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": weather.definition["description"],
                    "parameters": weather.definition["parameters"],
                },
            }
        ]
        assert registry.route("weather") == ("service", service.service)
        assert registry.schema_hash == service.schema_hash
        assert await registry.call("weather", {"city": "Berlin"}) == "Berlin: 21 °C for 1"
        with pytest.raises(sg.NotFoundError):
            await registry.call("nothing")
        with pytest.raises(sg.NotFoundError):
            registry.get("nothing")
        assert [worker.instance for worker in await registry.workers()] == [service.instance]
    with pytest.raises(sg.ClosedError):
        registry.definitions()


async def test_a_registry_follows_the_catalog(bus: sg.Bus, other: sg.Bus) -> None:
    @tool
    async def more() -> None: ...

    async with other.serve_tools(weather), bus.tool_registry() as registry:
        version = registry.version
        async with other.serve_tools(more):
            await asyncio.wait_for(registry.changed(version), 10)
            await registry.reload()
            assert [of["name"] for of in registry.definitions()] == ["more", "weather"]
        await asyncio.wait_for(registry.changed("never"), 10)
        closing = asyncio.ensure_future(registry.changed(registry.version))
        await asyncio.sleep(0)
        await registry.close()
        with pytest.raises(sg.ClosedError):
            await asyncio.wait_for(closing, 10)


async def test_a_tool_of_ones_own_runs_in_the_process(bus: sg.Bus, other: sg.Bus) -> None:
    @tool(name="weather")
    async def own(city: str) -> str:
        return f"{city}: here"

    async with other.serve_tools(weather):
        async with bus.tool_registry(own) as registry:
            assert registry.route("weather") == ("in_process", None)
            assert await registry.call("weather", {"city": "Berlin"}) == "Berlin: here"
        async with bus.tool_registry(own, mode="remote") as registry:
            assert (await registry.call("weather", {"city": "Berlin"})).endswith("for 1")
        async with bus.tool_registry(own, mode="remote", force_in_process=["weather"]) as registry:
            assert await registry.call("weather", {"city": "Berlin"}) == "Berlin: here"
        with pytest.raises(sg.InvalidError):
            await bus.tool_registry(force_in_process=["weather"])
        with pytest.raises(sg.InvalidError):
            await bus.tool_registry(mode="elsewhere")  # type: ignore[arg-type]


async def test_the_settings_say_where_tools_run(url: str, names: dict[str, Any], other: sg.Bus) -> None:
    @tool(name="weather")
    async def own(city: str) -> str:
        return "here"

    async with (
        other.serve_tools(weather),
        sg.connect(url, **names, tools_service_mode="remote") as remote,
        sg.connect(url, **names, tools_service_mode="remote", tools_force_in_process=["weather"]) as forced,
    ):
        async with remote.tool_registry(own) as registry:
            assert registry.route("weather")[0] == "service"
        async with forced.tool_registry(own) as registry:
            assert registry.route("weather")[0] == "in_process"


async def test_a_redelivered_turn_does_not_pay_for_a_tool_again(bus: sg.Bus) -> None:
    ran: list[str] = []

    @tool
    async def charge(who: str) -> int:
        ran.append(who)
        return len(ran)

    given: list[int] = []

    async def answer(msg: sg.Inbound, d: sg.Delivery[sg.Inbound]) -> sg.Outcome | None:
        given.append(await registry.call("charge", {"who": msg.user_id}, bus=d.bus))
        given.append(await d.bus.call("charge", {"who": msg.user_id}, call_id="call_1"))
        return sg.Outcome.retry(after=0.0) if d.attempt == 1 else None

    await bus.publish_inbound(sg.inbound("web", channel="c1", user="u1", text="x"))
    async with bus.serve_tools(charge), bus.tool_registry() as registry, bus.consume_inbound() as inbox:
        await inbox.run(answer, until_idle=True)
    assert given == [1, 2, 1, 2]


async def test_what_cannot_be_served_is_refused(bus: sg.Bus) -> None:
    with pytest.raises(sg.InvalidError) as none:
        await bus.serve_tools()
    assert none.value.context["field"] == "tools"
    with pytest.raises(sg.InvalidError) as twice:
        await bus.serve_tools(weather, weather)
    assert twice.value.context["tool"] == "weather"
    with pytest.raises(sg.ClosedError):
        _ = bus.serve_tools(weather).instance


async def test_closing_the_bus_ends_its_tools(server: Server, names: dict[str, Any]) -> None:
    async with sg.connect(server.url, **names) as watching:
        async with sg.connect(server.url, **names) as bus:
            await bus.serve_tools(weather)
            assert len(await watching.tool_workers()) == 1
        assert await watching.tool_workers() == []
