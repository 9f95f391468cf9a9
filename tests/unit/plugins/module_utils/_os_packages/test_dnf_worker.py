# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that asks dnf by its own interface, beside a stand-in of that interface."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import dnf_worker

REMOVE, OBSOLETED, INSTALL, UPGRADE, UPGRADED = range(5)
SOURCE = Path(dnf_worker.__file__)


@functools.total_ordering
class Package:
    """A package of dnf's."""

    def __init__(self, name: str, version: str, epoch: int = 0) -> None:
        self.name, self.epoch, self.version, self.release = name, epoch, version, "1.el9"

    def __lt__(self, other: Package) -> bool:
        return (self.epoch, int(self.version)) < (other.epoch, int(other.version))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Package) and (self.name, self.version) == (other.name, other.version)

    def __hash__(self) -> int:
        return hash((self.name, self.version))


class Query(set[Package]):
    """A query of dnf's over packages."""

    def available(self) -> Query:
        return Query(one for one in self if one.version != "1")

    def installed(self) -> Query:
        return Query(one for one in self if one.version == "1" or one.name in ("kernel", "twice"))

    def filter(self, name: str = "", nevra: str = "", provides: list[str] | None = None) -> Query:
        return Query(
            one
            for one in self
            if one.name == name
            or f"{one.name}-{one.version}-{one.release}.x86_64" == nevra
            or one.name in (provides or [])
        )

    def difference(self, *others: Any) -> Query:
        return Query(super().difference(*others))

    def duplicated(self) -> Query:
        names = [one.name for one in self]
        return Query(one for one in self if names.count(one.name) > 1)


class Refusal(Exception):
    """What dnf raises."""


class Base:
    """dnf's base, which remembers what is done with it."""

    made: list[Base]

    def __init__(self) -> None:
        assert not Base.made, "dnf can load its plugins only once"
        self.said: list[Any] = []
        substitutions = types.SimpleNamespace(update_from_etc=lambda root: self.said.append(("variables", root)))
        self.conf = types.SimpleNamespace(
            substitutions=substitutions,
            installroot="/",
            read=lambda: self.said.append("settings"),
            installonlypkgs=["kernel"],
            reposdir="/etc/yum.repos.d",
            cachedir="/var/cache/dnf",
            logdir="/var/log",
            persistdir="/var/lib/dnf",
            clean_requirements_on_remove=True,
        )
        packages = [Package("driver", "1"), Package("driver", "9"), Package("driver", "10"), Package("driver", "2", 3)]
        packages += [Package(name, version) for name in ("kernel", "twice") for version in ("1", "2")]
        self.sack = types.SimpleNamespace(query=lambda: Query(packages))
        self.transaction: list[Any] = []
        Base.made.append(self)

    def init_plugins(self, disabled: list[str]) -> None:
        self.said.append(("plugins without", disabled))

    def pre_configure_plugins(self) -> None:
        self.said.append("before")

    def read_all_repos(self) -> None:
        self.said.append(("repositories", self.conf.reposdir))

    def configure_plugins(self) -> None:
        self.said.append("after")

    def fill_sack(self, load_system_repo: str, load_available_repos: bool) -> None:
        self.said.append(("fill", load_system_repo, load_available_repos))
        self.transaction = []

    def install(self, spec: str) -> None:
        if spec == "nonesuch":
            raise Refusal("No match for argument: nonesuch")
        self.said.append(("install", spec))
        moves = [(UPGRADE, "9"), (UPGRADED, "1")]
        self.transaction += [types.SimpleNamespace(action=one, pkg=Package(spec, version)) for one, version in moves]
        self.transaction.append(types.SimpleNamespace(action=OBSOLETED, pkg=Package("replaced", "1")))

    def remove(self, name: str) -> None:
        assert not self.conf.clean_requirements_on_remove
        self.transaction.append(types.SimpleNamespace(action=REMOVE, pkg=Package(name, "1")))

    def resolve(self, allow_erasing: bool) -> None:
        assert allow_erasing
        self.said.append("resolve")


@pytest.fixture(autouse=True)
def _dnf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where dnf's interface is imported from."""
    Base.made = []
    dnf: Any = types.ModuleType("dnf")
    dnf.Base = Base
    dnf.exceptions = types.SimpleNamespace(Error=Refusal)
    dnf.transaction = types.SimpleNamespace(
        FORWARD_ACTIONS=[INSTALL, UPGRADE], PKG_REMOVE=REMOVE, PKG_OBSOLETED=OBSOLETED
    )
    for name, module in {"dnf": dnf, "dnf.exceptions": dnf.exceptions, "dnf.transaction": dnf.transaction}.items():
        monkeypatch.setitem(sys.modules, name, module)


def ask(question: str, **details: Any) -> dict[str, Any]:
    return dnf_worker.answer({"question": question, "settings": {}, **details})


def test_it_is_in_the_syntax_of_the_oldest_python_that_has_dnf() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 6))
    imported = {one.names[0].name for one in ast.walk(tree) if isinstance(one, ast.Import)}
    imported |= {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    # Python 3.6 has no `annotations` in `__future__`.
    assert imported == {"dnf", "dnf.exceptions", "dnf.transaction", "json", "os", "sys", "tempfile", "typing"}
    assert not [one for one in ast.walk(tree) if isinstance(one, ast.BinOp) and isinstance(one.op, ast.BitOr)]
    with pytest.raises(SyntaxError):
        ast.parse("if (a := 1): pass", feature_version=(3, 6))


def test_versions_are_those_of_the_repositories_newest_first() -> None:
    assert ask("versions", name="driver") == {"answer": ["3:2-1.el9", "0:10-1.el9", "0:9-1.el9"]}


def test_a_kernels_headers_are_found_by_the_kernels_release() -> None:
    assert ask("versions", name="driver-9-1.el9.x86_64") == {"answer": ["0:9-1.el9"]}


def test_what_is_there_twice_without_leave() -> None:
    assert ask("duplicates") == {"answer": ["twice"]}


def test_what_is_installed_replaced_and_removed() -> None:
    assert ask("simulate", install=["driver"], remove=["old"]) == {
        "answer": [
            {"name": "driver", "version": "0:9-1.el9", "goes": False},
            {"name": "replaced", "version": "0:1-1.el9", "goes": True},
            {"name": "old", "version": "0:1-1.el9", "goes": True},
        ]
    }


def test_dnf_starts_as_its_command_does_but_for_our_holds_and_recommendations() -> None:
    ask("simulate", settings={"reposdir": "/staged"}, install=["driver"], remove=["old"])
    (base,) = Base.made
    assert base.said == [
        ("variables", "/"),
        "settings",
        ("plugins without", ["versionlock", "generate_completion_cache"]),
        "before",
        ("repositories", "/staged"),
        "after",
        ("fill", "auto", True),
        ("install", "driver"),
        "resolve",
        ("fill", "auto", False),
        "resolve",
    ]
    assert base.conf.install_weak_deps is False


@pytest.mark.parametrize(("install", "remove", "resolved"), [([], ["old"], 1), (["driver"], [], 1), ([], [], 0)])
def test_only_what_is_asked_is_simulated(install: list[str], remove: list[str], resolved: int) -> None:
    ask("simulate", install=install, remove=remove)
    assert Base.made[0].said.count("resolve") == resolved


def test_the_nodes_own_repositories_stay_where_none_are_named() -> None:
    ask("versions", name="driver")
    assert ("repositories", "/etc/yum.repos.d") in Base.made[0].said


@pytest.mark.parametrize(
    ("question", "details", "cache"),
    [
        ("duplicates", {}, ""),
        ("versions", {"name": "driver"}, "/var/cache/dnf"),
        ("versions", {"name": "driver", "settings": {"cachedir": "/private"}}, "/private"),
        ("simulate", {"install": ["driver"], "remove": []}, "/var/cache/dnf"),
    ],
    ids=["without repositories", "with the node's", "with those on trial", "a transaction"],
)
def test_only_metadata_of_repositories_is_written_where_it_stays(
    question: str, details: dict[str, Any], cache: str
) -> None:
    ask(question, **details)
    conf = Base.made[0].conf
    folder = Path(conf.logdir)
    assert folder.name.startswith("evenkeel-dnf-")
    assert conf.persistdir == conf.logdir
    assert conf.cachedir == (cache or conf.logdir)
    assert not folder.exists()


def test_a_refusal_is_an_answer() -> None:
    assert ask("simulate", install=["nonesuch"], remove=[]) == {"error": "No match for argument: nonesuch"}


def test_a_python_without_dnf_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dnf", None)
    assert "dnf" in ask("duplicates")["missing"]


def test_as_a_program_it_keeps_standard_output_for_the_answer(tmp_path: Path) -> None:
    (tmp_path / "dnf").mkdir()
    (tmp_path / "dnf" / "__init__.py").write_text("print('a plugin speaks')\nraise ImportError('no dnf here')\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    argv = [sys.executable, "-I", "-c", path + SOURCE.read_text(), json.dumps({"question": "duplicates"})]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"missing": "no dnf here"}
    assert done.stderr == "a plugin speaks\n"
