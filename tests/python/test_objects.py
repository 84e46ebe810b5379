"""Bodies that are objects: dataclasses, typed dicts, models of pydantic, structs of msgspec."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

import msgspec
import pydantic
import pytest
import stargazer_core as sg
from stargazer_core import _native


@dataclass
class Place:
    """A dataclass with what is no field of it."""

    city: str
    tags: list[str] = field(default_factory=list)
    planet: ClassVar[str] = "Earth"


@dataclass(frozen=True, slots=True)
class Slotted:
    """One without a dict of its own."""

    n: int


class Model(pydantic.BaseModel):
    """A model with a model inside."""

    place: Place
    photo: bytes


class Struct(msgspec.Struct, rename="camel"):
    """A struct whose fields are called otherwise on the wire, with one that may be left out."""

    city_name: str
    size: int | msgspec.UnsetType = msgspec.UNSET


class Typed(TypedDict):
    """A dict like any other."""

    city: str


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (Place("Berlin", ["big"]), {"city": "Berlin", "tags": ["big"]}),
        (Slotted(2**53), {"n": 2**53}),
        (Model(place=Place("Berlin"), photo=b"\xff"), {"place": {"city": "Berlin", "tags": []}, "photo": b"\xff"}),
        (Struct("Berlin"), {"cityName": "Berlin"}),
        (Struct("Berlin", 3), {"cityName": "Berlin", "size": 3}),
        (Typed(city="Berlin"), {"city": "Berlin"}),
        ([{"of": Slotted(1)}], [{"of": {"n": 1}}]),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_objects_are_published_as_the_maps_they_are(bus: sg.Bus, body: Any, plain: Any) -> None:
    await bus.publish("s", body)
    assert [entry.data for entry in await bus.entries("s")] == [plain]


@pytest.mark.parametrize("body", [Place, Model, Struct, object()], ids=str)
def test_classes_and_other_objects_are_refused(body: Any) -> None:
    with pytest.raises(sg.InvalidError, match="dataclass, model, struct"):
        _native.encode({"deep": [body]})


def test_what_is_in_an_object_is_refused_by_its_path() -> None:
    with pytest.raises(sg.InvalidError) as caught:
        _native.encode({"place": Place("Berlin", [object()])})  # type: ignore[list-item]
    assert caught.value.context["field"] == "place.tags[0]"


def test_an_object_that_holds_itself_is_refused() -> None:
    place = Place("Berlin")
    place.tags.append(place)  # type: ignore[arg-type]
    with pytest.raises(sg.StargazerError):
        _native.encode(place)


def test_an_object_that_fails_to_be_read_says_so() -> None:
    class Broken(pydantic.BaseModel):
        def model_dump(self, **_: Any) -> dict[str, Any]:
            raise RuntimeError("no dump today")

    with pytest.raises(sg.InvalidError, match="no dump today"):
        _native.encode(Broken())
