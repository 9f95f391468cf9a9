# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that several packages bring, with the real py-rattler and the real uv."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import uv
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import clobbered_files, linking
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.clobbered_files import Clobbered
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import RATTLER, Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER

SHARED = "lib/shared.txt"
Files = dict[str, bytes]


class Silence:
    """Nobody looks at a build's progress."""

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Say nothing."""


class Node:
    """A node with a channel of packages that all bring the same files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "runtime" / "bin").mkdir(parents=True)
        (root / "runtime" / "bin" / "uv").symlink_to(uv.find_uv_bin())
        (root / "runtime" / "site-packages").symlink_to(sysconfig.get_path("purelib"))
        self.tools = Tools("", sys.executable, str(root / "runtime"))
        self.number = 0

    def package(self, name: str, files: dict[str, str], depends: Sequence[str] = ()) -> Package:
        tree = self.root / "trees" / name
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                (tree / path).symlink_to(text[2:])
            else:
                (tree / path).write_text(text)
        made = conda_package.Package(name, "1.0", "0", 0, "linux-64", tuple(depends))
        archive = conda_package.write(made, tree, self.root / "channel" / "linux-64")
        content = archive.read_bytes()
        return Package(
            name,
            "1.0",
            "0",
            hashlib.sha256(content).hexdigest(),
            url=archive.as_uri(),
            size=len(content),
            depends=tuple(depends),
        )

    def job(self, packages: Sequence[Package], cache: str = "pkgs") -> Job:
        self.number += 1
        prefix = self.root / f"prefix-{self.number}"
        return Job("ai-dev", str(prefix), tuple(packages), (), str(self.root / cache), 2, 60, "", Silence())

    def built(self, packages: Sequence[Package], cache: str = "pkgs") -> Path:
        job = self.job(packages, cache)
        Path(job.pkgs).mkdir(exist_ok=True)
        builder.build(job, RATTLER, self.tools)
        return Path(job.prefix)


def content(prefix: Path) -> Files:
    """Return the files of an environment without its bookkeeping."""
    found = (path for path in prefix.rglob("*") if path.is_file() or path.is_symlink())
    return {
        str(path.relative_to(prefix)): path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
        for path in found
        if "conda-meta" not in path.parts
    }


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def alike(node: Node) -> list[Package]:
    """Packages that conda links in the order c, a, b: a depends on c."""
    return [
        node.package("a", {SHARED: "a\n", "lib/alike.txt": "=\n", "lib/link": "->a"}, depends=("c",)),
        node.package("b", {SHARED: "b\n", "lib/alike.txt": "=\n", "lib/b.txt": f"{PREFIX_PLACEHOLDER}\n"}),
        node.package("c", {SHARED: "c\n", "lib/link": "c\n", "lib/b.txt": f"{PREFIX_PLACEHOLDER}/c\n"}),
    ]


def test_the_package_wins_that_conda_links_last_whatever_the_cache_knows_and_the_order_is(
    node: Node, alike: list[Package]
) -> None:
    for turn, packages in enumerate((alike, alike[::-1], [alike[1], alike[2], alike[0]])):
        for cache in (f"cold-{turn}", "warm", "warm"):
            prefix = node.built(packages, cache)
            found = content(prefix)
            found.pop("CACHEDIR.TAG")
            assert found == {
                SHARED: b"b\n",
                "lib/alike.txt": b"=\n",
                "lib/link": b"a",
                "lib/b.txt": f"{prefix}\n".encode(),
            }


def test_records_are_those_of_conda_and_verification_finds_no_drift(node: Node, alike: list[Package]) -> None:
    prefix = node.built(alike)
    for package in alike:
        record = json.loads((prefix / "conda-meta" / f"{package.stem}.json").read_text())
        paths = [entry["_path"] for entry in record["paths_data"]["paths"]]
        assert sorted(paths) == sorted(record["files"])
        assert SHARED in paths
        assert "clobber" not in json.dumps(record)
    report = verify_files(str(prefix))
    assert (report.intact, report.user_files) == (True, ())


def test_a_note_has_what_differs_and_the_winner_last(node: Node, alike: list[Package]) -> None:
    prefix = node.built(alike)
    noted = clobbered_files.noted(str(prefix))
    assert {path: one.packages for path, one in noted.items()} == {
        SHARED: ("c 1.0", "a 1.0", "b 1.0"),
        "lib/link": ("c 1.0", "a 1.0"),
        "lib/b.txt": ("c 1.0", "b 1.0"),
    }
    assert clobbered_files.lines(noted) == [
        "a 1.0 overwrites lib/link of c 1.0",
        "b 1.0 overwrites lib/shared.txt of a 1.0",
        "b 1.0 overwrites lib/b.txt of c 1.0 and 1 more file",
    ]


def test_the_winner_is_the_package_whose_content_is_there(node: Node, alike: list[Package]) -> None:
    prefix = node.built(alike)
    (prefix / SHARED).unlink()
    (prefix / SHARED).write_text("a\n")
    assert clobbered_files.note(str(prefix), alike)[SHARED].packages == ("c 1.0", "b 1.0", "a 1.0")


def test_the_content_of_an_overwritten_package_is_drift(node: Node, alike: list[Package]) -> None:
    prefix = node.built(alike)
    (prefix / SHARED).unlink()
    (prefix / SHARED).write_text("a\n")
    assert verify_files(str(prefix)).edited == (SHARED,)


@pytest.mark.parametrize("damage", ["{", "7", '{"lib/x": 7}'])
def test_a_damaged_note_is_drift(node: Node, alike: list[Package], damage: str) -> None:
    prefix = node.built(alike)
    (prefix / clobbered_files.NOTE).write_text(damage)
    assert clobbered_files.NOTE in verify_files(str(prefix)).edited


def test_nothing_is_noted_where_packages_bring_their_own_files(node: Node) -> None:
    prefix = node.built([node.package("a", {"lib/a": "a\n"}), node.package("b", {"lib/b": "b\n"})])
    assert not (prefix / clobbered_files.NOTE).exists()
    assert clobbered_files.noted(str(prefix)) == {}


# wheels


def wheel(directory: Path, name: str, files: dict[str, str], scripts: str = "") -> Package:
    home = f"{name.replace('-', '_')}-1.0.dist-info"
    brought = {
        **files,
        f"{home}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{home}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{home}/entry_points.txt": f"[console_scripts]\n{scripts}\n"} if scripts else {}),
    }
    rows = []
    for path, text in brought.items():
        signature = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={signature},{len(text)}\n")
    directory.mkdir(exist_ok=True)
    path = directory / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**brought, f"{home}/RECORD": "".join(rows) + f"{home}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return Package(name, "1.0", "", hashlib.sha256(path.read_bytes()).hexdigest(), PIP)


@pytest.fixture
def with_pip(node: Node, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """An environment whose Python is this one, with a package of conda below and the given wheels of this index."""
    wheels = node.root / "wheels"
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    site = f"lib/python3.{sys.version_info[1]}/site-packages"

    def make(conda: dict[str, str], wheels: Sequence[Package]) -> Path:
        job = node.job([node.package("below", {f"{site}/{path}": text for path, text in conda.items()}), *wheels])
        Path(job.pkgs).mkdir(exist_ok=True)
        linking.install_with_rattler(job, node.tools)
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", job.prefix], check=True, stdout=subprocess.DEVNULL
        )
        with monkeypatch.context() as patched:
            patched.setattr(linking, "install_with_rattler", lambda *arguments: None)
            linking.install(job, RATTLER, node.tools)
        clobbered_files.note(job.prefix, job.packages)
        return Path(job.prefix)

    return make


def test_a_wheel_that_overwrites_a_file_of_conda_wins_and_the_package_cache_stays_whole(
    node: Node, with_pip: Callable[..., Path]
) -> None:
    opencv = wheel(node.root / "wheels", "opencv-python", {"cv2/__init__.py": "pip\n", "cv2/alike.py": "=\n"})
    prefix = with_pip({"cv2/__init__.py": "conda\n", "cv2/alike.py": "=\n"}, [opencv])
    (path,) = clobbered_files.noted(str(prefix))
    assert (prefix / path).read_text() == "pip\n"
    assert (node.root / "pkgs" / RATTLER / "below-1.0-0" / path).read_text() == "conda\n"
    assert clobbered_files.lines(clobbered_files.noted(str(prefix))) == [
        f"pip's opencv-python 1.0 overwrites {path} of below 1.0"
    ]


def test_of_wheels_that_bring_the_same_file_the_later_by_name_wins(node: Node, with_pip: Callable[..., Path]) -> None:
    names = ["waa", "wbb", "wcc", "wdd"]
    wheels = [
        wheel(
            node.root / "wheels",
            name,
            {f"shared/{other}.py": f"# {name}\n" for other in names if other != name} | {f"{name}.py": "1\n"},
            scripts=f"tool = {name}:main",
        )
        for name in names
    ]
    prefix = with_pip({}, wheels[::-1])
    shared = next(prefix.glob("lib/python3*/site-packages/shared"))
    winners = {path.name: path.read_text() for path in shared.glob("*.py")}
    assert winners == {"waa.py": "# wdd\n", "wbb.py": "# wdd\n", "wcc.py": "# wdd\n", "wdd.py": "# wcc\n"}
    assert "wdd" in (prefix / "bin" / "tool").read_text()
    noted = clobbered_files.noted(str(prefix))
    assert noted["bin/tool"].packages == tuple(f"pip's {name} 1.0" for name in names)
    assert noted[str(shared.relative_to(prefix) / "wdd.py")].packages[-1] == "pip's wcc 1.0"


def test_only_wheels_that_share_a_path_are_installed_twice(node: Node, with_pip: Callable[..., Path]) -> None:
    wheels = [wheel(node.root / "wheels", name, {f"{name}.py": "1\n"}) for name in ("waa", "wbb")]
    prefix = with_pip({}, wheels)
    assert clobbered_files.later_wheels(str(prefix), wheels) == []


# pure


def clobbered(*packages: str) -> Clobbered:
    return Clobbered(packages, "", False)


def test_a_warning_names_who_was_first_and_who_overwrote_it_and_is_limited_in_length() -> None:
    few = clobbered_files.warning("ai-dev", {"lib/x": clobbered("a 1", "b 2")})
    assert few == (
        "Packages of the environment ai-dev bring the same files with different contents: b 2 overwrites lib/x of a 1. "
        "The overwritten packages may not work. Leave out one package of each pair"
    )
    many = clobbered_files.warning("ai-dev", {f"lib/{n}": clobbered(f"a{n} 1", f"b{n} 2") for n in range(100)})
    assert many.count("overwrites") == 5
    assert "; and 95 more pairs of packages. " in many


def test_a_package_without_a_hash_is_another_only_beside_a_wheel() -> None:
    of_conda = clobbered_files.Claim("a 1", clobbered_files.InstalledFile("bin/x", ""), False)
    of_pip = clobbered_files.Claim("pip's b 1", clobbered_files.InstalledFile("bin/x", "ab"), True)
    assert not clobbered_files._differ([of_conda, of_conda])
    assert clobbered_files._differ([of_conda, of_pip])
    assert not clobbered_files._differ([of_pip, of_pip._replace(package="pip's c 1")])
