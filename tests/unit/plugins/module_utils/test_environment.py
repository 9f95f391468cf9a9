# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _environment as environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._environment import (
    Generation,
    Package,
    Plan,
    Request,
    State,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import write_atomically

MIRROR = "https://mirror.example/main/linux-64"
NAME = "ai-dev"
REQUEST = Request(("numpy", "python=3.11"), ("https://mirror.example/main",))


def package(name: str, version: str = "1.0", build: str = "0", mirror: str = MIRROR) -> Package:
    sha256 = (name + version).encode().hex().ljust(64, "0")[:64]
    return Package(name, version, build, sha256, f"{mirror}/{name}-{version}-{build}.conda")


PYTHON, NUMPY, NEWER = package("python", "3.11.2", "1_cpython"), package("numpy", "2.3.1"), package("numpy", "2.4.0")
PACKAGES = (NUMPY, PYTHON)


class FakeConda:
    """What ``conda create --file explicit.txt`` does: a record for each line, and no answer at all.

    Parameters
    ----------
    instead
        Records other packages than those asked for.
    answer
        The answer of a failure, half-way.
    crash
        What happens to this very process, half-way.
    """

    def __init__(
        self,
        instead: Iterable[Package] | None = None,
        answer: tuple[int, str, str] = (0, "", ""),
        crash: BaseException | None = None,
    ) -> None:
        self.instead, self.answer, self.crash = instead, answer, crash
        self.explicit: list[str] = []
        self.environment: dict[str, str] = {}

    def __call__(self, argv: Sequence[str], *, environ_update: dict[str, str]) -> tuple[int, str, str]:
        assert argv[1:6] == ["create", "--json", "--yes", "--quiet", "--prefix"]
        assert argv[7] == "--file"
        self.environment = environ_update
        self.explicit.append(Path(argv[8]).read_text())
        prefix = Path(argv[6])
        (prefix / "conda-meta").mkdir(parents=True)
        if self.crash is not None:
            raise self.crash
        if self.answer[0] == 0:
            asked_for = [from_line(line) for line in self.explicit[-1].splitlines()[1:]]
            for built in asked_for if self.instead is None else self.instead:
                write_record(prefix, built)
            (prefix / "conda-meta" / "history").touch()
        return self.answer


def from_line(line: str) -> Package:
    url, _, sha256 = line.partition("#")
    name, version, build = url.rpartition("/")[2].removesuffix(".conda").rsplit("-", 2)
    return Package(name, version, build, sha256, url)


def write_record(prefix: Path, built: Package) -> None:
    record = {**vars(built), "build_number": 0, "files": ["bin/x"]}
    (prefix / "conda-meta" / f"{built.name}-{built.version}-{built.build}.json").write_text(json.dumps(record))


class Node:
    """One environment on one node."""

    def __init__(self, directory: Path) -> None:
        self.root = str(directory / "evenkeel")
        self.envs = Path(self.root, "envs")
        self.link = self.envs / NAME
        self.generations = Path(self.root, "generations", NAME)
        self.conda = directory / "conda"
        self.conda.touch(mode=0o755)

    def plan(self, packages: Sequence[Package] = PACKAGES, request: Request = REQUEST) -> Plan:
        return environment.plan(environment.read(self.root, NAME), self.root, NAME, request, packages)

    def converge(
        self,
        packages: Sequence[Package] = PACKAGES,
        request: Request = REQUEST,
        conda: Callable[..., tuple[int, str, str]] | None = None,
    ) -> Plan:
        plan = self.plan(packages, request)
        environment.apply(plan, self.root, NAME, str(self.conda), conda or FakeConda())
        return plan

    def tree(self) -> dict[str, str]:
        """Return every path with the target of a link or the text of a file."""
        return {str(path): content(path) for path in sorted(Path(self.root).rglob("*"))}


def content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return path.read_text() if path.is_file() else "/"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


# check


@pytest.mark.parametrize("name", ["ai-dev", "AI_2026.1", "3d", "_x", "based", "a..b"])
def test_check_accepts(name: str) -> None:
    environment.check("/opt/evenkeel", name)


@pytest.mark.parametrize(
    ("root", "name", "problem"),
    [
        ("/opt/evenkeel", "base", "name is 'base', which is the distribution's own environment"),
        ("/opt/evenkeel", "root", "name is 'root', which is the distribution's own environment"),
        ("/opt/evenkeel", "a/b", "name is 'a/b', which is no name of an environment"),
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


# digest, describe, explicit_file


@pytest.mark.parametrize(
    "same",
    [
        (PYTHON, NUMPY),
        (replace(NUMPY, url="file:///srv/mirror/numpy.conda"), PYTHON),
        (replace(NUMPY, url=""), replace(PYTHON, url="")),
    ],
    ids=["order", "mirror", "no URL"],
)
def test_digest_depends_on_the_packages_alone(same: tuple[Package, ...]) -> None:
    assert environment.digest(same) == environment.digest(PACKAGES)


@pytest.mark.parametrize(
    "other",
    [
        (),
        (NUMPY,),
        (NUMPY, PYTHON, package("six")),
        (NEWER, PYTHON),
        (replace(NUMPY, name="numpy-base"), PYTHON),
        (replace(NUMPY, version="2.3.2"), PYTHON),
        (replace(NUMPY, build="1"), PYTHON),
        (replace(NUMPY, sha256="0" * 64), PYTHON),
    ],
)
def test_digest_tells_packages_apart(other: tuple[Package, ...]) -> None:
    assert environment.digest(other) != environment.digest(PACKAGES)


def test_digest_is_the_same_in_every_release() -> None:
    known = "05098f74f8a67073e198155a64f7c94e119309fd600cb9b36f1a337f4ee5c440"
    assert environment.digest([Package("six", "1.17.0", "py_0", "ab" * 32, "https://mirror.example/six")]) == known


@pytest.mark.parametrize(
    ("packages", "text"),
    [((), ""), ((PYTHON, NUMPY), "numpy 2.3.1 0\npython 3.11.2 1_cpython\n")],
)
def test_describe(packages: tuple[Package, ...], text: str) -> None:
    assert environment.describe(packages) == text


def test_explicit_file() -> None:
    lines = [f"{package.url}#{package.sha256}\n" for package in PACKAGES]
    assert environment.explicit_file(PACKAGES) == "".join(["@EXPLICIT\n", *lines])


# installed


def test_installed_reads_the_records_and_nothing_else(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    for built in (PYTHON, NUMPY):
        write_record(tmp_path, built)
    for name in ("history", "frozen", "evenkeel", "state"):
        (meta / name).write_text("{}")
    assert environment.installed(str(tmp_path)) == PACKAGES


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"name": "numpy"}'])
def test_a_package_with_a_damaged_record_is_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    write_record(tmp_path, PYTHON)
    (tmp_path / "conda-meta" / "numpy-2.3.1-0.json").write_text(text)
    assert environment.installed(str(tmp_path)) == (PYTHON,)


@pytest.mark.parametrize(
    "more", [{}, {"sha256": None, "url": None}, {"md5": "0" * 32}], ids=["absent", "null", "md5 only"]
)
def test_a_record_may_lack_hash_and_url(more: dict[str, str | None]) -> None:
    record = {"name": "six", "version": "1.17.0", "build": "py_0", **more}
    assert environment.package_from(record) == Package("six", "1.17.0", "py_0", "", "")


# free_path


@pytest.mark.parametrize(
    ("taken", "path"),
    [
        ([], "/g/abc"),
        (["/g/abd", "/g/abc-2"], "/g/abc"),
        (["/g/abc"], "/g/abc-2"),
        (["/g/abc", "/g/abc-2"], "/g/abc-3"),
        (["/g/abc", "/g/abc-3"], "/g/abc-2"),
    ],
)
def test_free_path(taken: list[str], path: str) -> None:
    assert environment.free_path("/g/abc", taken) == path


# plan

ROOT, LINK, HOME = "/opt/evenkeel", "/opt/evenkeel/envs/ai-dev", "/opt/evenkeel/generations/ai-dev"
PATH = f"{HOME}/{environment.digest(PACKAGES)[:16]}"
LIVE = Generation(PATH, REQUEST, PACKAGES, PACKAGES)
DRIFTED = replace(LIVE, actual=(NEWER, PYTHON))
OLD = Generation(f"{HOME}/0123456789abcdef", Request(("python",), REQUEST.channels), (PYTHON,), (PYTHON,))
OTHER_REQUEST = Request(("numpy>=2", "python=3.11"), REQUEST.channels)


@pytest.mark.parametrize(
    ("state", "request_", "expected"),
    [
        (
            State("absent", None, (), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=True, record=False, switch=True, path=PATH, before=()),
        ),
        (
            State("ours", LIVE, (LIVE,), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=False, record=False, switch=False, path=PATH, before=PACKAGES),
        ),
        (
            State("ours", OLD, (OLD,), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=True, record=False, switch=True, path=PATH, before=(PYTHON,)),
        ),
        (
            State("ours", OLD, (OLD, LIVE), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=False, record=False, switch=True, path=PATH, before=(PYTHON,)),
        ),
        (
            State("ours", LIVE, (LIVE,), ()),
            OTHER_REQUEST,
            Plan(OTHER_REQUEST, PACKAGES, (), build=False, record=True, switch=False, path=PATH, before=PACKAGES),
        ),
        (
            State("absent", None, (LIVE,), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=False, record=False, switch=True, path=PATH, before=()),
        ),
        (
            State("ours", None, (), ()),
            REQUEST,
            Plan(REQUEST, PACKAGES, (), build=True, record=False, switch=True, path=PATH, before=()),
        ),
        (
            State("ours", DRIFTED, (DRIFTED,), ()),
            REQUEST,
            Plan(
                REQUEST,
                PACKAGES,
                (),
                build=True,
                record=False,
                switch=True,
                path=f"{PATH}-2",
                before=(NEWER, PYTHON),
            ),
        ),
        (
            State("ours", LIVE, (LIVE,), (f"{HOME}/half",)),
            REQUEST,
            Plan(REQUEST, PACKAGES, (f"{HOME}/half",), False, False, False, PATH, PACKAGES),
        ),
    ],
    ids=[
        "bare",
        "nothing to do",
        "changed list",
        "changed back",
        "other words for the same",
        "link lost",
        "dangling link",
        "drifted",
        "leftover",
    ],
)
def test_plan(state: State, request_: Request, expected: Plan) -> None:
    plan = environment.plan(state, ROOT, NAME, request_, PACKAGES)
    assert plan == expected
    assert plan.changed == (expected.build or expected.record or expected.switch or bool(expected.remove))


@pytest.mark.parametrize("packages", [(PYTHON, NUMPY), (replace(NUMPY, url="file:///elsewhere"), PYTHON)])
def test_neither_order_nor_mirror_is_a_change(packages: tuple[Package, ...]) -> None:
    assert not environment.plan(State("ours", LIVE, (LIVE,), ()), ROOT, NAME, REQUEST, packages).changed


@pytest.mark.parametrize("what", ["a directory", "a file", "a symbolic link to /home/anna/envs/ai-dev"])
def test_plan_refuses_what_is_not_ours(what: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^{LINK} is {what} that Evenkeel did not make; it was left as it is"):
        environment.plan(State(what, None, (LIVE,), ()), ROOT, NAME, REQUEST, PACKAGES)


@pytest.mark.parametrize(
    ("state", "request_", "packages"),
    [
        (State("ours", LIVE, (LIVE,), ()), REQUEST, PACKAGES),
        (State("ours", DRIFTED, (DRIFTED,), ()), REQUEST, PACKAGES),
        (State("ours", LIVE, (LIVE,), ()), OTHER_REQUEST, None),
        (State("ours", OLD, (OLD, LIVE), ()), REQUEST, None),
        (State("ours", None, (LIVE,), ()), REQUEST, None),
        (State("absent", None, (), ()), REQUEST, None),
    ],
    ids=["same list", "drifted", "other list", "not the current one", "dangling link", "bare"],
)
def test_known_packages(state: State, request_: Request, packages: tuple[Package, ...] | None) -> None:
    assert environment.known_packages(state, request_) == packages


# read


def test_read_a_bare_node(node: Node) -> None:
    assert environment.read(node.root, NAME) == State("absent", None, (), ())


def test_read_what_was_built(node: Node) -> None:
    plan = node.converge()
    generation = Generation(plan.path, REQUEST, PACKAGES, PACKAGES)
    assert environment.read(node.root, NAME) == State("ours", generation, (generation,), ())


@pytest.mark.parametrize("marker", [None, "", '{"digest"'])
def test_a_generation_without_a_whole_marker_was_interrupted(node: Node, marker: str | None) -> None:
    half = node.generations / "half"
    (half / "conda-meta").mkdir(parents=True)
    if marker is not None:
        (half / environment.MARKER).write_text(marker)
    (node.generations / "a file").touch()
    assert environment.read(node.root, NAME) == State("absent", None, (), (str(half),))


def test_read_tells_own_links_from_others(node: Node) -> None:
    node.envs.mkdir(parents=True)
    for target, link in [
        (f"../generations/{NAME}/1", "ours"),
        (f"{node.generations}/1", "ours"),
        ("../generations/other/1", f"a symbolic link to {node.root}/generations/other/1"),
        ("/home/anna/ai-dev", "a symbolic link to /home/anna/ai-dev"),
    ]:
        node.link.symlink_to(target)
        assert environment.read(node.root, NAME).link == link
        node.link.unlink()


# apply


def test_build_on_a_bare_node_and_then_nothing(node: Node) -> None:
    conda = FakeConda()
    plan = node.converge(conda=conda)
    assert plan.diff == {"before": "", "after": "numpy 2.3.1 0\npython 3.11.2 1_cpython\n"}
    assert conda.explicit == [environment.explicit_file(PACKAGES)]
    assert conda.environment == {"CONDA_PKGS_DIRS": f"{node.root}/pkgs", "CONDA_REGISTER_ENVS": "false"}
    digest = environment.digest(PACKAGES)
    assert str(node.link.readlink()) == f"../generations/{NAME}/{digest[:16]}"
    assert json.loads((node.link / environment.MARKER).read_text())["digest"] == digest
    assert f"--clone {NAME}" in json.loads((node.link / environment.FROZEN).read_text())["message"]
    assert names(node.envs) == [NAME]
    assert not node.plan().changed


@pytest.mark.parametrize(
    ("packages", "request_", "builds"),
    [((NEWER, PYTHON), OTHER_REQUEST, 1), (PACKAGES, OTHER_REQUEST, 0), ((), Request((), REQUEST.channels), 1)],
    ids=["other packages", "same packages", "no packages"],
)
def test_a_changed_list_and_then_nothing(
    node: Node, packages: tuple[Package, ...], request_: Request, builds: int
) -> None:
    before = node.converge().path
    conda = FakeConda()
    assert node.converge(packages, request_, conda).changed
    assert len(conda.explicit) == builds
    assert not node.plan(packages, request_).changed
    assert environment.known_packages(environment.read(node.root, NAME), request_) == packages
    assert Path(before, "conda-meta", "numpy-2.3.1-0.json").exists()


def test_back_to_an_old_list_is_a_switch(node: Node) -> None:
    first = node.converge().path
    node.converge((NEWER, PYTHON), OTHER_REQUEST)
    conda = FakeConda()
    plan = node.converge(conda=conda)
    assert (plan.path, conda.explicit) == (first, [])
    assert node.link.resolve() == Path(first)
    assert not node.plan().changed


@pytest.mark.parametrize("drift", ["added", "removed", "replaced", "damaged"])
def test_a_drifted_environment_is_built_afresh_beside_it(node: Node, drift: str) -> None:
    first = node.converge().path
    meta = Path(first, "conda-meta")
    if drift in ("added", "replaced"):
        write_record(Path(first), NEWER)
    if drift in ("removed", "replaced"):
        (meta / "numpy-2.3.1-0.json").unlink()
    if drift == "damaged":
        (meta / "numpy-2.3.1-0.json").write_text("{")
    plan = node.converge()
    assert plan.path == f"{first}-2"
    assert plan.diff["before"] != plan.diff["after"]
    assert node.link.resolve() == Path(f"{first}-2")
    assert names(node.generations) == [Path(first).name, f"{Path(first).name}-2"]
    assert not node.plan().changed


def test_a_drift_that_is_undone_in_an_old_build_switches_nothing(node: Node) -> None:
    first = Path(node.converge().path)
    write_record(first, NEWER)
    second = node.converge().path
    (first / "conda-meta" / f"{NEWER.name}-{NEWER.version}-{NEWER.build}.json").unlink(missing_ok=True)
    write_record(first, PACKAGES[0])
    assert all(generation.intact for generation in environment.read(node.root, NAME).generations)
    assert node.plan().path == second
    assert not node.plan().changed


@pytest.mark.parametrize("lost", ["link", "generation", "marker", "conda-meta"])
def test_what_was_lost_is_healed(node: Node, lost: str) -> None:
    path = Path(node.converge().path)
    if lost == "link":
        node.link.unlink()
    elif lost == "marker":
        (path / environment.MARKER).unlink()
    else:
        shutil.rmtree(path if lost == "generation" else path / "conda-meta")
    conda = FakeConda()
    assert node.converge(conda=conda).changed
    assert len(conda.explicit) == (lost in {"generation", "conda-meta"})
    assert environment.installed(str(node.link)) == PACKAGES
    assert not node.plan().changed


@pytest.mark.parametrize("marker", [None, "", '{"digest"'])
@pytest.mark.parametrize("lost", ["marker", "conda-meta"])
def test_an_environment_in_use_is_not_removed_for_its_lost_marker(node: Node, lost: str, marker: str | None) -> None:
    path = Path(node.converge().path)
    (path / "lib").mkdir()
    (path / environment.MARKER).unlink()
    if marker is not None:
        (path / environment.MARKER).write_text(marker)
    if lost == "conda-meta":
        shutil.rmtree(path / "conda-meta")
    assert node.plan().remove == ()
    node.converge((NEWER,))
    assert node.link.resolve() != path
    assert (path / "lib").is_dir()
    assert not node.plan((NEWER,)).changed


@pytest.mark.parametrize("half", ["at the very path", "elsewhere"])
def test_a_killed_build_is_healed(node: Node, half: str) -> None:
    leftover = Path(node.plan().path) if half == "at the very path" else node.generations / "fedcba9876543210"
    (leftover / "conda-meta").mkdir(parents=True)
    write_record(leftover, NEWER)
    plan = node.converge()
    assert plan.remove == (str(leftover),)
    assert names(node.generations) == [environment.digest(PACKAGES)[:16]]
    assert environment.installed(str(node.link)) == PACKAGES
    assert not node.plan().changed


@pytest.mark.parametrize("kind", ["directory", "file", "link elsewhere", "link to another environment"])
def test_what_is_not_ours_is_refused_and_untouched(node: Node, kind: str) -> None:
    node.envs.mkdir(parents=True)
    (node.generations / "half").mkdir(parents=True)
    if kind == "directory":
        (node.link / "conda-meta").mkdir(parents=True)
        write_record(node.link, NUMPY)
    elif kind == "file":
        node.link.write_text("theirs")
    else:
        node.link.symlink_to("/home/anna/envs/ai-dev" if kind == "link elsewhere" else "../generations/other/1")
    before = node.tree()
    conda = FakeConda()
    with pytest.raises(EvenkeelError, match=f"^{node.link} is a .* did not make; it was left as it is"):
        node.converge(conda=conda)
    assert node.tree() == before
    assert not conda.explicit


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
CONDA_SAYS_FULL = json.dumps({"exception_name": "NoSpaceLeftError", "message": "No space left on devices."})
CONDA_REFUSES = json.dumps({"exception_name": "ChecksumMismatchError", "message": "expected and\ndownloaded content"})


@pytest.mark.parametrize(
    ("conda", "error", "message"),
    [
        (
            FakeConda(answer=(1, CONDA_REFUSES, "")),
            EvenkeelError,
            f"^conda could not build the environment {NAME}: expected and downloaded content. Nothing was changed",
        ),
        (FakeConda(answer=(-9, "", "")), EvenkeelError, "it said nothing"),
        (FakeConda(answer=(1, CONDA_SAYS_FULL, "")), EvenkeelError, "^No space left on the file system of "),
        (FakeConda(answer=(1, "", "[Errno 28] No space left on device")), EvenkeelError, "^No space left on the file"),
        (FakeConda(crash=FULL), EvenkeelError, "^No space left on the file system of "),
        (FakeConda(crash=PermissionError(13, "Permission denied", "/x")), EvenkeelError, "^/x: Permission denied"),
        (FakeConda(crash=KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
        (FakeConda(crash=SystemExit("stop")), SystemExit, "stop"),
        (
            FakeConda(instead=(NEWER, PYTHON)),
            EvenkeelError,
            f"{NAME} from other packages than asked for: numpy=2.3.1=0=.*, numpy=2.4.0=0=",
        ),
        (FakeConda(instead=()), EvenkeelError, "other packages than asked for: numpy=2.3.1=0=.*, python=3.11.2="),
    ],
)
def test_a_failed_build_leaves_nothing_and_the_environment_as_it_was(
    node: Node, conda: FakeConda, error: type[BaseException], message: str
) -> None:
    node.converge((PYTHON,), OTHER_REQUEST)
    before = node.tree()
    with pytest.raises(error, match=message):
        node.converge(conda=conda)
    assert node.tree() == before
    node.converge()
    assert not node.plan().changed


def test_a_failed_build_tells_all_that_conda_said(node: Node) -> None:
    with pytest.raises(EvenkeelError) as raised:
        node.converge(conda=FakeConda(answer=(1, CONDA_REFUSES, "err")))
    assert raised.value.details == {"rc": 1, "stdout": CONDA_REFUSES, "stderr": "err"}


def test_a_disk_that_is_full_at_the_last_file(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge((PYTHON,), OTHER_REQUEST)
    before = node.tree()

    def refuse_the_marker(path: str, text: str) -> None:
        if path.endswith(environment.MARKER):
            raise FULL
        write_atomically(path, text)

    monkeypatch.setattr(environment, "write_atomically", refuse_the_marker)
    with pytest.raises(EvenkeelError, match=f"^No space left on the file system of {node.root} "):
        node.converge()
    assert node.tree() == before


@pytest.mark.parametrize("kind", ["absent", "not executable"])
def test_without_conda_nothing_is_made(node: Node, kind: str) -> None:
    if kind == "absent":
        node.conda.unlink()
    else:
        node.conda.chmod(0o644)
    conda = FakeConda()
    with pytest.raises(EvenkeelError, match=f"^{node.conda}, which builds the environment {NAME}, is no program"):
        node.converge(conda=conda)
    assert not conda.explicit
    assert node.tree() == {}
