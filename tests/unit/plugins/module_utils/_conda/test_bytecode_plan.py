# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided of bytecode, from indexes and lists of files alone."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_plan as bytecode
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import (
    Index,
    Plan,
    Python,
    Source,
    Sources,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package

MINOR = sys.version_info.minor
TAG = sys.implementation.cache_tag
LIBRARY = f"lib/python3.{MINOR}"
SITE = f"{LIBRARY}/site-packages"
THIS = Python(TAG, LIBRARY)
IDNA = Package("idna", "3.20", "py_0", "1" * 64)
SIX = Package("six", "1.17.0", "", "2" * 64, PIP)
OTHER = Package("other", "1.0", "0", "3" * 64)
COMMIT = Package("six", "1.17.0", "", "", PIP, url="git+https://git.example/six@" + "a" * 40)


def pyc(source: str) -> str:
    return bytecode.bytecode_of(source, TAG)


CORE, SIX_PY, CONFIG = f"{SITE}/idna/core.py", f"{SITE}/six.py", f"{SITE}/config.py"


@pytest.mark.parametrize(
    ("package", "python"),
    [
        (Package("python", "3.11.2", "1_cpython", ""), Python("cpython-311", "lib/python3.11")),
        (Package("python", "3.7.0", "h0371630_3", ""), Python("cpython-37", "lib/python3.7")),
        (Package("python", "3.13.1", "5_99_cp313", ""), Python("cpython-313", "lib/python3.13")),
        (Package("python", "3.13.1", "5_99_cp313t", ""), None),
        (Package("python", "3.9.18", "0_73_pypy", ""), None),
        (Package("python", "3.6.15", "0", ""), None),
        (Package("python", "2.7.18", "0", ""), None),
        (Package("python", "3.11.2", "", "", PIP), None),
        (Package("pythonnet", "3.11.2", "0", ""), None),
    ],
)
def test_which_python_has_bytecode(package: Package, python: Python | None) -> None:
    assert bytecode.python_of([OTHER, package]) == python


@pytest.mark.parametrize("source", ["lib/python3.11/os.py", "lib/python3.11/site-packages/a.b/c.d.py"])
def test_where_bytecode_is(source: str) -> None:
    path = bytecode.bytecode_of(source, TAG)
    assert path == importlib.util.cache_from_source(source)
    assert bytecode.source_of(path) == source


@pytest.mark.parametrize(
    ("files", "sources"),
    [
        pytest.param([InstalledFile(CORE, "a", 9)], Sources((Source(CORE, "a", 9),)), id="a module"),
        pytest.param(
            [InstalledFile(CORE, "a", 9, rewritten=True)], Sources((), (Source(CORE, "", 9),)), id="prefix in it"
        ),
        pytest.param([InstalledFile(CORE, "a", link=True)], Sources(), id="a link"),
        pytest.param([InstalledFile("bin/x.py", "a"), InstalledFile("share/x.py", "a")], Sources(), id="no modules"),
        pytest.param([InstalledFile(f"{SITE}/idna/data.txt", "a")], Sources(), id="no Python"),
        pytest.param([InstalledFile(CORE, "a"), InstalledFile(pyc(CORE), "b")], Sources(), id="with its own bytecode"),
        pytest.param(
            [InstalledFile(CORE, "a"), InstalledFile(pyc(CORE), "", compiled=True)],
            Sources((Source(CORE, "a", 0),)),
            id="with bytecode that an installer compiled",
        ),
    ],
)
def test_what_is_compiled(files: list[InstalledFile], sources: Sources) -> None:
    assert bytecode.sources_of(files, Python(TAG, LIBRARY)) == sources


@pytest.mark.parametrize(
    ("cached", "fresh", "expected"),
    [
        pytest.param(
            {IDNA: Index({pyc(CORE): "a"})}, {}, Plan({IDNA: {pyc(CORE): "a"}}), id="what the cache has is linked"
        ),
        pytest.param(
            {IDNA: Index({pyc(CORE): "a"}, (CONFIG,))},
            {},
            Plan({IDNA: {pyc(CORE): "a"}}, {}, (Source(CONFIG, "", 0),)),
            id="what holds the prefix is compiled each time",
        ),
        pytest.param(
            {},
            {IDNA: Sources((Source(CORE, "a", 9),), (Source(CONFIG, "", 5),))},
            Plan({}, {IDNA: Sources((Source(CORE, "a", 9),), (Source(CONFIG, "", 5),))}, (Source(CONFIG, "", 5),)),
            id="a new package is stored",
        ),
        pytest.param(
            {},
            {COMMIT: Sources((Source(SIX_PY, "b", 6),))},
            Plan({}, {}, (Source(SIX_PY, "", 6),)),
            id="what has no hash is not stored",
        ),
        pytest.param(
            {OTHER: Index({pyc(SIX_PY): "a", pyc(CORE): "c"})},
            {SIX: Sources((Source(SIX_PY, "b", 6),))},
            Plan({OTHER: {pyc(CORE): "c"}}, {}, (Source(SIX_PY, "", 6),)),
            id="a path that the cache and a new package claim",
        ),
        pytest.param(
            {OTHER: Index({pyc(SIX_PY): "a"}), SIX: Index({pyc(SIX_PY): "b"})},
            {},
            Plan({OTHER: {}, SIX: {}}, {}, (Source(SIX_PY, "", 0),)),
            id="a path that two packages of the cache claim",
        ),
        pytest.param(
            {OTHER: Index({}, (SIX_PY,)), SIX: Index({pyc(SIX_PY): "b"})},
            {},
            Plan({OTHER: {}, SIX: {}}, {}, (Source(SIX_PY, "", 0),)),
            id="a path that one package writes with the prefix",
        ),
    ],
)
def test_plan(cached: dict[Package, Index], fresh: dict[Package, Sources], expected: Plan) -> None:
    assert bytecode.plan(cached, fresh, THIS) == expected
