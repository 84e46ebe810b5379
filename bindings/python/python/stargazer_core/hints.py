"""What type hints are made of, for all that read them: bodies, arguments and their schemas."""

from __future__ import annotations

import collections.abc as abc
import types
from typing import Annotated, Any, Union, get_args, get_origin

__all__ = ["LISTS", "MAPPINGS", "SETS", "UNIONS", "is_typed_dict", "is_union", "marked", "needed"]

#: What is read from a list, and stays one.
LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
#: What is read from a list whose items differ.
SETS = (set, frozenset, abc.Set, abc.MutableSet)
#: What is read from a dict.
MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
#: The origins of ``Union[int, str]`` and of ``int | str``.
UNIONS = (Union, types.UnionType)


def marked(hint: Any) -> str:
    """How a key of a typed dict is marked: ``Required``, ``NotRequired``, ``ReadOnly`` or ``""``.

    Also by the marks of ``typing_extensions``. One mark may stand in another.
    """
    name = getattr(get_origin(hint), "_name", None)
    return name if name in ("Required", "NotRequired", "ReadOnly") else ""


def needed(typed_dict: Any, hints: abc.Mapping[str, Any]) -> list[str]:
    """The keys that a typed dict must have; ``hints`` are its own, with everything beside the types."""
    # Where annotations are texts, the class does not know which of its keys are marked.
    return [name for name, hint in hints.items() if name in typed_dict.__required_keys__ and not _may_miss(hint)]


def _may_miss(hint: Any) -> bool:
    while (mark := marked(hint)) or get_origin(hint) is Annotated:
        if mark == "NotRequired":
            return True
        hint = get_args(hint)[0]
    return False


def is_union(hint: Any) -> bool:
    """Whether it is a union of types."""
    return get_origin(hint) in UNIONS


def is_typed_dict(hint: Any) -> bool:
    """Whether it is a ``TypedDict``."""
    return isinstance(hint, type) and issubclass(hint, dict) and hasattr(hint, "__required_keys__")
