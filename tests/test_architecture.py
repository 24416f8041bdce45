"""Conventions as tests: imports, mirrors, names, and the truth of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("server/**/*.py"), *ROOT.glob("model/**/*.py")])

FORBIDDEN_STEMS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
MAX_LINES = 400
MAX_FUNCTION_LINES = 60

SERVER_LAYERS = {
    "server.gateway": {"session", "media", "protocol", "engine", "gateway"},
    "server.session": {"session", "media", "engine", "protocol"},
    "server.media": {"media", "engine"},  # only the messages of engine/interface.py
    "server.protocol": {"protocol"},
    "server.engine": {"engine"},
}
"""What each package of the server may import of its siblings."""

OFFLINE = ("server.engine", "server.cli", "server.evaluation")
"""Packages of the server that may know the model; the last two run no calls of users."""

UNMIRRORED = {
    "server/__main__.py": "two lines; tests/server/cli/test_main.py runs it",
    "server/session/events.py": "dataclasses without behaviour",
    "server/engine/interface.py": "dataclasses without behaviour",
    "server/engine/engine_parts.py": "a dataclass without behaviour",
}
"""Sources without a test file of their own, and why."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    for imported in imports_of(path):
        if is_within(module, "model"):
            assert not is_within(imported, "server"), f"{module} imports {imported}"
            assert not is_within(imported, "asyncio"), f"{module} imports asyncio"
        else:
            offline = any(is_within(module, package) for package in OFFLINE)
            assert offline or not is_within(imported, "model"), f"{module} imports {imported}"
            assert offline or not is_within(imported, "torch"), f"{module} imports torch"
        for package, allowed in SERVER_LAYERS.items():
            if is_within(module, package) and imported.startswith("server."):
                parts = imported.split(".")
                layer = parts[1]
                if (ROOT / "server" / layer).is_dir():
                    assert layer in allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES, "split the file along its nouns"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The signature is left out: a command's options are declarations, not steps.
            docstring = ast.get_docstring(node, clean=False) or ""
            first = node.body[0].lineno
            length = (node.end_lineno or first) - first + 1 - docstring.count("\n")
            assert length <= MAX_FUNCTION_LINES, f"{node.name} is {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_a_drawer_for_odds_and_ends(path: Path) -> None:
    assert path.stem not in FORBIDDEN_STEMS


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_task_is_created_outside_a_task_group(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"asyncio\.(create_task|ensure_future)\(", text)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_source_has_a_test_file_and_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py":
        return
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            public = not node.name.startswith("_")
            assert not public or ast.get_docstring(node), f"{node.name} has no docstring"
    if name_of(path) in UNMIRRORED:
        return
    mirror = ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")
    assert mirror.is_file(), f"{name_of(mirror)} is missing"


def test_architecture_names_only_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:server|model|tests|web_client|configs|certs)/[\w./-]+)`", text))
    assert len(named) > 20
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing, f"ARCHITECTURE.md names files that do not exist: {missing}"


def test_architecture_names_every_package_and_every_quirk() -> None:
    from model.quirks import ReferenceQuirks

    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {path.parent.relative_to(ROOT).as_posix() for path in SOURCES}
    unnamed = sorted(package for package in packages if f"{package}/" not in text)
    assert not unnamed, f"ARCHITECTURE.md does not mention {unnamed}"
    silent = [name for name in ReferenceQuirks.__dataclass_fields__ if f"`{name}`" not in text]
    assert not silent, f"ARCHITECTURE.md does not list {silent}"


def test_readme_table_of_settings_is_generated() -> None:
    from server.cli.settings import replace_table

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert replace_table(text) == text, "run make readme"


def test_nothing_names_a_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w+")
    for path in SOURCES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not pattern.search(line), f"{name_of(path)}:{number}: {line.strip()}"
