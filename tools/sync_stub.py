"""Writes the types of the waiting classes, ``sync.pyi``, from the classes that they mirror.

Run it after a change of a mirrored class: ``.venv/bin/python tools/sync_stub.py``. A test compares what it would write.
"""

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stargazer_core import sync
from stargazer_core.mirror import Mirror

STUB = Path(__file__).resolve().parents[1] / "bindings/python/python/stargazer_core/sync.pyi"

HEAD = '''"""The types of ``sync.py``, written by ``tools/sync_stub.py`` from the classes that are mirrored."""
'''

#: What a method that waits takes instead.
TAKEN = {of.__name__: mirror.__name__ for of, mirror in Mirror.mirrors.items()}
#: What it gives instead.
GIVEN = {"AsyncIterator": "Iterator", "Settled": "None", **TAKEN}

CONTEXT = '''
    def __enter__(self) -> Self:
        """Opens it, or takes it; leaving ends that."""
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes it, or gives it up."""
'''

#: Names that the parts use that are written here, and the modules that have them.
OWN = {
    "Self": "typing_extensions",
    "TypeVar": "typing_extensions",
    "TracebackType": "types",
    "Any": "typing",
    "Generic": "typing",
    "Iterator": "collections.abc",
    "Mirror": "stargazer_core.mirror",
}


class Rename(ast.NodeTransformer):
    """Puts other names into an annotation."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A name, as it is or as it is called here."""
        return ast.parse(self._names.get(node.id, node.id), mode="eval").body


class Source:
    """A module as it is written: its classes, and where its names come from."""

    def __init__(self, module: str) -> None:
        text = inspect.getsource(importlib.import_module(module))
        self.tree = ast.parse(text)
        self.origins: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self.origins.update({alias.asname or alias.name: node.module for alias in node.names})
        for node in self.tree.body:
            for name in _defined(node):
                self.origins[name] = module

    def members(self, name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """The functions of a class, in their order."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                for member in node.body:
                    if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield member


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


class Stub:
    """The stub as it grows."""

    def __init__(self) -> None:
        self._source = functools.cache(Source)
        self.imports = dict(OWN)

    def of(self, mirror: type[Mirror]) -> str:
        """The text of a class."""
        of, seen, lines = mirror.mirrored, set(mirror.without), [self._head(mirror)]
        # What it has of its own is written in ``sync.py``, in its own words.
        written = self._source(mirror.__module__)
        for member in written.members(mirror.__name__):
            if member.name == "__init__" or not member.name.startswith("_"):
                lines.append(self._member(member, written, {}, {}))
                seen.add(member.name)
        for name, kind in mirror.attributes.items():
            doc = f"    {_documented(f'As :class:`{of.__name__}` has it.')}"
            lines.append(f"    @property\n    def {name}(self) -> {kind.__name__}:\n    {doc}")
        parent = _parent(mirror)
        inherited = () if parent is Mirror else parent.mirrored.__mro__
        for base in of.__mro__:
            if base in inherited or not base.__module__.startswith("stargazer_core"):
                continue
            source = self._source(base.__module__)
            names = {member.name for member in source.members(base.__name__)}
            for member in source.members(base.__name__):
                if member.name in seen:
                    continue
                if not member.name.startswith("_"):
                    lines.append(self._member(member, source, TAKEN, GIVEN))
                elif member.name in ("__aiter__", "__anext__"):
                    member.name = member.name.replace("__a", "__")
                    lines.append(self._member(member, source, TAKEN, GIVEN))
            seen |= names
        if hasattr(of, "__aenter__"):
            lines.append(CONTEXT)
        return "\n".join(lines)

    def _head(self, mirror: type[Mirror]) -> str:
        generic = ", Generic[T]" if "Generic" in {base.__name__ for base in mirror.__bases__} else ""
        head = f"class {mirror.__name__}({_parent(mirror).__name__}{generic})"
        return f"{head}:\n    {_documented(inspect.getdoc(mirror))}\n"

    def _member(
        self,
        member: ast.FunctionDef | ast.AsyncFunctionDef,
        source: Source,
        taken: dict[str, str],
        given: dict[str, str],
    ) -> str:
        arguments = member.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None and argument.annotation is not None:
                argument.annotation = self._known(argument.annotation, taken, source)
        returns = None if member.returns is None else self._known(member.returns, given, source)
        arguments.defaults = [_default(value) for value in arguments.defaults]
        arguments.kw_defaults = [None if value is None else _default(value) for value in arguments.kw_defaults]
        decorators = [d for d in member.decorator_list if isinstance(d, ast.Name) and d.id in ("overload", "property")]
        for decorator in decorators:
            if decorator.id == "overload":
                self.imports["overload"] = "typing"
        overloaded = any(d.id == "overload" for d in decorators)
        if not overloaded and self._is_overloaded(member.name):
            return ""
        self._last_overloaded = member.name if overloaded else ""
        made = ast.FunctionDef(
            name=member.name,
            args=arguments,
            body=[ast.Expr(ast.Constant(...))],
            decorator_list=list[ast.expr](decorators),
            returns=returns,
            type_params=[],
        )
        text = ast.unparse(ast.fix_missing_locations(made)).removesuffix("\n    ...")
        doc = "..." if overloaded else _documented(ast.get_docstring(member))
        return "\n".join(f"    {line}" if line else "" for line in f"{text}\n    {doc}".splitlines())

    _last_overloaded = ""

    def _is_overloaded(self, name: str) -> bool:
        return self._last_overloaded == name

    def _known(self, annotation: ast.expr, names: dict[str, str], source: Source) -> ast.expr:
        """An annotation, renamed, with its names imported."""
        renamed: ast.expr = Rename(names).visit(annotation)
        for node in ast.walk(renamed):
            if isinstance(node, ast.Name) and node.id in source.origins and node.id not in ("T", "R"):
                self.imports.setdefault(node.id, source.origins[node.id])
        return renamed


def _parent(mirror: type[Mirror]) -> type[Mirror]:
    """The mirror that it goes on from."""
    return next(base for base in mirror.__bases__ if issubclass(base, Mirror))


def _documented(doc: str | None) -> str:
    """What people read in an editor, a level deeper."""
    if doc is None:
        return "..."
    text = f'"""{doc}\n"""' if "\n" in doc else f'"""{doc}"""'
    return text.replace("\n", "\n    ").replace("\n    \n", "\n\n")


def _default(value: ast.expr) -> ast.expr:
    return value if isinstance(value, ast.Constant) else ast.Constant(...)


def written() -> str:
    """The stub, formatted."""
    stub = Stub()
    classes = [stub.of(getattr(sync, name)) for name in sync.__all__]
    modules: dict[str, set[str]] = {}
    for name, module in stub.imports.items():
        modules.setdefault(module, set()).add(name)
    imports = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())]
    variables = 'T = TypeVar("T", default=Any)\nR = TypeVar("R")\n'
    exported = f"__all__ = {sync.__all__!r}\n"
    text = "\n".join([HEAD, *imports, exported, variables, "\n\n".join(classes)])
    for command in (["check", "--select", "I,F401", "--fix", "--quiet"], ["format", "--quiet"]):
        words = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(STUB), "-"]
        text = subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> None:
    """Writes it."""
    STUB.write_text(written())


if __name__ == "__main__":
    main()
