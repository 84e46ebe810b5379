"""Mirrors: classes whose methods wait for those of another.

A mirror has every public member of the class that it mirrors, but for those it names a reason for; what the mirror of
a base has mirrored, it inherits. A coroutine is waited for, an asynchronous iterator is iterated, ``async with`` is
``with``; what is given back is a mirror again where its class has one. For type checkers the mirrors stand in
``sync.pyi``, which is written from the classes themselves (``tools/sync_stub.py``).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar

from stargazer_core.delivery import Settled
from stargazer_core.errors import ClosedError, ForkedError, InvalidError
from stargazer_core.waiter import Waiter

__all__ = ["Mirror"]

_END = object()


class Mirror:
    """An object of a bus, waited for."""

    __slots__ = ("_of", "_waiter")

    #: The class that is mirrored.
    mirrored: ClassVar[type]
    #: Members that it does not have, and why.
    without: ClassVar[Mapping[str, str]]
    #: Attributes that only instances have, and their types.
    attributes: ClassVar[Mapping[str, type]]
    #: All mirrors, by the class that they mirror.
    mirrors: ClassVar[dict[type, type[Mirror]]] = {}

    _of: Any
    _waiter: Waiter

    def __init_subclass__(
        cls,
        of: type | None = None,
        *,
        at_once: bool = False,
        attributes: Mapping[str, type] | None = None,
        without: Mapping[str, str] | None = None,
    ) -> None:
        """Mirrors a class.

        ``at_once``: its plain methods need no loop; ``attributes``: those that only its instances have.
        """
        super().__init_subclass__()
        if of is None:
            # Somebody's own kind of one of them.
            return
        cls.mirrored = of
        cls.without = {} if without is None else without
        cls.attributes = {} if attributes is None else attributes
        for name in cls.attributes:
            setattr(cls, name, _attribute(name, None))
        inherited = _inherited(cls, of)
        Mirror.mirrors[of] = cls
        for name in dir(of):
            if name in inherited:
                continue
            if name in _DUNDERS:
                _DUNDERS[name](cls, of)
            elif not name.startswith("_") and name not in cls.without and name not in vars(cls):
                setattr(cls, name, _member(of, name, at_once))

    def __init__(self, waiter: Waiter, of: Any) -> None:
        """For mirrors only."""
        self._waiter = waiter
        self._of = of

    def _given(self, value: Any) -> Any:
        """What somebody without a loop is given for a value."""
        if isinstance(value, Settled):
            return None
        mirror = Mirror.mirrors.get(type(value))
        if mirror is not None:
            return _made(mirror, self._waiter, value)
        if isinstance(value, list) and value and type(value[0]) in Mirror.mirrors:
            # Deliveries of a batch. Any other list is somebody's body, and stays what it is.
            return [self._given(item) for item in value]
        return value

    def __repr__(self) -> str:
        """As what it mirrors."""
        name = type(self._of).__name__
        return repr(self._of).replace(name, f"Sync{name}", 1)


def _inherited(cls: type[Mirror], of: type) -> set[str]:
    """Members that the mirror of a base of ``of`` has, and that ``of`` has left as they are."""
    base = next((base for base in cls.__mro__[1:] if issubclass(base, Mirror) and "mirrored" in vars(base)), None)
    if base is None:
        return set()
    return {
        name
        for name in dir(base.mirrored)
        if name not in base.without and inspect.getattr_static(base.mirrored, name) is inspect.getattr_static(of, name)
    }


def _made(mirror: type[Mirror], waiter: Waiter, of: Any) -> Mirror:
    made = mirror.__new__(mirror)
    Mirror.__init__(made, waiter, of)
    return made


def _taken(value: Any) -> Any:
    """What the mirrored class takes for a value."""
    return value._of if isinstance(value, Mirror) else value


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [_taken(arg) for arg in args], {name: _taken(arg) for name, arg in kwargs.items()}


def _member(of: type, name: str, at_once: bool) -> Any:
    member = inspect.getattr_static(of, name)
    if inspect.iscoroutinefunction(member):
        return _waiting(member)
    if inspect.isasyncgenfunction(member):
        return _iterating(member)
    if inspect.isfunction(member):
        return _calling(member, at_once)
    return _attribute(name, inspect.getdoc(member))


def _attribute(name: str, doc: str | None) -> Any:
    def read(self: Mirror) -> Any:
        return self._given(getattr(self._of, name))

    return property(read, doc=doc)


def _waiting(member: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
    @functools.wraps(member)
    def method(self: Mirror, /, *args: Any, **kwargs: Any) -> Any:
        args_, kwargs_ = _arguments(args, kwargs)
        return self._given(self._waiter.wait(member(self._of, *args_, **kwargs_)))

    return method


def _calling(member: Callable[..., Any], at_once: bool) -> Any:
    @functools.wraps(member)
    def method(self: Mirror, /, *args: Any, **kwargs: Any) -> Any:
        args_, kwargs_ = _arguments(args, kwargs)
        call = functools.partial(member, self._of, *args_, **kwargs_)
        given = call() if at_once else self._waiter.call(call)
        return self if given is self._of else self._given(given)

    return method


def _iterating(member: Callable[..., Any]) -> Any:
    @functools.wraps(member)
    def method(self: Mirror, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        args_, kwargs_ = _arguments(args, kwargs)
        items = member(self._of, *args_, **kwargs_)
        try:
            while (item := self._waiter.wait(_next(items))) is not _END:
                yield self._given(item)
        finally:
            # Left over by a bus that is closed, or dropped where nobody may wait: its loop ends it, or has ended it.
            with contextlib.suppress(ClosedError, ForkedError, InvalidError):
                self._waiter.wait(items.aclose())

    return method


async def _next(items: Any) -> Any:
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        return _END


def _mirror_iteration(cls: type[Mirror], of: Any) -> None:
    if inspect.isasyncgenfunction(of.__aiter__):
        cls.__iter__ = _iterating(of.__aiter__)  # type: ignore[attr-defined]
        return

    def itself(self: Mirror) -> Mirror:
        return self

    def following(self: Mirror) -> Any:
        item = self._waiter.wait(_next(self._of))
        if item is _END:
            raise StopIteration
        return self._given(item)

    itself.__doc__, following.__doc__ = of.__aiter__.__doc__, of.__anext__.__doc__
    cls.__iter__, cls.__next__ = itself, following  # type: ignore[attr-defined]


def _mirror_context(cls: type[Mirror], of: Any) -> None:
    def enter(self: Mirror) -> Mirror:
        self._waiter.wait(self._of.__aenter__())
        return self

    def leave(
        self: Mirror, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._waiter.wait(self._of.__aexit__(kind, error, at))

    enter.__doc__, leave.__doc__ = of.__aenter__.__doc__, of.__aexit__.__doc__
    for name, function in (("__enter__", enter), ("__exit__", leave)):
        if name not in vars(cls):
            setattr(cls, name, function)


_DUNDERS: dict[str, Callable[[type[Mirror], Any], None]] = {
    "__aiter__": _mirror_iteration,
    "__aenter__": _mirror_context,
}
