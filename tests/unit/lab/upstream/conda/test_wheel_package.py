# SPDX-License-Identifier: GPL-3.0-or-later
"""One wheel, one conda package."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import zstandard

from lab.upstream.conda import wheel_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER
from lab.upstream.conda.debian_python import DebianPython
from lab.upstream.conda.wheel_package import Recipe
from lab.upstream.pypi import wheels
from lab.upstream.pypi.wheels import Wheel

PYTHON = DebianPython("3.13.5", "trixie", (2, 41))
ENVIRONMENT = wheels.marker_environment(PYTHON)
PURE = Wheel("demo_tool-1.0-py3-none-any.whl", "0" * 64, "demo-tool", "1.0", requires_python=">=3.9,<4")
BINARY = Wheel("demo_tool-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "1" * 64, "demo-tool", "1.0")
FOR_ALL = Recipe(PURE, None, ("python >=3.9",))
FOR_ONE = Recipe(BINARY, PYTHON, (PYTHON.depends,))

MEMBERS = {
    "demo/__init__.py": "def main(): ...\n",
    "demo_tool-1.0.data/data/share/jupyter/demo.json": "{}\n",
    "demo_tool-1.0.data/scripts/demo.sh": "#!/bin/sh\n",
    "demo_tool-1.0.data/scripts/demo-script": "#!python\nprint('demo')\n",
    "demo_tool-1.0.dist-info/METADATA": "Metadata-Version: 2.4\nName: demo_tool\nVersion: 1.0\n"
    "Summary: A demo\nLicense-Expression: MIT\n\nLong text\n",
    "demo_tool-1.0.dist-info/entry_points.txt": "[console_scripts]\nDemo = demo:main\n\n"
    "[gui_scripts]\ng=demo:App.run [x]\n\n[other]\nno = demo:main\n",
}


@pytest.mark.parametrize(
    ("tags", "pure", "glibc"),
    [
        ("py3-none-any", True, None),
        ("py2.py3-none-any", True, None),
        ("cp313-cp313-manylinux_2_28_x86_64", False, (2, 28)),
        ("cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64", False, (2, 27)),
        ("cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64", False, (2, 17)),
        ("cp36-abi3-manylinux1_x86_64.manylinux_2_28_x86_64.manylinux_2_5_x86_64", False, (2, 5)),
        ("py3-none-manylinux2010_x86_64", False, (2, 12)),
    ],
)
def test_tags(tags: str, pure: bool, glibc: tuple[int, int] | None) -> None:
    wheel = Wheel(f"x-1-{tags}.whl", "", "x", "1")
    assert wheel_package.is_pure(wheel) is pure
    if glibc:
        assert wheel_package.glibc(wheel) == glibc


@pytest.mark.parametrize(
    ("requires", "depends"),
    [
        (["NumPy>=2,<3"], {"numpy <3.0a0,>=2"}),
        (["a; python_version < '3.12'", "b"], {"b"}),
        (["typing_extensions~=4.6.1"], {"typing-extensions 4.6.*,>=4.6.1"}),
        (["schema[fmt]>=4"], {"schema >=4", "colors >=1", "more"}),
        (["schema[all]"], {"schema", "colors >=1", "more", "yaml"}),
        (["schema"], {"schema"}),
    ],
)
def test_requirements_become_dependencies(requires: list[str], depends: set[str]) -> None:
    theirs = ("core", "colors>=1; extra == 'fmt'", "more; extra == 'fmt'", "yaml; extra == 'yaml'")
    everything = "schema[fmt,yaml]; extra == 'all'"
    known = {"schema": Wheel("schema-4-py3-none-any.whl", "", "schema", "4", (*theirs, everything))}
    assert wheel_package.requirements(requires, known, ENVIRONMENT) == depends


@pytest.mark.parametrize(
    ("wheel", "python", "depends"),
    [
        (PURE, None, {"python <4.0a0,>=3.9"}),
        (BINARY, PYTHON, {"python >=3.13,<3.14.0a0", "__glibc >=2.28"}),
    ],
)
def test_what_a_package_needs_of_python(wheel: Wheel, python: DebianPython | None, depends: set[str]) -> None:
    assert wheel_package.python_dependencies(wheel, python) == depends


@pytest.mark.parametrize(
    ("member", "for_all", "for_one", "recorded"),
    [
        ("m/a.py", "site-packages/m/a.py", "lib/python3.13/site-packages/m/a.py", "m/a.py"),
        ("x-1.data/purelib/a.py", "site-packages/a.py", "lib/python3.13/site-packages/a.py", "a.py"),
        ("x-1.data/platlib/a.so", "site-packages/a.so", "lib/python3.13/site-packages/a.so", "a.so"),
        ("x-1.data/scripts/run", "python-scripts/run", "bin/run", "../../../bin/run"),
        ("x-1.data/data/etc/jupyter/a", "etc/jupyter/a", "etc/jupyter/a", "../../../etc/jupyter/a"),
        ("x-1.data/headers/a.h", *["include/demo-tool/a.h"] * 2, "../../../include/demo-tool/a.h"),
    ],
)
def test_where_a_member_goes(member: str, for_all: str, for_one: str, recorded: str) -> None:
    for recipe, path in ((FOR_ALL, for_all), (FOR_ONE, for_one)):
        assert wheel_package.destination(member, recipe) == PurePosixPath(path)
        assert wheel_package.recorded_path(PurePosixPath(path), recipe) == recorded


def test_a_script_calls_its_entry_point() -> None:
    program = wheel_package.script("run = pkg.cli:App.main")
    assert program.startswith(f"#!{PREFIX_PLACEHOLDER}/bin/python\n")
    assert "from pkg.cli import App\n" in program
    assert "sys.exit(App.main())" in program


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Write both wheels where the recipes look for them."""
    monkeypatch.setattr(wheels, "FOLDER", tmp_path / "wheels")
    for wheel in (PURE, BINARY):
        wheel.path.parent.mkdir(parents=True)
        with zipfile.ZipFile(wheel.path, "w") as archive:
            for name, text in MEMBERS.items():
                archive.writestr(name, text)
            rows = "".join(f"{name},sha256=x,1\n" for name in MEMBERS)
            archive.writestr("demo_tool-1.0.dist-info/RECORD", f"{rows}demo_tool-1.0.dist-info/RECORD,,\n")


def _contents(package: Path, part: str) -> dict[str, str]:
    with zipfile.ZipFile(package) as archive:
        compressed = archive.read(f"{part}-{package.name.removesuffix('.conda')}.tar.zst")
    content = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: (tar.extractfile(member) or io.BytesIO()).read().decode() for member in tar}


@pytest.mark.usefixtures("made")
def test_a_pure_wheel_becomes_one_package_for_every_python(tmp_path: Path) -> None:
    package = wheel_package.build(FOR_ALL, tmp_path / "out")
    assert package.name == "demo-tool-1.0-py_0.conda"
    info, files = _contents(package, "info"), _contents(package, "pkg")
    assert json.loads(info["info/link.json"])["noarch"]["entry_points"] == ["Demo = demo:main", "g = demo:App.run"]
    assert json.loads(info["info/index.json"])["license"] == "MIT"
    assert set(files) == {
        *("python-scripts/demo-script", "python-scripts/demo.sh", "share/jupyter/demo.json"),
        "site-packages/demo/__init__.py",
        *(f"site-packages/demo_tool-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD")),
        "site-packages/demo_tool-1.0.dist-info/entry_points.txt",
    }
    assert files["python-scripts/demo-script"] == f"#!{PREFIX_PLACEHOLDER}/bin/python\nprint('demo')\n"
    assert files["python-scripts/demo.sh"] == "#!/bin/sh\n"


@pytest.mark.usefixtures("made")
def test_a_binary_wheel_becomes_a_package_with_the_paths_of_its_python(tmp_path: Path) -> None:
    package = wheel_package.build(FOR_ONE, tmp_path / "out")
    assert package.name == "demo-tool-1.0-py313_0.conda"
    info, files = _contents(package, "info"), _contents(package, "pkg")
    assert json.loads(info["info/index.json"])["subdir"] == "linux-64"
    assert "info/link.json" not in info
    assert {"bin/Demo", "bin/g", "bin/demo-script"} <= set(files)
    assert "lib/python3.13/site-packages/demo/__init__.py" in files


@pytest.mark.usefixtures("made")
def test_record_lists_every_file_as_it_is_once_installed(tmp_path: Path) -> None:
    files = _contents(wheel_package.build(FOR_ALL, tmp_path / "out"), "pkg")
    rows = files["site-packages/demo_tool-1.0.dist-info/RECORD"].splitlines()
    assert rows == sorted(rows)
    assert {row.partition(",")[0] for row in rows} == {
        *("../../../bin/Demo", "../../../bin/demo-script", "../../../bin/demo.sh", "../../../bin/g"),
        *("../../../share/jupyter/demo.json", "demo/__init__.py"),
        *(f"demo_tool-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "entry_points.txt")),
    }
    assert "../../../bin/demo-script,," in rows  # its first line changes with the prefix
    assert "demo/__init__.py,sha256=x,1" in rows
