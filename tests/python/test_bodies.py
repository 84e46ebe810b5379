"""Bodies read as values of a type: what fits is given back, what does not goes to the dead letters."""

import asyncio
import datetime
import enum
import logging
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, TypedDict

import msgspec
import pydantic
import pytest
import stargazer_core as sg
from stargazer_core import body as bodies
from typing_extensions import NotRequired, ReadOnly


class Size(enum.Enum):
    """A size."""

    SMALL = "small"
    BIG = "big"


@dataclass
class Item:
    """A dataclass inside another."""

    name: str
    price: float = 0.0


Number = NewType("Number", int)


@dataclass
class Order:
    """A dataclass with about everything in it."""

    number: Number
    items: list[Item]
    size: Literal["small", "big"] = "small"
    note: str | None = None
    photo: bytes = b""
    tags: tuple[str, ...] = ()
    at: datetime.datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    extra: Any = None
    parent: "Order | None" = None
    checked: Annotated[bool, "whether somebody looked"] = False


class Typed(TypedDict):
    """A typed dict."""

    city: str
    zip: NotRequired[int]
    since: ReadOnly["NotRequired[int]"]


class Model(pydantic.BaseModel):
    """A model."""

    item: Item
    photo: bytes
    at: datetime.datetime


class Struct(msgspec.Struct, rename="camel"):
    """A struct whose fields are called otherwise on the wire."""

    city_name: str
    photo: bytes
    at: datetime.datetime
    blob: Any = None


@dataclass
class Holder:
    """A dataclass that holds a model and a struct."""

    model: Model
    struct: Struct


NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=datetime.timezone.utc)
MODEL = Model(item=Item("x", 1.5), photo=b"\xff", at=NOW)
STRUCT = Struct("Berlin", b"\xfe", NOW, sg.Ext(5, b"x"))


@pytest.mark.parametrize(
    "body",
    [
        Order(Number(1), [Item("a", 2.0), Item("b")]),
        Order(
            Number(2**60), [], "big", "x", b"\x00\xff", ("t",), NOW, {"n": 1}, (1, "a"), {"any": [1]},
            Order(Number(3), []), True,
        ),
        Typed(city="Berlin"),
        Typed(city="Berlin", zip=10115),
        MODEL,
        STRUCT,
        Holder(MODEL, Struct("Berlin", b"", NOW)),
    ],
    ids=lambda body: type(body).__name__,
)  # fmt: skip
async def test_what_was_published_is_given_back(bus: sg.Bus, body: Any) -> None:
    kind: type[Any] = Typed if isinstance(body, dict) else type(body)
    await bus.publish("s", body)
    async with bus.consume("s", "g", body=kind) as consumer:
        delivery = await consumer.next(timeout=5)
        assert delivery.data == body
        assert type(delivery.data) is (dict if kind is Typed else kind)
        delivery.ack()


async def test_plain_types_are_read_too(bus: sg.Bus) -> None:
    kinds: list[tuple[type[Any], Any]] = [
        (list[Item], [Item("a")]),
        (int, 5),
        (str, "x"),
        (dict[str, int], {"a": 1}),
        (set[int], [1, 2]),
        (Size, "small"),
    ]
    for n, (kind, body) in enumerate(kinds):
        await bus.publish(f"s{n}", body)
        async with bus.consume(f"s{n}", "g", body=kind) as consumer:
            read = (await consumer.next(timeout=5)).data
            assert read == {set[int]: {1, 2}, Size: Size.SMALL}.get(kind, body)


WRONG: list[tuple[Any, Any, str]] = [
    (Item, {"price": 1}, "`name` must be there"),
    (Item, {"name": 5}, "`name` must be str, found int"),
    (Item, {"name": "x", "price": "1"}, "`price` must be float, found str"),
    (Item, {"name": "x", "price": True}, "`price` must be float, found bool"),
    (Item, [1], "it must be a dict, found list"),
    (Item, None, "it must be a dict, found NoneType"),
    (Order, {"number": 1, "items": [{"name": "a"}, {}]}, "`items[1].name` must be there"),
    (Order, {"number": True, "items": []}, "`number` must be int, found bool"),
    (Order, {"number": 1, "items": [], "size": "huge"}, "`size` must be one of 'small', 'big', found str"),
    (Order, {"number": 1, "items": [], "pair": [1]}, "`pair` must be a list of 2"),
    (Order, {"number": 1, "items": [], "pair": [1, 2]}, "`pair[1]` must be str, found int"),
    (Order, {"number": 1, "items": [], "counts": {"a": "b"}}, "`counts.a` must be int, found str"),
    (Order, {"number": 1, "items": [], "parent": {"number": 2}}, "`parent.items` must be there"),
    (Typed, {}, "`city` must be there"),
    (Typed, {"city": "x", "zip": "y"}, "`zip` must be int, found str"),
    (Model, {"item": {"name": "x"}}, "ValidationError"),
    (Struct, {"cityName": 5}, "ValidationError"),
    (Struct, {"city_name": "x"}, "cityName"),
    (list[Item], {}, "a list"),
    (Size, "huge", "a value of Size"),
]


@pytest.mark.parametrize(("kind", "body", "says"), WRONG, ids=str)
async def test_what_does_not_fit_is_a_dead_letter(
    bus: sg.Bus, names: dict[str, Any], kind: Any, body: Any, says: str, caplog: Any
) -> None:
    await bus.publish("s", body, key="k")
    await bus.publish("s", {"fits": "not at all"}, key="k")
    seen = []

    async def handler(body: Any) -> None:
        seen.append(body)

    async with bus.consume("s", "g", body=kind) as consumer:
        await consumer.run(handler, until_idle=True)
    assert seen == []
    page = await bus.dead_letters().list(oldest_first=True)
    assert [letter.reason for letter in page.letters] == ["malformed"] * 2
    assert says in page.letters[0].error
    assert page.letters[0].attempts == 1
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert says in told[0]
    assert (await bus.stream_info("s")).length == 0


async def test_who_pulls_gets_what_fits(bus: sg.Bus) -> None:
    for n in range(6):
        await bus.publish("s", {"name": "x", "price": n} if n % 2 else {"price": n}, key="k")
    async with bus.consume("s", "g", body=Item) as consumer:
        first = await consumer.next(timeout=5)
        first.ack()
        rest = await consumer.next_batch(10, timeout=5)
        rest[0].ack()
        last = await consumer.next(timeout=5)
        assert [first.data, *(one.data for one in rest), last.data] == [Item("x", n) for n in (1, 3, 5)]
        last.ack()
    assert (await bus.dead_letters().inspect()).reasons == {"malformed": 3}


async def test_what_does_not_fit_does_not_begin_the_time_anew(bus: sg.Bus) -> None:
    async def misfits() -> None:
        while True:
            await bus.publish("s", {"price": 1})

    async with bus.consume("s", "g", body=Item) as consumer:
        publishing = asyncio.create_task(misfits())
        async with asyncio.timeout(20):
            with pytest.raises(sg.TimeoutError):
                await consumer.next(timeout=0.2)
            with pytest.raises(sg.TimeoutError):
                await consumer.next_batch(5, timeout=0.2)
        publishing.cancel()
        await asyncio.wait([publishing])


async def test_an_entry_without_a_body_is_malformed_at_once(bus: sg.Bus, names: dict[str, Any]) -> None:
    await bus.store().log_append(f"{names['stream_prefix']}:s", {"other": "x"})

    async def handler(body: Any) -> None:
        pytest.fail("there is nothing to see")

    async with bus.consume("s", "g") as consumer:
        await consumer.run(handler, until_idle=True)
    assert (await bus.dead_letters().inspect()).reasons == {"malformed": 1}


class Own:
    """A class that no body is read as."""


@dataclass
class Bad:
    """A dataclass with a field that no body is read as."""

    own: list[Own]


@pytest.mark.parametrize(("kind", "at"), [(Own, ""), (Bad, "own[]"), (dict[int, str], "[]"), (complex, ""), ("x", "")])
async def test_a_type_that_cannot_be_read_is_refused_at_once(bus: sg.Bus, kind: Any, at: str) -> None:
    with pytest.raises(sg.InvalidError) as caught:
        bus.consume("s", "g", body=kind)
    assert caught.value.context["argument"] == "body"
    assert caught.value.context.get("field", "") == at


def test_a_misfit_is_a_typed_error_with_its_place() -> None:
    class Entry:
        def data(self) -> Any:
            return {"number": 1, "items": [{"name": None}]}

    with pytest.raises(sg.MalformedError) as caught:
        bodies.reader(Order)(Entry())  # type: ignore[arg-type]
    assert caught.value.context == {"expected": "str", "field": "items[0].name"}


async def test_types_reach_the_handler(bus: sg.Bus) -> None:
    """What a type checker says of it is checked by mypy, which reads this file."""
    await bus.publish("s", Item("x", 2))
    seen: list[Item] = []

    async def handler(item: Item, delivery: sg.Delivery[Item]) -> None:
        seen.extend([item, delivery.data])

    consumer: sg.Consumer[Item] = bus.consume("s", "g", body=Item)
    async with consumer:
        await consumer.run(handler, until_idle=True)
    assert seen == [Item("x", 2.0)] * 2
