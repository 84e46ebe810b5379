"""What a tool's parameters become: models that refer to themselves, fields, defaults, ``**kwargs``, base64."""

# ruff: noqa: UP007, UP045, B008 - people write their types in both ways, and fields as defaults

from __future__ import annotations

import base64
import enum
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import msgspec
import pydantic
import pytest
import stargazer_core as sg
from stargazer_core import tool
from stargazer_core.foreign import Hoist
from stargazer_core.typed import value_of
from typing_extensions import NotRequired, ReadOnly, Required, Unpack


class Tree(pydantic.BaseModel):
    name: str
    inner: list[Tree] = []
    beside: Optional[Leaf] = None


class Leaf(pydantic.BaseModel):
    tree: Tree | None = None


class Node(msgspec.Struct):
    n: int
    next: Optional[Node] = None


def parameters(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = tool(function).definition["parameters"]
    return found


async def test_a_model_that_refers_to_itself_has_a_schema_and_is_checked(bus: sg.Bus) -> None:
    @tool
    async def depth(tree: Tree) -> int:
        return 1 + max((1 for _ in tree.inner), default=0)

    schema = depth.definition["parameters"]
    assert schema["properties"]["tree"] == {"$ref": "#/$defs/Tree"}
    assert schema["$defs"]["Tree"]["properties"]["inner"]["items"] == {"$ref": "#/$defs/Tree"}
    assert schema["$defs"]["Tree"]["required"] == ["name"]
    assert set(schema["$defs"]) == {"Tree", "Leaf"}
    async with bus.serve_tools(depth), bus.tool_registry() as registry:
        assert registry.openai_tools()[0]["function"]["parameters"] == schema
        json.dumps(registry.openai_tools())
        assert await bus.call("depth", {"tree": {"name": "a", "inner": [{"name": "b"}]}}) == 2
        with pytest.raises(sg.RemoteError) as told:
            await bus.call("depth", {"tree": {"name": "a", "inner": [{"nam": "b"}]}})
        assert "`tree.inner[0].name` is missing" in str(told.value)


async def test_a_struct_that_refers_to_itself_has_a_schema_and_is_checked(bus: sg.Bus) -> None:
    @tool
    async def last(node: Node) -> int:
        return node.n if node.next is None else node.next.n

    assert last.definition["parameters"]["$defs"]["Node"]["properties"]["next"]["anyOf"][0] == {"$ref": "#/$defs/Node"}
    async with bus.serve_tools(last):
        assert await bus.call("last", {"node": {"n": 1, "next": {"n": 2}}}) == 2
        with pytest.raises(sg.RemoteError, match=r"node\.next"):
            await bus.call("last", {"node": {"n": 1, "next": {"n": "2"}}})


def test_two_classes_of_one_name_are_kept_apart() -> None:
    def other() -> Any:
        class Tree(pydantic.BaseModel):
            height: int

        class Forest(pydantic.BaseModel):
            trees: list[Tree]

        return Forest

    def function(forest: Any, tree: Tree, leaf: Leaf, node: Node) -> None: ...

    function.__annotations__.update(forest=other(), tree=Tree, leaf=Leaf, node=Node)
    schema = parameters(function)
    trees = schema["$defs"]["Forest"]["properties"]["trees"]["items"]["$ref"].rpartition("/")[2]
    assert "height" in schema["$defs"][trees]["properties"]
    tree = schema["properties"]["tree"]["$ref"].rpartition("/")[2]
    assert set(schema["$defs"][tree]["properties"]) == {"name", "inner", "beside"}
    assert schema["$defs"][tree]["properties"]["inner"]["items"] == {"$ref": f"#/$defs/{tree}"}
    # What both of the others name is there once.
    assert len(schema["$defs"]) == 5


def test_only_references_are_renamed() -> None:
    defs: dict[str, Any] = {"A": {"type": "string"}}
    ref = {"$ref": "#/$defs/A"}
    told = {"properties": {"default": ref, "$ref": ref, "x": {"const": ref}}, "$defs": {"A": {"type": "null"}}}
    name = Hoist(defs).take("Root", told)
    new = {"$ref": "#/$defs/A2"}
    assert defs[name] == {"properties": {"default": new, "$ref": new, "x": {"const": ref}}}
    assert defs["A2"] == {"type": "null"}


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (Optional[int], 1.0, 1),
        (Union[int, str], 1.0, 1),
        (Union[int, float], 1.0, 1.0),
        (Union[str, float], 1, 1.0),
        (Optional[list[int]], [1.0, 2], [1, 2]),
        (Literal[1, "a"], 1.0, 1),
        (Optional[Literal[1]], 1.0, 1),
        (bytes, "AAE=", b"\x00\x01"),
        (bytes, b"\x00", b"\x00"),
        (Optional[bytes], "AAE=", b"\x00\x01"),
        (Union[bytes, str], "AAE=", "AAE="),
    ],
)
def test_a_whole_number_is_an_integer_and_base64_is_bytes(hint: Any, given: Any, value: Any) -> None:
    made = value_of(hint, given)
    assert (made, type(made)) == (value, type(value))


async def test_text_for_bytes_is_base64(bus: sg.Bus) -> None:
    @tool
    async def size(data: bytes, more: bytes = b"\x01") -> int:
        assert isinstance(data, bytes)
        return len(data) + len(more)

    assert size.definition["parameters"]["properties"]["data"] == {"type": "string", "contentEncoding": "base64"}
    assert size.definition["parameters"]["properties"]["more"]["default"] == "AQ=="
    async with bus.serve_tools(size):
        assert await bus.call("size", {"data": base64.b64encode(b"abc").decode()}) == 4
        assert await bus.call("size", {"data": b"abc", "more": b""}) == 3
        with pytest.raises(sg.RemoteError, match="base64") as told:
            await bus.call("size", {"data": "not base64!"})
    assert (told.value.remote_code, told.value.details["field"]) == ("invalid_arguments", "data")


async def test_fields_of_pydantic_say_defaults_bounds_and_meanings(bus: sg.Bus) -> None:
    @tool
    async def look(
        city: Annotated[str, pydantic.Field(description="Its name.", min_length=1)],
        days: int = pydantic.Field(default=3, ge=1, description="How many."),
        unit: Annotated[str, pydantic.Field(default="c")] = "f",
        tags: list[str] = pydantic.Field(default_factory=lambda: ["x"], max_length=2),
    ) -> list[Any]:
        return [city, days, unit, tags]

    schema = look.definition["parameters"]
    properties = schema["properties"]
    assert properties["city"] == {"type": "string", "description": "Its name.", "minLength": 1}
    assert properties["days"] == {"type": "integer", "minimum": 1, "description": "How many.", "default": 3}
    assert properties["unit"]["default"] == "f", "what stands behind the sign counts"
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}, "maxItems": 2}
    assert schema["required"] == ["city"]
    async with bus.serve_tools(look):
        assert await bus.call("look", {"city": "B"}) == ["B", 3, "f", ["x"]]
        assert await bus.call("look", {"city": "B", "days": 5.0}) == ["B", 5, "f", ["x"]]
        with pytest.raises(sg.RemoteError, match="`days` must be at least 1"):
            await bus.call("look", {"city": "B", "days": 0})


async def test_a_field_beside_the_type_gives_its_default(bus: sg.Bus) -> None:
    @tool
    async def beside(days: Annotated[int, pydantic.Field(default=4)]) -> int:
        return days

    assert "required" not in beside.definition["parameters"]
    async with bus.serve_tools(beside):
        assert await bus.call("beside") == 4

    def renamed(days: int = pydantic.Field(alias="tage")) -> None: ...

    with pytest.raises(sg.InvalidError, match="alias"):
        tool(renamed)


def test_lengths_hold_for_what_may_be_missing() -> None:
    def function(
        text: Annotated[str | None, pydantic.Field(max_length=3)] = None,
        items: Annotated[list[int] | None, pydantic.Field(max_length=2)] = None,
    ) -> None: ...

    properties = parameters(function)["properties"]
    assert properties["text"]["maxLength"] == 3
    assert (properties["items"]["maxItems"], "maxLength" in properties["items"]) == (2, False)


async def test_more_arguments_have_their_type(bus: sg.Bus) -> None:
    class More(TypedDict, total=False):
        depth: int

    @tool
    async def count(context: sg.ToolContext, **counts: int) -> dict[str, int]:
        assert all(type(n) is int for n in counts.values())
        return counts

    @tool
    async def listed(**more: Unpack[More]) -> dict[str, Any]:
        return dict(more)

    @tool
    async def free(**more: Any) -> dict[str, Any]:
        return more

    assert count.definition["parameters"]["additionalProperties"] == {"type": "integer"}
    assert listed.definition["parameters"]["properties"] == {"depth": {"type": "integer"}}
    assert listed.definition["parameters"]["additionalProperties"] is False
    assert "additionalProperties" not in free.definition["parameters"]
    async with bus.serve_tools(count, listed, free):
        assert await bus.call("count", {"a": 1, "b": 2.0}) == {"a": 1, "b": 2}
        assert await bus.call("listed", {"depth": 2.0}) == {"depth": 2}
        assert await bus.call("free", {"any": "x"}) == {"any": "x"}
        for name, arguments in (("count", {"a": "1"}), ("listed", {"other": 1}), ("count", {"context": 1})):
            with pytest.raises(sg.RemoteError) as told:
                await bus.call(name, arguments)
            assert told.value.remote_code == "invalid_arguments"


class Marked(TypedDict):
    """A typed dict with every mark."""

    size: ReadOnly[Size]
    sizes: ReadOnly[NotRequired[list[Size]]]
    n: Annotated[Required[int], "how many"]


class Size(enum.Enum):
    SMALL = "small"


async def test_marks_of_a_typed_dict_are_read(bus: sg.Bus) -> None:
    @tool
    async def sized(given: Marked) -> list[Any]:
        return [given["size"] is Size.SMALL, given.get("sizes") == [Size.SMALL]]

    [schema] = sized.definition["parameters"]["$defs"].values()
    assert schema["properties"]["size"] == {"$ref": "#/$defs/Size"} or schema["properties"]["size"] == {
        "enum": ["small"]
    }
    assert schema["required"] == ["size", "n"]
    async with bus.serve_tools(sized):
        assert await bus.call("sized", {"given": {"size": "small", "sizes": ["small"], "n": 1}}) == [True, True]
        assert await bus.call("sized", {"given": {"size": "small", "n": 1}}) == [True, False]


@dataclass
class Odd:
    n: int = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (float, float("nan")),
        (float, float("inf")),
        (int, "one"),
        (int, None),
        (list[int], ("a",)),
        (Literal["a"], "b"),
        (Annotated[int, pydantic.Field(ge=1)], 0),
        (dict[str, float], {"a": float("nan")}),
        (int, 2**70),
    ],
)
def test_a_default_that_does_not_fit_is_refused(hint: Any, default: Any) -> None:
    def function(it: Any = default) -> None: ...

    function.__annotations__["it"] = hint
    with pytest.raises(sg.InvalidError, match="default of `it`") as told:
        tool(function)
    assert told.value.context["field"] == "it"


def test_a_default_in_a_dataclass_must_fit_as_well_and_odd_ones_are_the_functions_own() -> None:
    def function(it: Odd) -> None: ...
    def own(it: str = object()) -> None: ...  # type: ignore[assignment]

    with pytest.raises(sg.InvalidError, match="default of `n`"):
        tool(function)
    assert parameters(own)["properties"]["it"] == {"type": "string"}


async def test_a_context_may_be_optional(bus: sg.Bus) -> None:
    @tool
    async def name(
        first: Optional[sg.ToolContext] = None,
        second: sg.ToolContext | None = None,
        third: Annotated[sg.ToolContext, "of the call"] = None,  # type: ignore[assignment]
    ) -> list[str]:
        return [context.tool for context in (first, second, third) if context is not None]

    assert name.definition["parameters"]["properties"] == {}
    async with bus.serve_tools(name):
        assert await bus.call("name") == ["name"] * 3
    assert await name() == []
