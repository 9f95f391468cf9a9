# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    activation,
    environment,
    environment_apply,
    environment_plan,
    verification,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Desired, Plan, Policy
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import ADOPTED, Contents, Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MIRROR = "https://mirror.example/pkgs/main/linux-64"
NAME = "ai-dev"
SITE = "lib/python3.11/site-packages"
REQUEST = {"packages": ["numpy", "python=3.11"], "channels": ["https://mirror.example/pkgs/main"], "pip": []}
OTHER_REQUEST = {**REQUEST, "packages": ["numpy>=2", "python=3.11"]}


def package(name: str, version: str = "1.0", build: str = "0") -> Package:
    sha256 = (name + version).encode().hex().ljust(64, "0")[:64]
    return Package(name, version, build, sha256, url=f"{MIRROR}/{name}-{version}-{build}.conda")


PYTHON, NUMPY, NEWER = package("python", "3.11.2", "1_cpython"), package("numpy", "2.3.1"), package("numpy", "2.4.0")
EINOPS = Package("einops", "0.8.1", "", "ab" * 32, PIP)
PACKAGES = (NUMPY, PYTHON)
DESIRED, POLICY = Desired(PACKAGES, {}, REQUEST), Policy()
BY_HAND = (replace(EINOPS, sha256=""), PYTHON)


def write_record(prefix: Path, built: Package) -> Path:
    path = prefix / "conda-meta" / f"{built.name}-{built.version}-{built.build}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {"name": built.name, "version": built.version, "build": built.build, "sha256": built.sha256}
    path.write_text(json.dumps({**fields, "url": built.url, "files": [f"lib/{built.name}"]}))
    (prefix / "lib").mkdir(exist_ok=True)
    (prefix / "lib" / built.name).touch()
    return path


class Builder:
    """Builds what the records tell.

    Parameters
    ----------
    instead
        Builds other packages than those asked for.
    crash
        What happens half-way.
    """

    def __init__(self, instead: Iterable[Package] | None = None, crash: BaseException | None = None) -> None:
        self.instead, self.crash = instead, crash
        self.built: list[Generation] = []

    def __call__(self, target: Generation) -> str:
        prefix = Path(target.path)
        (prefix / "conda-meta").mkdir(parents=True)
        self.built.append(target)
        if self.crash is not None:
            raise self.crash
        for built in target.packages if self.instead is None else self.instead:
            if built.manager == PIP:
                (prefix / SITE / f"{built.name}-{built.version}.dist-info").mkdir(parents=True)
            else:
                write_record(prefix, built)
        (prefix / "conda-meta" / "history").touch()
        return "rattler"


class Node:
    """One environment on one node."""

    def __init__(self, directory: Path) -> None:
        self.root = str(directory / "evenkeel")
        self.envs = Path(self.root, "envs")
        self.link = self.envs / NAME
        self.generations = Path(self.root, "generations", NAME)
        self.kept: list[str] = []

    def read(self, desired: Desired = DESIRED, policy: Policy = POLICY) -> State:
        return environment.read(self.root, NAME, desired.digest, policy.keep)

    def plan(self, desired: Desired = DESIRED, policy: Policy = POLICY) -> Plan:
        return environment_plan.plan(self.read(desired, policy), self.root, NAME, desired, policy)

    def apply(self, plan: Plan, build: Callable[[Generation], str] | None = None) -> Plan:
        self.kept = environment_apply.apply(plan, self.root, NAME, build or Builder())
        return plan

    def converge(
        self,
        desired: Desired = DESIRED,
        policy: Policy = POLICY,
        build: Callable[[Generation], str] | None = None,
    ) -> Path:
        """Bring the environment to what is desired, and return the path of the generation in use."""
        plan = self.apply(self.plan(desired, policy), build)
        assert plan.target is not None
        return Path(plan.target.path)

    def switch(self, reference: str) -> Plan:
        return self.apply(environment_plan.plan_switch(self.read(), self.root, NAME, reference))

    def remove(self) -> Plan:
        return self.apply(environment_plan.plan_absent(environment.read(self.root, NAME, keep=1), self.root, NAME))

    def make_by_hand(self) -> None:
        """Make an environment as somebody does before Evenkeel comes."""
        write_record(self.link, PYTHON)
        (self.link / SITE / "einops-0.8.1.dist-info").mkdir(parents=True)
        (self.link / "conda-meta" / "history").write_text("==> by hand <==\n")

    def tree(self) -> dict[str, str]:
        """Return every path but the caches' with the target of a link or the text of a file."""
        paths = sorted(Path(self.root).rglob("*"))
        return {str(path): content(path) for path in paths if not path.is_relative_to(Path(self.root, "pkgs"))}


def content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return path.read_text() if path.is_file() else "/"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def node(tmp_path: Path, busy: set[str]) -> Node:
    return Node(tmp_path)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the paths that running processes use; a test adds to it."""
    paths: set[str] = set()
    monkeypatch.setattr(environment.processes, "using", lambda directories: frozenset(paths & set(directories)))
    return paths


# check


@pytest.mark.parametrize("name", ["ai-dev", "AI_2026.1", "3d", "_x", "based", "a..b"])
def test_check_accepts(name: str) -> None:
    environment.check("/opt/evenkeel", name)


@pytest.mark.parametrize(
    ("root", "name", "problem"),
    [
        ("/opt/evenkeel", "base", "name is 'base', which is the distribution's own environment"),
        ("/opt/evenkeel", "root", "name is 'root', which is the distribution's own environment"),
        ("/opt/evenkeel", "a/b", "name is 'a/b', which is not a valid name of an environment"),
        ("/opt/evenkeel", "../base", "name is '../base'"),
        ("/opt/evenkeel", "two words", "name is 'two words'"),
        ("/opt/evenkeel", "ai-dev\n", r"name is 'ai-dev\\n'"),
        ("/opt/evenkeel", "", "name is ''"),
        ("/opt/evenkeel", ".", "name is '.'"),
        ("/opt/evenkeel", "..", "name is '..'"),
        ("/opt/evenkeel", ".hidden", "name is '.hidden'"),
        ("/opt/evenkeel", "-n", "name is '-n'"),
        ("/opt/evenkeel", "entwicklung-für-alle", "name is 'entwicklung-für-alle'"),
        ("opt/evenkeel", "ai-dev", "root is 'opt/evenkeel', which is not a normalised absolute path"),
        ("/opt//evenkeel", "ai-dev", "root is '/opt//evenkeel'"),
    ],
)
def test_check_refuses(root: str, name: str, problem: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^{problem}"):
        environment.check(root, name)


# read


def test_read_a_bare_node(node: Node) -> None:
    assert node.read() == State("absent")


def test_read_what_was_built(node: Node) -> None:
    path = node.converge(Desired((*PACKAGES, EINOPS), {"A": "1"}, REQUEST))
    state = node.read()
    assert (state.link, len(state.generations), state.leftovers, state.foreign) == ("ours", 1, (), None)
    assert state.current == state.generations[0]
    assert state.current is not None
    assert (state.current.path, state.current.installer, state.current.number) == (str(path), "rattler", 1)
    assert state.contents == {str(path): Contents((EINOPS, *PACKAGES))}
    assert state.before == Contents((EINOPS, *PACKAGES))


def test_only_what_is_in_use_or_wanted_is_looked_into(node: Node) -> None:
    first = node.converge()
    second = node.converge(Desired((NEWER,)))
    third = node.converge(Desired((PYTHON,)))
    assert set(node.read(Desired((NEWER,))).contents) == {str(second), str(third)}
    assert set(node.read(Desired((EINOPS,))).contents) == {str(third)}
    assert str(first) in {generation.path for generation in node.read().generations}


@pytest.mark.parametrize("marker", [None, "", '{"digest"'])
def test_a_generation_without_a_whole_marker_was_interrupted(node: Node, marker: str | None) -> None:
    halves = [node.generations / name for name in ("0123456789abcdef", "0123456789abcdef-2")]
    theirs = [node.generations / name for name in ("notes", "0123456789ABCDEF", "0123456789abcde", "kept-0123456789")]
    for path in (*halves, *theirs):
        (path / "conda-meta").mkdir(parents=True)
        if marker is not None:
            (path / generations.MARKER).write_text(marker)
    (node.generations / "fedcba9876543210").touch()
    found = node.read()
    assert found == State("absent", leftovers=tuple(map(str, halves)), strangers=found.strangers)
    assert found.strangers == (str(node.generations / "fedcba9876543210"),)


@pytest.mark.parametrize("in_use", [True, False])
def test_what_a_newer_evenkeel_built_is_refused_and_left(node: Node, in_use: bool) -> None:
    marker = node.converge() / generations.MARKER
    marker.write_text(json.dumps({"format": 9, "packages_of_conda": []}))
    if not in_use:
        node.link.unlink()
    before = node.tree()
    expected = rf"^{marker} was written by a newer Evenkeel \(format 9; this one knows 3\). Upgrade the collection"
    for act in (node.converge, node.remove, lambda: node.switch("-1")):
        with pytest.raises(EvenkeelError, match=expected):
            act()
    assert node.tree() == before


def test_read_tells_own_links_from_others(node: Node) -> None:
    node.envs.mkdir(parents=True)
    for target, link in [
        (f"../generations/{NAME}/1", "ours"),
        (f"{node.generations}/1", "ours"),
        ("../generations/other/1", f"a symbolic link to {node.root}/generations/other/1"),
        ("/home/anna/ai-dev", "a symbolic link to /home/anna/ai-dev"),
    ]:
        node.link.symlink_to(target)
        assert node.read().link == link
        node.link.unlink()


def test_an_environment_made_by_hand_tells_its_packages(node: Node) -> None:
    node.make_by_hand()
    assert node.read() == State("a directory", foreign=BY_HAND)
    (node.link / "conda-meta" / "history").unlink()
    assert node.read() == State("a directory")


@pytest.mark.parametrize(("keep", "seen"), [(0, False), (1, True), (2, True), (3, False)])
def test_processes_are_looked_at_where_something_may_go(node: Node, busy: set[str], keep: int, seen: bool) -> None:
    paths = {str(node.converge(Desired((NEWER,)))), str(node.converge())}
    busy |= paths
    assert node.read(policy=Policy(keep)).busy == (paths if seen else set())


# apply: build and switch


def test_build_on_a_bare_node_and_then_nothing(node: Node) -> None:
    build = Builder()
    path = node.converge(build=build)
    assert [target.path for target in build.built] == [str(path)]
    assert str(node.link.readlink()) == f"../generations/{NAME}/{digest(PACKAGES)[:16]}"
    assert json.loads((node.link / generations.MARKER).read_text())["digest"] == digest(PACKAGES)
    assert f"--clone {NAME}" in json.loads((node.link / generations.FROZEN).read_text())["message"]
    assert not (node.link / generations.VARIABLES).exists()
    assert names(node.envs) == [NAME]
    assert not node.plan().changed


def test_variables_are_where_activation_looks_for_them(node: Node) -> None:
    desired = Desired(PACKAGES, {"OMP_NUM_THREADS": "4"}, REQUEST)
    node.converge(desired)
    state = json.loads((node.link / "conda-meta" / "state").read_text())
    assert state["env_vars"] == {"OMP_NUM_THREADS": "4"}
    assert not node.plan(desired).changed


class PythonBuilder(Builder):
    """Builds an environment with a standard library."""

    def __call__(self, target: Generation) -> str:
        library = Path(target.path, "lib", "python3.11")
        library.mkdir(parents=True)
        (library / "os.py").touch()
        return super().__call__(target)


@pytest.mark.parametrize("user_site", [None, False, True])
def test_users_packages_are_hidden_unless_told(node: Node, user_site: bool | None) -> None:
    state = environment.read(node.root, NAME, DESIRED.digest, user_site=user_site)
    node.apply(environment_plan.plan(state, node.root, NAME, DESIRED, POLICY), PythonBuilder())
    assert (node.link / activation.ISOLATION).exists() is not user_site
    assert (node.link / "lib" / "python3.11" / activation.MANAGED).exists()
    assert not node.plan().changed, "without a word it stays as it is"


def test_a_build_of_an_earlier_release_is_isolated_once_without_a_build(node: Node) -> None:
    path = node.converge(build=PythonBuilder())
    shutil.rmtree(path / "etc")
    (path / "lib" / "python3.11" / activation.MANAGED).unlink()
    state = environment.read(node.root, NAME, DESIRED.digest, user_site=False)
    plan = environment_plan.plan(state, node.root, NAME, DESIRED, POLICY)
    assert f"~ {activation.ISOLATION}" in plan.lines
    assert "~ lib/python3.11/EXTERNALLY-MANAGED" in plan.lines
    build = Builder()
    node.apply(plan, build)
    assert not build.built
    assert not node.plan().changed


def test_a_generation_that_is_gone_back_to_is_as_the_one_in_use(node: Node) -> None:
    first = node.converge(build=PythonBuilder())
    node.converge(Desired((NEWER,)), build=PythonBuilder())
    shutil.rmtree(first / "etc")
    node.switch("-1")
    assert (first / activation.ISOLATION).exists()


@pytest.mark.parametrize(
    ("desired", "builds"),
    [
        (Desired((NEWER, PYTHON), {}, OTHER_REQUEST), 1),
        (Desired(PACKAGES, {}, OTHER_REQUEST), 0),
        (Desired(PACKAGES), 0),
        (Desired((), {}, {**REQUEST, "packages": []}), 1),
        (Desired((*PACKAGES, EINOPS), {}, REQUEST), 1),
        (Desired(PACKAGES, {"A": "1"}, REQUEST), 1),
    ],
    ids=["other packages", "same packages", "a lock", "no packages", "pip", "variables"],
)
def test_something_else_and_then_nothing(node: Node, desired: Desired, builds: int) -> None:
    before = node.converge()
    build = Builder()
    plan = node.plan(desired)
    assert plan.changed
    node.apply(plan, build)
    assert len(build.built) == builds
    assert not node.plan(desired).changed
    if desired.request is not None:
        assert environment_plan.known(node.read(), desired.request) == tuple(sorted(desired.packages))
    assert (before / "conda-meta" / "numpy-2.3.1-0.json").exists()


def test_back_to_an_old_list_is_a_switch(node: Node) -> None:
    first = node.converge()
    node.converge(Desired((NEWER, PYTHON), {}, OTHER_REQUEST))
    build = Builder()
    assert node.converge(build=build) == first
    assert not build.built
    assert node.link.resolve() == first
    assert not node.plan().changed


def test_a_parent_of_the_root_may_be_a_link(tmp_path: Path) -> None:
    """Such as /opt, moved to a larger disk."""
    (tmp_path / "data").mkdir()
    (tmp_path / "opt").symlink_to("data")
    node = Node(tmp_path / "opt")
    first = node.converge()
    assert not node.plan().changed
    second = node.converge(Desired((NEWER, PYTHON)))
    node.switch(first.name)
    assert node.link.resolve() == tmp_path / "data" / "evenkeel" / "generations" / NAME / first.name
    assert names(node.generations) == sorted([first.name, second.name])
    assert not node.plan().changed
    node.remove()
    assert not node.generations.exists()
    assert (tmp_path / "opt").is_symlink()


def test_a_switch_by_name_and_back(node: Node) -> None:
    first, second = node.converge(), node.converge(Desired((NEWER,)))
    assert node.switch("-1").lines == [
        "~ numpy 2.4.0 -> 2.3.1",
        "+ python 3.11.2 (main)",
        f"~ generation {second.name} -> {first.name}",
    ]
    assert node.link.resolve() == first
    assert not node.switch(first.name).changed
    node.switch(second.name)
    assert node.link.resolve() == second


def test_a_record_keeps_the_rest_of_the_marker(node: Node) -> None:
    node.converge()
    before = node.read().current
    node.converge(Desired(PACKAGES, {}, OTHER_REQUEST))
    assert before is not None
    assert node.read().current == replace(before, request=OTHER_REQUEST)


@pytest.mark.parametrize("drift", ["added", "removed", "replaced", "damaged", "pip", "unfrozen"])
def test_a_drifted_environment_is_built_afresh_beside_it(node: Node, drift: str) -> None:
    first = node.converge()
    if drift in ("added", "replaced"):
        write_record(first, NEWER)
    if drift in ("removed", "replaced"):
        (first / "conda-meta" / "numpy-2.3.1-0.json").unlink()
    if drift == "damaged":
        (first / "conda-meta" / "numpy-2.3.1-0.json").write_text("{")
    if drift == "pip":
        (first / SITE / "einops-0.8.1.dist-info").mkdir(parents=True)
    if drift == "unfrozen":
        (first / generations.FROZEN).unlink()
    plan = node.apply(node.plan())
    assert plan.lines[-1] == f"~ generation {first.name} -> {first.name}-2"
    assert len(plan.lines) > 1
    assert node.link.resolve() == Path(f"{first}-2")
    assert names(node.generations) == [first.name, f"{first.name}-2"]
    assert not node.plan().changed


def test_a_drift_that_is_undone_in_an_old_build_switches_nothing(node: Node) -> None:
    first = node.converge()
    record = write_record(first, package("six"))
    second = node.converge()
    record.unlink()
    state = node.read()
    assert all(generations.intact(found, state.contents[found.path]) for found in state.generations)
    assert node.link.resolve() == second
    assert not node.plan().changed


def test_a_marker_of_release_0_1_0_is_as_good(node: Node) -> None:
    path = node.converge()
    marker = json.loads((path / generations.MARKER).read_text())
    old = {key: marker[key] for key in ("digest", "packages", "request")}
    (path / generations.MARKER).write_text(json.dumps(old))
    assert node.apply(node.plan()).lines == [
        f"~ permissions of generation {path.name} looked through, nothing to correct"
    ]
    assert not node.plan().changed
    newer = Desired((NEWER,))
    node.converge(newer)
    assert [generation.number for generation in sorted(node.read().generations, key=lambda g: g.number)] == [0, 1]
    assert node.switch("-1").switch
    assert node.link.resolve() == path


@pytest.mark.parametrize("lost", ["link", "generation", "marker", "conda-meta"])
def test_what_was_lost_is_healed(node: Node, lost: str) -> None:
    path = node.converge()
    if lost == "link":
        node.link.unlink()
    elif lost == "marker":
        (path / generations.MARKER).unlink()
    else:
        shutil.rmtree(path if lost == "generation" else path / "conda-meta")
    build = Builder()
    node.converge(build=build)
    assert len(build.built) == (lost != "link")
    assert generations.installed(str(node.link)) == PACKAGES
    assert not node.plan().changed


@pytest.mark.parametrize("marker", [None, "", '{"digest"'])
@pytest.mark.parametrize("lost", ["marker", "conda-meta"])
@pytest.mark.parametrize("then", ["other packages", "switch", "absent"])
def test_an_environment_in_use_is_not_removed_for_its_lost_marker(
    node: Node, lost: str, marker: str | None, then: str
) -> None:
    node.converge(Desired((NEWER,)))
    path = node.converge()
    if marker is None:
        (path / generations.MARKER).unlink()
    else:
        (path / generations.MARKER).write_text(marker)
    if lost == "conda-meta":
        shutil.rmtree(path / "conda-meta")
    assert node.plan().remove == ()
    if then == "other packages":
        node.converge(Desired((PYTHON,)))
        assert node.link.resolve() != path
        assert not node.plan(Desired((PYTHON,))).changed
    elif then == "switch":
        node.switch(digest((NEWER,))[:16])
        assert node.read().leftovers == ()
    else:
        node.remove()
        assert not node.remove().changed
    assert (path / "lib" / "numpy").exists()


@pytest.mark.parametrize("half", ["at the very path", "elsewhere"])
def test_a_killed_build_is_healed(node: Node, half: str) -> None:
    target = node.plan().target
    assert target is not None
    leftover = Path(target.path) if half == "at the very path" else node.generations / "fedcba9876543210"
    write_record(leftover, NEWER)
    assert node.apply(node.plan()).remove == (str(leftover),)
    assert names(node.generations) == [digest(PACKAGES)[:16]]
    assert generations.installed(str(node.link)) == PACKAGES
    assert not node.plan().changed


@pytest.mark.parametrize("kind", ["directory", "file", "link", "dangling link"])
def test_what_somebody_put_where_the_next_build_would_be_stays(node: Node, kind: str) -> None:
    planned = node.plan().target
    assert planned is not None
    place = Path(planned.path)
    place.parent.mkdir(parents=True)
    if kind == "directory":
        (place / "notes").mkdir(parents=True)
        (place / "notes" / "thesis.txt").write_text("all of it")
    elif kind == "file":
        place.write_text("all of it")
    else:
        place.symlink_to(Path(node.root, "locks" if kind == "link" else "gone"))
        Path(node.root, "locks").mkdir(exist_ok=True)
    before = sorted(place.rglob("*")), place.is_symlink(), place.is_file()
    plan = node.apply(node.plan())
    assert plan.target is not None
    assert (plan.remove, plan.target.path) == ((), f"{place}-2")
    assert (sorted(place.rglob("*")), place.is_symlink(), place.is_file()) == before
    assert not node.plan().changed
    node.converge(Desired((PYTHON,)))
    node.remove()
    assert (sorted(place.rglob("*")), place.is_symlink(), place.is_file()) == before


@pytest.mark.parametrize("made", [(), ("lib",), (".condatmp/ab",), ("conda-meta",)])
def test_what_an_installer_had_begun_is_a_leftover(node: Node, made: tuple[str, ...]) -> None:
    place = node.generations / "0123456789abcdef"
    place.mkdir(parents=True)
    for path in made:
        (place / path).mkdir(parents=True)
    if made != ("lib",) and made:
        (place / made[0] / "file").write_text("half")
    assert node.read().leftovers == (str(place),)


@pytest.mark.parametrize("kind", ["directory", "file", "link elsewhere", "link to another environment"])
def test_what_is_not_ours_is_refused_and_untouched(node: Node, kind: str) -> None:
    node.envs.mkdir(parents=True)
    (node.generations / "0123456789abcdef").mkdir(parents=True)
    if kind == "directory":
        write_record(node.link, NUMPY)
    elif kind == "file":
        node.link.write_text("theirs")
    else:
        node.link.symlink_to("/home/anna/envs/ai-dev" if kind == "link elsewhere" else "../generations/other/1")
    before = node.tree()
    build = Builder()
    with pytest.raises(EvenkeelError, match=f"^{node.link} is a .* did not make; it was left as it is"):
        node.converge(build=build)
    assert node.tree() == before
    assert not build.built


# apply: failures

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (Builder(crash=EvenkeelError("conda said no", "Fix it")), EvenkeelError, "^conda said no. Fix it.$"),
        (Builder(crash=FULL), EvenkeelError, "^No space left on the file system of "),
        (Builder(crash=OSError(errno.EDQUOT, "Disk quota exceeded")), EvenkeelError, "^No space left on the file syst"),
        (
            Builder(crash=PermissionError(13, "Permission denied", "/x")),
            EvenkeelError,
            "^/x: Permission denied. Look at",
        ),
        (
            Builder(crash=OSError(5, "Input/output error")),
            EvenkeelError,
            r"^.*/evenkeel: Input/output error\. The ",
        ),
        (Builder(crash=KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
        (Builder(crash=SystemExit("stop")), SystemExit, "stop"),
        (
            Builder(instead=(NEWER, PYTHON)),
            EvenkeelError,
            f"^rattler built the environment {NAME} from other packages than asked for: numpy-2.3.1-0, numpy-2.4.0-0",
        ),
        (Builder(instead=()), EvenkeelError, "other packages than asked for: numpy-2.3.1-0, python-3.11.2-1_cpython"),
        (Builder(instead=(*PACKAGES, package("six"))), EvenkeelError, "other packages than asked for: six-1.0-0"),
    ],
)
def test_a_failed_build_leaves_nothing_and_the_environment_as_it_was(
    node: Node, build: Builder, error: type[BaseException], message: str
) -> None:
    node.converge(Desired((PYTHON,), {}, OTHER_REQUEST))
    before = node.tree()
    with pytest.raises(error, match=message):
        node.converge(build=build)
    assert node.tree() == before
    node.converge()
    assert not node.plan().changed


def test_a_build_without_a_package_of_pip_is_none(node: Node) -> None:
    with pytest.raises(EvenkeelError, match="from other packages than asked for: einops"):
        node.converge(Desired((*PACKAGES, EINOPS)), build=Builder(instead=PACKAGES))
    assert names(node.generations) == []


def test_a_disk_that_is_full_at_the_last_file(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge(Desired((PYTHON,), {}, OTHER_REQUEST))
    before = node.tree()

    def refuse(_path: str, _text: str) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(generations, "write_atomically", refuse)
        with pytest.raises(EvenkeelError, match=f"^No space left on the file system of {node.root} "):
            node.converge()
    assert node.tree() == before


def test_what_is_in_the_way_is_named(node: Node) -> None:
    node.converge()
    (node.generations / "0123456789abcdef").mkdir()
    plan = node.plan()
    (node.generations / "0123456789abcdef").rmdir()
    with pytest.raises(EvenkeelError, match=r"0123456789abcdef: No such file or directory. Repair that, then"):
        node.apply(plan)


# apply: the disk


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what reaches the disk, one after the other: file systems by a path on them, markers, and links."""
    found: list[str] = []

    def note(name: str, whole: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: Any) -> None:
            paths = arguments[0] if name == "sync" else [arguments[0]]
            found.append(" ".join([name, *(Path(path).name for path in paths)]))
            whole(*arguments)

        return noted

    monkeypatch.setattr(environment_apply, "sync_file_systems", note("sync", lambda *_: None))
    monkeypatch.setattr(generations, "write_atomically", note("marker", generations.write_atomically))
    monkeypatch.setattr(environment_apply, "link_atomically", note("link", environment_apply.link_atomically))
    monkeypatch.setattr(environment_apply, "rename_durably", note("rename", environment_apply.rename_durably))
    return found


def test_all_of_a_build_and_of_the_caches_is_on_the_disk_before_it_is_declared_complete(
    node: Node, syncs: list[str]
) -> None:
    caches = Path(node.root, "pkgs")
    (caches / "rattler").mkdir(parents=True)
    target = node.converge()
    assert syncs == [f"sync {target.name} pkgs rattler", "marker evenkeel", f"link {NAME}"]
    assert not (caches / ".unsynced").exists()
    syncs.clear()
    node.converge(Desired(PACKAGES, {}, OTHER_REQUEST))
    assert syncs == ["marker evenkeel"]


def test_what_an_earlier_version_built_is_on_the_disk_before_anything_is_written_about_it(
    node: Node, syncs: list[str]
) -> None:
    target = node.converge()
    marker = target / generations.MARKER
    marker.write_text(marker.read_text().replace('"synced": true', '"synced": false'))
    syncs.clear()
    node.converge(Desired(PACKAGES, {}, OTHER_REQUEST))
    assert syncs == [f"sync {target.name} pkgs", "marker evenkeel"]
    found = generations.read(str(target))
    assert found is not None
    assert found.synced


def test_what_somebody_else_made_is_on_the_disk_before_it_is_adopted(node: Node, syncs: list[str]) -> None:
    node.make_by_hand()
    target = node.converge(policy=Policy(adopt=True))
    built = [f"sync {target.name} pkgs", "marker evenkeel"]
    adopted = [f"sync {NAME} pkgs", "marker evenkeel", f"rename {NAME}"]
    assert syncs == [*built, *adopted, f"link {NAME}"]


def test_what_users_put_there_is_on_the_disk_before_the_original_goes(node: Node, syncs: list[str]) -> None:
    first = node.converge()
    (first / "notes").write_text("mine")
    syncs.clear()
    node.converge(Desired((NEWER,)), Policy(keep=1))
    assert syncs[-1] == f"sync {first.name}"


def test_what_does_not_reach_the_disk_is_not_declared_complete(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EvenkeelError("the disk said no", "Buy another")

    monkeypatch.setattr(environment_apply, "sync_file_systems", refuse)
    before = node.tree()
    with pytest.raises(EvenkeelError, match="the disk said no"):
        node.converge()
    assert node.tree().keys() - before.keys() == {str(node.generations.parent), str(node.generations)}
    assert Path(node.root, "pkgs", ".unsynced").exists()


# apply: pins, removal


def test_a_pinned_generation_outlasts_the_others(node: Node) -> None:
    pinned = node.converge(policy=Policy(pin=True))
    assert not node.plan(policy=Policy(pin=True)).changed
    assert not node.plan(policy=Policy(keep=1)).changed
    second, third = Desired((NEWER,)), Desired((PYTHON,))
    node.converge(second, Policy(keep=1))
    last = node.converge(third, Policy(keep=1))
    assert names(node.generations) == sorted((pinned.name, last.name))
    node.converge(policy=Policy(keep=1, pin=False))
    node.converge(third, Policy(keep=1))
    assert len(names(node.generations)) == 1
    assert not node.plan(third, Policy(keep=1)).changed


def test_what_a_process_uses_stays_until_it_ends(node: Node, busy: set[str]) -> None:
    first = node.converge()
    busy.add(str(first))
    newer, policy = Desired((NEWER,)), Policy(keep=1)
    node.converge(newer, policy)
    assert first.is_dir()
    assert not node.plan(newer, policy).changed
    busy.clear()
    assert node.apply(node.plan(newer, policy)).lines == [f"- generation {first.name}"]
    assert not first.exists()


def test_absent_and_then_nothing(node: Node) -> None:
    node.converge()
    node.converge(Desired((NEWER,)))
    write_record(node.generations / "fedcba9876543210", NEWER)
    assert node.remove().changed
    assert names(node.envs) == []
    assert not node.generations.exists()
    assert not node.remove().changed


def test_absent_leaves_what_is_in_use_and_what_is_not_ours(node: Node, busy: set[str]) -> None:
    node.make_by_hand()
    used = node.converge(policy=Policy(adopt=True))
    busy.add(str(used))
    node.remove()
    assert not os.path.lexists(node.link)
    assert names(node.generations) == sorted((digest(BY_HAND)[:16], used.name))
    assert not node.remove().changed


def test_files_of_users_are_kept(node: Node) -> None:
    first = node.converge()
    (first / "work").mkdir()
    (first / "work" / "results.csv").write_text("42")
    node.converge(Desired((NEWER,)), Policy(keep=1))
    kept = Path(node.root, "kept", NAME, first.name, "work", "results.csv")
    assert node.kept == [str(kept)]
    assert kept.read_text() == "42"
    assert not first.exists()

    again = node.converge()
    assert again == first
    (again / "work").mkdir()
    (again / "work" / "results.csv").write_text("43")
    node.converge(Desired((NEWER,)), Policy(keep=1))
    assert node.kept == [str(Path(node.root, "kept", NAME, f"{first.name}-2", "work", "results.csv"))]
    assert kept.read_text() == "42"


@pytest.mark.parametrize(("module", "step", "marked"), [(os, "unlink", True), (shutil, "rmtree", False)])
def test_an_interrupted_removal_leaves_no_half_of_a_complete_build(
    node: Node, module: Any, step: str, marked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = node.converge()
    (first / "notes").write_text("mine")
    newer, policy = Desired((NEWER,)), Policy(keep=1)
    plan = node.plan(newer, policy)
    whole = getattr(module, step)

    def stop(path: str, *arguments: Any, **options: Any) -> None:
        if path in (str(first), str(first / generations.MARKER)):
            raise KeyboardInterrupt(path)
        whole(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            node.apply(plan)
    assert Path(node.root, "kept", NAME, first.name, "notes").read_text() == "mine"
    assert (generations.read(str(first)) is not None) == marked
    assert (first / "lib" / "numpy").exists()
    node.converge(newer, policy)
    assert not first.exists()
    assert not node.plan(newer, policy).changed


# apply: adoption


def test_adopt_and_then_nothing(node: Node) -> None:
    node.make_by_hand()
    (node.link / "notes").write_text("mine")
    policy = Policy(keep=1, adopt=True)
    target = node.converge(policy=policy)
    adopted = node.generations / digest(BY_HAND)[:16]
    assert node.link.resolve() == target
    assert (adopted / "notes").read_text() == "mine"
    assert not node.plan(policy=policy).changed
    node.converge(Desired((NEWER,)), Policy(keep=1))
    assert adopted.is_dir()
    node.switch(adopted.name)
    assert (node.link / "notes").read_text() == "mine"
    assert node.read().before == Contents(BY_HAND)


STEPS = [
    (generations, "write"),
    (os, "rename"),
    (environment_apply, "link_atomically"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_an_adoption_that_is_interrupted_is_healed(
    node: Node, module: Any, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.make_by_hand()
    (node.link / "notes").write_text("mine")
    policy = Policy(adopt=True)
    node.apply(replace(node.plan(policy=policy), adopt=None, switch=False))
    plan = node.plan(policy=policy)
    assert not plan.build
    whole = getattr(module, step)

    def stop(*arguments: Any) -> None:
        if step == "rename" and arguments[0] != str(node.link):
            return whole(*arguments)
        if when == "after":
            whole(*arguments)
        raise KeyboardInterrupt(step)

    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            node.apply(plan)
    node.converge(policy=policy)
    assert generations.installed(str(node.link)) == PACKAGES
    assert (node.generations / digest(BY_HAND)[:16] / "notes").read_text() == "mine"
    assert len(names(node.generations)) == 2
    assert not node.plan(policy=policy).changed


# numbers, not clocks


def test_a_clock_that_is_set_back_changes_no_order(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(["2030-01-01T00:00:00+00:00", "2029-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00"])
    monkeypatch.setattr(environment_apply, "now", lambda: next(times))
    builds: Sequence[Desired] = [Desired((NUMPY,)), Desired((NEWER,)), Desired((PYTHON,))]
    paths = [node.converge(desired) for desired in builds]
    assert [generation.number for generation in map(generations.read, map(str, paths)) if generation] == [1, 2, 3]
    assert node.plan(builds[2], Policy(keep=2)).prune == (str(paths[0]),)
    node.switch("-1")
    assert node.link.resolve() == paths[1]


# permissions


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def as_an_older_version_left_it(path: Path, permissions: Mapping[str, int]) -> None:
    """Have a build, as one of format 2, with files of these permissions."""
    for name, mode in permissions.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
        (path / name).chmod(mode)
    marker = json.loads((path / generations.MARKER).read_text())
    (path / generations.MARKER).write_text(json.dumps({**marker, "format": 2}))


def test_a_build_is_everybodys_to_enter_once_it_is_complete(node: Node) -> None:
    class Private(Builder):
        def __call__(self, target: Generation) -> str:
            installer = super().__call__(target)
            Path(target.path).chmod(0o700)
            return installer

    path = node.converge(build=Private())
    assert mode(path) == 0o755


@pytest.mark.parametrize("group_of_root_alone", [True, False])
def test_old_builds_are_looked_through_once(node: Node, group_of_root_alone: bool) -> None:
    first = node.converge(Desired((NEWER,)))
    current = node.converge()
    permissions = {"lib/deep/tool": 0o775, "lib/numpy": 0o664 if group_of_root_alone else 0o666}
    for path in (first, current):
        as_an_older_version_left_it(path, permissions)
    group = (current / "lib").stat().st_gid
    build = Builder()
    plan = node.apply(node.plan(), build)
    reported = [f"~ permissions of 2 files in generation {path.name}" for path in sorted((first, current))]
    exposed = not group_of_root_alone or group != 0
    if exposed:
        names_of_files = "lib/numpy" if group == 0 else "lib/deep/tool, lib/numpy"
        assert f"! others may change {names_of_files}" in plan.lines
    assert [line for line in plan.lines if "permissions" in line] == reported
    assert len(build.built) == exposed
    for path in (first, current):
        assert (mode(path / "lib/deep/tool"), mode(path / "lib/numpy")) == (0o755, 0o644)
    assert not node.plan().changed


def test_what_users_could_change_is_never_taken_for_what_was_built(node: Node) -> None:
    first = node.converge()
    as_an_older_version_left_it(first, {"lib/numpy": 0o666})
    second = node.converge()
    assert second != first
    node.switch(first.name)
    assert node.plan().lines[0] == "! others could change its files"
    assert node.converge() == second


@pytest.mark.parametrize(
    ("path", "mode_then", "line"),
    [
        (SITE, 0o777, f"! others may change {SITE}"),
        (f"{SITE}/a.pth", 0o666, f"! others may change {SITE}/a.pth"),
        ("conda-meta/history", 0o664, "! others may change conda-meta/history"),
        ("bin/tool", 0o4755, "! others may change bin/tool"),
        (".", 0o775, "! others may change ."),
        ("../..", 0o777, "! others may change {generations}"),
    ],
)
def test_what_others_may_change_later_is_drift(node: Node, path: str, mode_then: int, line: str) -> None:
    built = node.converge()
    for name in (f"{SITE}/a.pth", "bin/tool"):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).touch(mode=0o644)
    assert not node.plan().changed
    (built / path).chmod(mode_then)
    build = Builder()
    plan = node.apply(node.plan(), build)
    assert plan.lines[0] == line.replace("{generations}", str(node.generations.parent))
    assert len(build.built) == 1
    assert mode(built / path) == mode_then & ~0o7022
    assert not node.plan().changed


def test_what_lies_deeper_is_found_where_all_is_looked_at(node: Node) -> None:
    built = node.converge()
    (built / "share" / "deep").mkdir(parents=True)
    (built / "share" / "deep").chmod(0o777)
    assert not node.plan().changed
    state = environment.read(node.root, NAME, DESIRED.digest, deep=True)
    assert state.before.notes == ("others may change share/deep",)


def test_an_environment_that_somebody_else_made_keeps_its_permissions(node: Node) -> None:
    node.make_by_hand()
    (node.link / "lib").chmod(0o777)
    node.converge(policy=Policy(adopt=True))
    adopted = next(generation for generation in node.read().generations if generation.installer == ADOPTED)
    assert mode(Path(adopted.path, "lib")) == 0o777
    assert not node.plan().changed


def test_caches_that_others_may_enter_are_closed_and_what_they_could_change_is_removed(node: Node) -> None:
    node.converge()
    pkgs = Path(node.root, "pkgs")
    for name, permissions in {"good/lib/a": 0o664, "bad/lib/a": 0o666}.items():
        (pkgs / "rattler" / name).parent.mkdir(parents=True)
        (pkgs / "rattler" / name).touch()
        (pkgs / "rattler" / name).chmod(permissions)
    (pkgs / "shared").mkdir(mode=0o775)
    (pkgs / "rattler").chmod(0o755)
    plan = node.apply(node.plan())
    assert plan.lines == [f"~ permissions of {pkgs}/rattler"]
    kept = ["good"] if os.getegid() == 0 else []
    assert (names(pkgs / "rattler"), mode(pkgs / "rattler")) == (kept, 0o700)
    assert not node.plan().changed


@pytest.mark.parametrize("older", [True, False])
def test_builds_of_other_environments_that_share_a_file_are_known_too(node: Node, older: bool) -> None:
    def converge(name: str) -> Plan:
        state = environment.read(node.root, name, DESIRED.digest)
        plan = environment_plan.plan(state, node.root, name, DESIRED, POLICY)
        environment_apply.apply(plan, node.root, name, Builder())
        return plan

    file = f"{SITE}/a.pth"
    first, other = (Path(converge(name).target.path) for name in (NAME, "other"))  # type: ignore[union-attr]
    for path in (first, other):
        (path / SITE).mkdir(parents=True)
        if older:
            as_an_older_version_left_it(path, {})
    (first / file).touch()
    (other / file).hardlink_to(first / file)
    (first / file).chmod(0o646)
    assert f"! others may change {file}" in converge(NAME).lines
    assert mode(other / file) == 0o644
    assert "! others could change its files" in converge("other").lines
    assert not converge("other").changed


@pytest.mark.parametrize("exposed", [True, False])
def test_what_users_may_still_have_open_is_linked_into_no_further_build(node: Node, exposed: bool) -> None:
    built = node.converge()
    cached = Path(node.root, "pkgs", "rattler", "numpy-2.3.1-0", "lib", "numpy")
    other = Path(node.root, "pkgs", "rattler", "six-1.17.0-0", "lib", "six")
    for path in (cached, other):
        path.parent.mkdir(parents=True)
        path.touch(mode=0o644)
    cached.parents[2].chmod(0o700)
    (built / "bin").mkdir()
    (built / "bin" / "numpy").hardlink_to(cached)
    (built / "bin" / "numpy").chmod(0o646 if exposed else 0o4755)
    node.converge()
    assert (cached.exists(), other.exists()) == (not exposed, True)


@pytest.mark.parametrize("exchanged", ["work", "work/deep"])
def test_what_a_user_exchanges_for_a_link_meanwhile_moves_nothing_of_others(
    node: Node, monkeypatch: pytest.MonkeyPatch, exchanged: str
) -> None:
    first = node.converge()
    theirs = Path(node.root, "theirs")
    for place in (theirs, theirs / "deep", first / "work" / "deep"):
        place.mkdir(parents=True)
        (place / "results.csv").write_text("1")
    (first / "notes").write_text("2")
    find = verification.user_files

    def and_then(prefix: str) -> tuple[str, ...]:
        found = find(prefix)
        (first / exchanged).rename(first / "away")
        (first / exchanged).symlink_to(theirs)
        return found

    monkeypatch.setattr(environment_apply, "user_files", and_then)
    kept = environment_apply.discard(str(first), str(Path(node.root, "kept")))
    assert [Path(path).name for path in kept] == ["notes"]
    assert sorted(theirs.rglob("*.csv")) == [theirs / "deep" / "results.csv", theirs / "results.csv"]
    assert not first.exists()
