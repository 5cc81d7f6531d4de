"""What code a result depends on, and a digest of it that comments, docstrings, annotations and formatting don't touch.

An array depends on every module that what runs its kind of experiment imports, directly or not, of this package and of
those that bring studies; and on the code of the rules, activation functions and data sets that its settings name. A
figure depends only on the definitions that its functions reach, so that editing one plotting function redraws its
figures alone.

Parsing the package takes a second, so what a module's text says is kept in `results/cache/parsed`, by its content.
"""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deepcredit.config.schema import Experiment
from deepcredit.config.studies import code_modules, kind_of, study_of
from deepcredit.core import paths
from deepcredit.core.errors import UserError
from deepcredit.core.files import write_text
from deepcredit.core.registry import Choice, Registry, choices, load, packages

#: stands for the statements of a module that define no name
BODY = "<module>"

#: a module's record says what a thing is called and how it looks; what of it changes a number are its `facts`
RECORD = "RECORD"

#: what reads and checks settings, and computes nothing: the settings themselves are in an array's address
NO_NUMBERS = ("deepcredit.core", "deepcredit.config", "deepcredit.rules.rule")

#: the package's own file: its version, and what a notebook finds in it
DOOR = "deepcredit"

#: module → definition → digest
Code = dict[str, dict[str, str]]


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


def modules_reached(*entries: str) -> list[str]:
    """The modules of our packages that importing `entries` brings in, themselves included, sorted."""
    seen: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.extend(parsed(name).imports)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return sorted(seen)


def code_of_cell(config: Experiment) -> Code:
    """Module → definition → digest of all code that computes a cell with this config.

    It is that of its kind, and that of the records which its settings name, with what of them changes a number.
    """
    return _code_of(config.kind, tuple(choices(config)))


@cache
def _code_of(kind: str, chosen: tuple[Choice, ...]) -> Code:
    _check_run(kind)
    entries = [*code_modules(kind), *(module for choice in chosen for module in choice.record.code(choice.need))]
    reached = [name for name in modules_reached(*entries) if name != DOOR and not name.startswith(NO_NUMBERS)]
    code = {name: digests for name in reached if (digests := _digests(parsed(name)))}
    for choice in chosen:
        facts = {key: digest(repr(value)) for key, value in choice.record.facts().items()}
        code |= {f"{choice.registry.what} {choice.name}": facts} if facts else {}
    return code


def _check_run(kind: str) -> None:
    """Raise a `UserError` unless what runs a kind is there: it is not imported before it runs."""
    module, _, function = kind_of(kind).run.partition(":")
    if function not in {**parsed(module).definitions, **parsed(module).imported}:
        who = f"study {study_of(kind).name!r}, kind of experiment {kind!r}"
        raise UserError(f"{who}: no function {function} in {module}")


def code_of_functions(entries: Iterable[tuple[str, str]]) -> Code:
    """Module → definition → digest of all code that the functions `(module, name)` reach.

    What reaches a registry looks up how its records are called and drawn, so it depends on all of them.
    """
    found: dict[str, dict[str, str]] = {}
    reached = _definitions_reached(entries)
    for module, name in sorted(reached | {(record, RECORD) for record in _records(reached)}):
        if name in parsed(module).definitions:
            found.setdefault(module, {})[name] = digest(parsed(module).definitions[name])
    return found


def fingerprint(code: Code) -> str:
    """One digest for a table of module → definition → digest."""
    return digest("\n".join(f"{m}:{d}:{h}" for m, table in sorted(code.items()) for d, h in sorted(table.items())))


def _digests(module: Module) -> dict[str, str]:
    return {name: digest(text) for name, text in module.definitions.items() if name != RECORD}


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


def _records(definitions: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The modules of the records of those registries that are among the definitions."""
    for module, name in definitions:
        if "Registry(" in parsed(module).definitions.get(name, ""):
            value = load(f"{module}:{name}")
            yield from value.modules if isinstance(value, Registry) else ()


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
    path = file_of(name)
    if path is None:
        return Module({}, {}, {}, frozenset())
    text = path.read_text(encoding="utf-8")
    kept = paths.cache_folder() / "parsed" / f"{name}-{digest(text + _how_to_parse())}.json"
    try:
        tree = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        tree = _read(text, name, path)
        for old in kept.parent.glob(f"{name}-*.json"):
            old.unlink(missing_ok=True)
        write_text(kept, json.dumps(tree, ensure_ascii=False))
    return _module(tree)


def _read(text: str, name: str, path: Path) -> dict[str, Any]:
    try:
        return _parse(text, name, path.name == "__init__.py")
    except SyntaxError as error:
        raise UserError(f"{name}: {path.name}, line {error.lineno}: not valid Python: {error.msg}") from error


@cache
def _how_to_parse() -> str:
    return Path(__file__).read_text(encoding="utf-8")


def _module(tree: dict[str, Any]) -> Module:
    ours = [of for of in tree["imported"] if of[1].split(".")[0] in packages()]
    imported = [(local, _target(source, name)) for local, source, name in ours]
    uses = {definition: frozenset(names) for definition, names in tree["uses"].items()}
    return Module(tree["definitions"], uses, dict(imported), frozenset(source for _, (source, _) in imported))


def _target(source: str, name: str | None) -> tuple[str, str | None]:
    """Where an import leads: `from package import name` may name a module or something in one."""
    if name is not None and file_of(f"{source}.{name}") is not None:
        return f"{source}.{name}", None
    return source, name


def file_of(name: str) -> Path | None:
    """The file of a module of our packages; None where there is none."""
    package, *inner = name.split(".")
    candidates = [place for base in _bases(package) for place in _places(base.joinpath(*inner))]
    return next((path for path in candidates if path.is_file()), None)


def _places(base: Path) -> tuple[Path, Path]:
    return base / "__init__.py", base.with_name(f"{base.name}.py")


@cache
def _bases(package: str) -> tuple[Path, ...]:
    """What a top-level package or module is called without suffix: several folders where it is a namespace."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return ()
    if spec.submodule_search_locations is None:
        return (Path(spec.origin).with_suffix(""),) if spec.origin else ()
    return tuple(map(Path, spec.submodule_search_locations))


def _parse(text: str, name: str, is_package: bool) -> dict[str, Any]:
    """The fields of a `Module` as JSON can hold them, but for its imports: all that are written, of any package."""
    written = ast.parse(text)
    bound = {id(statement): set(_option_types(statement)) for statement in written.body}
    tree = _Normal().visit(written)
    package = name if is_package else name.rpartition(".")[0]
    imported = list(_imported_names(tree, package))
    definitions: dict[str, list[str]] = {}
    uses: dict[str, set[str]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        for defined in _names_defined(statement):
            definitions.setdefault(defined, []).append(ast.unparse(statement))
            uses.setdefault(defined, set()).update(_names_used(statement), bound.get(id(statement), ()))
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


def _option_types(statement: ast.stmt) -> Iterator[str]:
    """Names in the types of keyword parameters and of a class's fields: what configs write becomes of these types."""
    match statement:
        case ast.FunctionDef(args=arguments):
            annotations = [argument.annotation for argument in arguments.kwonlyargs]
        case ast.ClassDef(body=body):
            annotations = [field.annotation for field in body if isinstance(field, ast.AnnAssign)]
        case _:
            annotations = []
    for annotation in filter(None, annotations):
        yield from _names_used(annotation)


def _names_used(node: ast.AST) -> Iterator[str]:
    """Names read anywhere below `node`; `a.b` where an attribute of a name is read."""
    dotted = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name):
            yield f"{child.value.id}.{child.attr}"
        elif isinstance(child, ast.Name) and id(child) not in dotted:
            yield child.id


def _imported_names(tree: ast.AST, package: str) -> Iterator[tuple[str, str, str | None]]:
    """Local names bound by imports, function-local ones included; the module they are from and the name in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            yield from ((alias.asname or alias.name, source, alias.name) for alias in node.names)


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
