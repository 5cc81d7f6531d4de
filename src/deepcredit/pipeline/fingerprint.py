"""What code a result depends on, and a digest of it that comments, docstrings, annotations and formatting don't touch.

An array depends on every module of the package that its experiment module imports, directly or not. A figure depends
only on the definitions that its functions reach, so that editing one plotting function redraws its figures alone.

Parsing the package takes a second, so what a module's text says is kept in `results/cache/parsed`, by its content.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.pipeline import paths
from deepcredit.pipeline.files import write_text
from deepcredit.pipeline.paths import PACKAGE

#: stands for the statements of a module that define no name
BODY = "<module>"


@dataclass(frozen=True)
class Module:
    """A parsed module: its definitions in normal form, the names each of them uses, and what it imports."""

    definitions: dict[str, str]
    uses: dict[str, frozenset[str]]
    #: local name → (module of the package, name in it or None for the module itself)
    imported: dict[str, tuple[str, str | None]]
    imports: frozenset[str]


def digest(text: str) -> str:
    """Short SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def modules_reached(entry: str) -> list[str]:
    """The package modules that importing `entry` brings in, itself included, sorted."""
    seen: set[str] = set()
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.extend(parsed(name).imports)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return sorted(seen)


@cache
def code_of_experiment(kind: str) -> dict[str, dict[str, str]]:
    """Module → definition → digest of all code that computes cells of this kind."""
    names = modules_reached(f"deepcredit.experiments.{kind}")
    return {name: _digests(parsed(name)) for name in names if parsed(name).definitions}


def code_of_functions(entries: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Module → definition → digest of all code that the functions `(module, name)` reach."""
    found: dict[str, dict[str, str]] = {}
    for module, name in sorted(_definitions_reached(entries)):
        if name in parsed(module).definitions:
            found.setdefault(module, {})[name] = digest(parsed(module).definitions[name])
    return found


def fingerprint(code: dict[str, dict[str, str]]) -> str:
    """One digest for a table of module → definition → digest."""
    return digest("\n".join(f"{m}:{d}:{h}" for m, table in sorted(code.items()) for d, h in sorted(table.items())))


def _digests(module: Module) -> dict[str, str]:
    return {name: digest(text) for name, text in module.definitions.items()}


def _definitions_reached(entries: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    waiting = list(entries)
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        waiting.extend(_references(module, name))
    return seen


def _references(module_name: str, definition: str) -> Iterator[tuple[str, str]]:
    """The definitions that a definition of a module names, here and in the modules it imports from."""
    module = parsed(module_name)
    if definition != BODY:
        yield module_name, BODY
    for used in module.uses.get(definition, ()):
        name, _, attribute = used.partition(".")
        if name in module.definitions:
            yield module_name, name
        elif name in module.imported:
            source, original = module.imported[name]
            if original is not None:
                yield source, original
            elif attribute:
                yield source, attribute
            else:
                yield from ((source, d) for d in parsed(source).definitions)


@cache
def parsed(name: str) -> Module:
    """The module `name` of the package; an empty one where there is no such file."""
    path = _file(name)
    if path is None:
        return Module({}, {}, {}, frozenset())
    text = path.read_text(encoding="utf-8")
    kept = paths.cache_folder() / "parsed" / f"{name}-{digest(text + _how_to_parse())}.json"
    try:
        tree = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        tree = _parse(text, name, path.name == "__init__.py")
        for old in kept.parent.glob(f"{name}-*.json"):
            old.unlink(missing_ok=True)
        write_text(kept, json.dumps(tree, ensure_ascii=False))
    return _module(tree)


@cache
def _how_to_parse() -> str:
    return Path(__file__).read_text(encoding="utf-8")


def _module(tree: dict[str, Any]) -> Module:
    imported = {local: _target(source, name) for local, (source, name) in tree["imported"].items()}
    uses = {definition: frozenset(names) for definition, names in tree["uses"].items()}
    return Module(tree["definitions"], uses, imported, frozenset(source for source, _ in imported.values()))


def _target(source: str, name: str | None) -> tuple[str, str | None]:
    """Where an import leads: `from package import name` may name a module or something in one."""
    if name is not None and _file(f"{source}.{name}") is not None:
        return f"{source}.{name}", None
    return source, name


def _file(name: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*name.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _parse(text: str, name: str, is_package: bool) -> dict[str, Any]:
    """The fields of a `Module` as JSON can hold them, but for its imports, which are as they are written."""
    tree = _Normal().visit(ast.parse(text))
    package = name if is_package else name.rpartition(".")[0]
    imported = dict(_imported_names(tree, package))
    definitions: dict[str, list[str]] = {}
    uses: dict[str, set[str]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        for defined in _names_defined(statement):
            definitions.setdefault(defined, []).append(ast.unparse(statement))
            uses.setdefault(defined, set()).update(_names_used(statement))
    return {
        "definitions": {n: "\n".join(parts) for n, parts in definitions.items()},
        "uses": {n: sorted(names) for n, names in uses.items()},
        "imported": imported,
    }


def _names_defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            return names or [BODY]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return [BODY]


def _names_used(node: ast.AST) -> Iterator[str]:
    """Names read anywhere below `node`; `a.b` where an attribute of a name is read."""
    dotted = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name):
            yield f"{child.value.id}.{child.attr}"
        elif isinstance(child, ast.Name) and id(child) not in dotted:
            yield child.id


def _imported_names(tree: ast.AST, package: str) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Local names bound by imports from this package, function-local imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE.name:
                    yield (alias.asname or alias.name, (alias.name, None))
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            if source.split(".")[0] == PACKAGE.name:
                for alias in node.names:
                    yield (alias.asname or alias.name, (source, alias.name))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


class _Normal(ast.NodeTransformer):
    """Drops what cannot change a number: docstrings, annotations, imports made for type checkers alone."""

    def _body(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        node.body = body or ([] if isinstance(node, ast.Module) else [ast.Pass()])  # type: ignore[attr-defined]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Name("_", ast.Load())
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
        if name == "TYPE_CHECKING":
            return None
        self.generic_visit(node)
        return node
