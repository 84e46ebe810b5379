"""What a function takes as a tool: the schema of its arguments, and what it is given for those of a call.

A parameter of the type of the context, optional or not, is given the context and is no argument. ``**kwargs`` takes
arguments by any other name, of the type that it says. A default may be a ``Field`` of pydantic, beside its type or in
its place: what it says stands in the schema, and its default is given when the call names none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from stargazer_core.errors import Failure, InvalidError
from stargazer_core.hints import is_typed_dict, is_union
from stargazer_core.schema import Schemas, beside
from stargazer_core.typed import value_of

__all__ = ["Parameters"]


class Parameters:
    """The parameters of one function."""

    def __init__(self, function: Callable[..., Any], hints: Mapping[str, Any], context: type) -> None:
        """With the types of its parameters, and that of the context."""
        self._of = inspect.signature(function).parameters
        self._hints = hints
        self._contexts = [name for name, hint in hints.items() if name in self._of and _is(hint, context)]
        fields = {name: _field(of.default, hints.get(name)) for name, of in self._of.items()}
        self._fields = {name: field for name, field in fields.items() if field is not None}
        self._rest: Any = Any
        #: The arguments that ``**kwargs`` names.
        self._listed: dict[str, Any] = {}
        for name, of in self._of.items():
            if of.kind is of.VAR_KEYWORD:
                self._rest = hints.get(name, Any)
                if getattr(get_origin(self._rest), "_name", None) == "Unpack" and is_typed_dict(
                    inner := _inner(self._rest)
                ):
                    self._listed = get_type_hints(inner, include_extras=True)

    def schema(self, remarks: Mapping[str, str]) -> dict[str, Any]:
        """The JSON Schema of the arguments, with a description of each.

        Raises:
            InvalidError: a parameter has no schema, or a default that does not fit it; it is named.
        """
        schemas = Schemas()
        properties: dict[str, Any] = {}
        required: list[str] = []
        more: Any = False
        for name, parameter in self._of.items():
            if name in self._contexts:
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                text = f"`{name}` has no name for its caller; arguments of tools have names"
                raise InvalidError(text, {"field": name})
            if parameter.kind is parameter.VAR_KEYWORD:
                if self._listed:
                    listed = schemas.of_typed_dict(_inner(self._rest))
                    properties.update(listed["properties"])
                    required.extend(listed.get("required", ()))
                else:
                    more = schemas.of(self._rest, name) or True
                continue
            schema = schemas.of(self._hints.get(name, Any), name)
            field = self._fields.get(name)
            default = parameter.default
            if field is not None:
                if default is field:
                    schema = schemas.noted(schema, [field])
                    default = parameter.empty
                if default is parameter.empty and not field.is_required():
                    # What a factory makes is told to nobody before it is wanted.
                    factory = getattr(field, "default_factory", None)
                    default = _UNTOLD if factory is not None else field.default
            if name in remarks and "description" not in schema:
                schema = {**beside(schema), "description": remarks[name]}
            if default is parameter.empty:
                required.append(name)
            elif default is not _UNTOLD:
                schema = schemas.default(schema, default, name)
            properties[name] = schema
        schemas.check_defaults()
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        if more is not True:
            made["additionalProperties"] = more
        if schemas.defs:
            made["$defs"] = schemas.defs
        return made

    def given(self, tool: str, arguments: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """What the function is given for the arguments of a call, which fit the schema.

        Raises:
            Failure: one cannot be taken all the same; it is named.
        """
        given: dict[str, Any] = {}
        for name, value in arguments.items():
            if name in self._contexts:
                raise _refused(tool, name, "it is no argument")
            known = name in self._of and self._of[name].kind is not inspect.Parameter.VAR_KEYWORD
            hint = self._hints.get(name, Any) if known else self._listed.get(name, Any if self._listed else self._rest)
            try:
                given[name] = value_of(hint, value)
            except Exception as error:
                raise _refused(tool, name, str(error)) from error
        for name, field in self._fields.items():
            of = self._of[name]
            if name not in given and (of.default is field or of.default is of.empty):
                given[name] = field.get_default(call_default_factory=True)
        given.update(dict.fromkeys(self._contexts, context))
        return given


#: A default that is made when it is wanted.
_UNTOLD = object()


def _refused(tool: str, name: str, why: str) -> Failure:
    text = f"arguments of `{tool}`: `{name}` cannot be taken: {why}"
    return Failure("invalid_arguments", text, details={"field": name})


def _inner(hint: Any) -> Any:
    return get_args(hint)[0]


def _is(hint: Any, kind: type) -> bool:
    """Whether a type is this one, or this one or nothing."""
    if get_origin(hint) is Annotated:
        return _is(_inner(hint), kind)
    if is_union(hint):
        members = [member for member in get_args(hint) if member is not type(None)]
        return len(members) == 1 and _is(members[0], kind)
    return hint is kind


def _field(default: Any, hint: Any) -> Any:
    """The field of pydantic that stands for a default, or beside the type."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    for one in (default, *reversed(notes)):
        if not isinstance(one, type) and all(hasattr(one, name) for name in ("is_required", "get_default")):
            if getattr(one, "alias", None) or getattr(one, "validation_alias", None):
                raise InvalidError("an argument of a tool has the name of its parameter: `Field` without alias")
            return one
    return None
