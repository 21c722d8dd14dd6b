"""Every name that the product's code defines, read from the syntax trees: nothing is imported."""

import ast
from collections.abc import Iterator
from functools import cache

from tests.conventions.sources import modules

_Scope = ast.Module | ast.ClassDef


@cache
def defined() -> dict[str, frozenset[str]]:
    """Return for each dotted name (module, class) the names inside it."""
    scopes: dict[str, set[str]] = {}
    for path, tree in modules().items():
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for package, _, name in _parents(module):
            scopes.setdefault(package, set()).add(name)
        _add(scopes, module, tree)
    return {name: frozenset(inside) for name, inside in scopes.items()}


def exists(dotted: str) -> bool:
    """Return whether `ems.control.step.step` or the like is defined."""
    if dotted in defined():
        return True
    scope, _, name = dotted.rpartition(".")
    return name in defined().get(scope, ())


@cache
def classes() -> dict[str, frozenset[str]]:
    """Return the members of all classes, by the class's own name; classes of one name are taken together."""
    found: dict[str, frozenset[str]] = {}
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name] = found.get(node.name, frozenset()) | frozenset(_names(node))
    return found


@cache
def functions() -> frozenset[str]:
    """Return the names of all functions and methods."""
    return frozenset(
        node.name
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@cache
def string_texts() -> str:
    """Return all string literals of the product, one per line, placeholders of f-strings as `…`."""
    texts = []
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(_part(value) for value in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def log_events() -> frozenset[str]:
    """Return the names of all structured log events: the first argument of calls on a logger."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    found = set()
    for tree in modules().values():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            first = node.args[0]
            logger = ast.unparse(node.func.value)
            is_log = node.func.attr in levels and (logger.endswith("log") or logger.startswith("structlog.get_logger"))
            if is_log and isinstance(first, ast.Constant):
                found.add(str(first.value))
    return frozenset(found)


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def _parents(module: str) -> Iterator[tuple[str, str, str]]:
    while "." in module:
        yield module.rpartition(".")
        module = module.rpartition(".")[0]


def _add(scopes: dict[str, set[str]], name: str, scope: _Scope) -> None:
    scopes.setdefault(name, set()).update(_names(scope))
    for node in scope.body:
        if isinstance(node, ast.ClassDef):
            _add(scopes, f"{name}.{node.name}", node)


def _names(scope: _Scope) -> Iterator[str]:
    for node in scope.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case _:
                pass
    for inner in ast.walk(scope):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and ast.unparse(inner.value) == "self":
            yield inner.attr
