# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.distribution import Desired, Installation, Plan, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

NAME = "Miniconda3-py313_26.7.1-0-Linux-x86_64"
INSTALLER = b"#!/bin/sh\necho the installer\n"
SHA256 = hashlib.sha256(INSTALLER).hexdigest()
HOME = f"{NAME}-{SHA256[:12]}"
OLD_FILE = "Miniconda3-py311_26.5.3-1-Linux-x86_64.sh"
OLD_HOME = "Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000"


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    source = tmp_path / "mirror" / f"{NAME}.sh"
    source.parent.mkdir()
    source.write_bytes(INSTALLER)
    return Desired(source.as_uri(), SHA256, str(tmp_path / "opt" / "miniconda3"), str(tmp_path / "store"))


class FakeInstaller:
    """What conda's installers do with ``-b -p``; ``status`` other than 0 ends it half-way."""

    def __init__(self, status: int = 0, out: str = "", err: str = "", crash: BaseException | None = None) -> None:
        self.answer = (status, out, err)
        self.crash = crash
        self.calls: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        self.calls.append(argv)
        shell, installer, batch, prefix_option, home = argv
        assert (shell, batch, prefix_option) == ("/bin/sh", "-b", "-p")
        assert Path(installer).read_bytes() == INSTALLER
        Path(home, "conda-meta").mkdir(parents=True)
        if self.crash is not None:
            raise self.crash
        if self.answer[0] == 0:
            Path(home, "bin").mkdir()
            Path(home, "bin", "conda").touch()
        return self.answer


def fetch(desired: Desired) -> Callable[[str], str]:
    return lambda target: download(desired.url, target, timeout=5, retries=0)


def converge(desired: Desired, installer: Callable[..., tuple[int, str, str]] | None = None) -> Plan:
    plan = distribution.plan(distribution.read(desired), desired)
    distribution.apply(plan, desired, installer or FakeInstaller(), fetch(desired))
    return plan


def second_plan(desired: Desired) -> Plan:
    return distribution.plan(distribution.read(desired), desired)


def tree(directory: Path) -> dict[str, str]:
    """Return every path below ``directory`` with the target of a link or the text of a file."""
    return {str(path): content(path) for path in sorted(directory.rglob("*"))}


def content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return path.read_text() if path.is_file() else "/"


def names(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def points_at(link: str) -> str:
    return str(Path(link).readlink())


def is_complete(desired: Desired, home: str) -> bool:
    return home in [one.path for one in distribution.read(desired).installations]


def make_home(store: str, name: str, *, complete: bool = True, number: int = 0) -> str:
    home = Path(store, name)
    (home / "conda-meta").mkdir(parents=True)
    if complete:
        file, _, checksum = name.rpartition("-")
        marker = {"installer": f"{file}.sh", "sha256": checksum.ljust(64, "0"), "number": number, "tight": True}
        (home / distribution.MARKER).write_text(json.dumps(marker))
    return str(home)


def make_link(desired: Desired, target: str | Path) -> None:
    Path(desired.prefix).parent.mkdir(exist_ok=True)
    Path(desired.prefix).symlink_to(target)


# check


@pytest.mark.parametrize(
    "url",
    [
        f"https://mirror.example/miniconda/{NAME}.sh",
        f"http://mirror.example:8080/{NAME}.sh",
        f"http://[2001:db8::1]/{NAME}.sh",
        f"file:///srv/mirror/{NAME}.sh",
        "https://mirror.example/Miniforge3.sh",
    ],
)
def test_check_accepts(url: str) -> None:
    distribution.check(Desired(url, SHA256, "/opt/miniconda3", "/opt/evenkeel/distributions"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sha256": SHA256.upper()}, "sha256 is '.*', which is not 64 lower-case hexadecimal digits"),
        ({"sha256": SHA256[:-1]}, "sha256 is "),
        ({"sha256": f"{SHA256}\n"}, "sha256 is "),
        ({"sha256": f"sha256:{SHA256}"}, "sha256 is "),
        ({"sha256": ""}, "sha256 is ''"),
        ({"url": f"{NAME}.sh"}, f"url {NAME}.sh is not an http, https or file URL"),
        ({"url": f"//mirror.example/{NAME}.sh"}, "url "),
        ({"url": f"ssh://mirror.example/{NAME}.sh"}, "url "),
        ({"url": f"https://{NAME}.sh"}, "url "),
        ({"url": f"https:///{NAME}.sh"}, "url "),
        ({"url": "https://mirror.example/miniconda/"}, "url "),
        ({"url": "https://mirror.example/miniconda/.sh"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.exe"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.sh?token=1"}, "url "),
        ({"url": f"https://mirror.example/{NAME}.sh\n"}, "url "),
        ({"prefix": "opt/miniconda3"}, "prefix is 'opt/miniconda3', which is not a normalised absolute path"),
        ({"prefix": "/opt/miniconda3/"}, "prefix is "),
        ({"prefix": "/"}, "prefix is '/'"),
        ({"store": "/opt/../store"}, "store is '/opt/../store'"),
        ({"store": ""}, "store is ''"),
        ({"keep": -1}, "keep is -1. "),
    ],
)
def test_check_refuses(change: dict[str, Any], problem: str) -> None:
    desired = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/opt/evenkeel/distributions")
    with pytest.raises(EvenkeelError, match=f"^{problem}"):
        distribution.check(replace(desired, **change))


def test_the_home_tells_the_installer_and_its_checksum() -> None:
    desired = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/store")
    assert desired.home == f"/store/{HOME}"
    assert replace(desired, url=f"http://other.example/pub/{NAME}.sh").home == desired.home
    assert replace(desired, sha256="0" * 64).home != desired.home


# read


def test_read_a_bare_node(desired: Desired) -> None:
    assert distribution.read(desired) == State("absent")


def test_read_an_own_link(desired: Desired) -> None:
    home = make_home(desired.store, OLD_HOME, number=3)
    make_link(desired, home)
    installation = Installation(home, OLD_FILE, "0" * 64, 3)
    assert distribution.read(desired) == State("ours", home, (installation,), (), frozenset({home}))


def test_read_an_own_relative_link(desired: Desired) -> None:
    make_home(desired.store, OLD_HOME)
    make_link(desired, f"../store/{OLD_HOME}")
    assert distribution.read(desired).current == f"{desired.store}/{OLD_HOME}"


def test_read_an_own_dangling_link(desired: Desired) -> None:
    make_link(desired, desired.home)
    assert distribution.read(desired) == State("ours", desired.home)


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"installer": 1, "sha256": ""}', "\0"])
def test_a_broken_marker_is_none(desired: Desired, marker: str) -> None:
    home = make_home(desired.store, HOME, complete=False)
    Path(home, distribution.MARKER).write_text(marker)
    assert distribution.read(desired) == State("absent", None, (), (home,), frozenset({home}))


def test_what_a_newer_evenkeel_installed_is_refused_and_left(desired: Desired) -> None:
    converge(desired)
    marker = Path(desired.home, distribution.MARKER)
    content = json.loads(marker.read_text())
    assert content["format"] == 1
    marker.write_text(json.dumps({"format": 9, "installer": [content["installer"]]}))
    before = tree(Path(desired.store))
    with pytest.raises(EvenkeelError, match=rf"^{marker} was written by a newer Evenkeel \(format 9; this one knows 1"):
        converge(desired)
    assert tree(Path(desired.store)) == before


def test_environments_of_people_are_seen(desired: Desired) -> None:
    home = make_home(desired.store, OLD_HOME)
    for name, file in (("thesis", "conda-meta/history"), ("notes", "today.txt")):
        path = Path(home, "envs", name, file)
        path.parent.mkdir(parents=True)
        path.touch()
    (found,) = distribution.read(desired).installations
    assert found.environments == (f"{home}/envs/thesis",)


@pytest.mark.parametrize(
    ("names", "leftovers"),
    [
        ([f".download-{HOME}"], [f".download-{HOME}"]),
        ([f".download-{OLD_HOME}", OLD_HOME], [OLD_HOME, f".download-{OLD_HOME}"]),
        ([HOME, OLD_HOME], [HOME]),
        ([HOME, f".download-{HOME}"], [HOME, f".download-{HOME}"]),
        ([f".removing-{OLD_HOME}", f"{HOME}-2"], [f"{HOME}-2", f".removing-{OLD_HOME}"]),
        (
            [
                ".lock",
                "mine",
                f"{HOME}-x",
                ".removing-mine",
                ".download-",
                ".download-.",
                ".download-..",
                ".download-mine",
            ],
            [],
        ),
    ],
    ids=["download", "install of another version", "desired one only", "desired one", "removal and healing", "foreign"],
)
def test_read_what_a_killed_run_left(desired: Desired, names: list[str], leftovers: list[str]) -> None:
    for name in names:
        make_home(desired.store, name, complete=False)
    expected = tuple(f"{desired.store}/{name}" for name in leftovers)
    assert distribution.read(desired).leftovers == expected


def test_a_complete_installation_beside_its_download_is_kept(desired: Desired) -> None:
    make_home(desired.store, OLD_HOME)
    download = make_home(desired.store, f".download-{OLD_HOME}", complete=False)
    assert distribution.read(desired).leftovers == (download,)


# plan

PLANNED = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/store")
CURRENT, OLD, OLDEST = f"/store/{HOME}", f"/store/{OLD_HOME}", "/store/Miniconda3-py39_4.9.2-Linux-x86_64-111111111111"
ours = Installation(CURRENT, f"{NAME}.sh", SHA256, 2)
old = Installation(OLD, OLD_FILE, "0" * 64, 1)
drifted = replace(ours, drift=("+ six 1.17.0",))
inhabited = replace(old, environments=(f"{OLD}/envs/thesis",))


def state(current: str | None, *installations: Installation, leftovers: tuple[str, ...] = ()) -> State:
    taken = frozenset([*(one.path for one in installations), *leftovers])
    return State("ours" if current else "absent", current, installations, leftovers, taken)


@pytest.mark.parametrize(
    ("state", "change", "plan"),
    [
        (state(None), {}, Plan(install=True, switch=True, after=CURRENT, number=1)),
        (state(None, ours), {}, Plan(switch=True, after=CURRENT, number=3)),
        (state(OLD, old), {}, Plan(install=True, switch=True, before=OLD, after=CURRENT, number=2)),
        (state(OLD, old, ours), {}, Plan(switch=True, before=OLD, after=CURRENT, number=3)),
        (state(CURRENT), {}, Plan(install=True, before=CURRENT, after=CURRENT, number=1)),
        (
            state(OLD, old, leftovers=(CURRENT,)),
            {},
            Plan(remove=(CURRENT,), install=True, switch=True, before=OLD, after=CURRENT, number=2),
        ),
        (
            replace(state(CURRENT), taken=frozenset({CURRENT})),
            {},
            Plan(install=True, switch=True, before=CURRENT, after=f"{CURRENT}-2", number=1),
        ),
        (
            state(CURRENT, leftovers=(CURRENT,)),
            {},
            Plan(install=True, switch=True, prune=(CURRENT,), before=CURRENT, after=f"{CURRENT}-2", number=1),
        ),
        (
            state(CURRENT, ours, leftovers=("/store/x",)),
            {},
            Plan(remove=("/store/x",), before=CURRENT, after=CURRENT, number=3),
        ),
        (
            state(CURRENT, replace(ours, protected=False)),
            {},
            Plan(protect=True, before=CURRENT, after=CURRENT, number=3),
        ),
        (
            state(CURRENT, drifted),
            {"heal": True},
            Plan(install=True, switch=True, before=CURRENT, after=f"{CURRENT}-2", number=3),
        ),
        (
            state(CURRENT, drifted, old),
            {"heal": True},
            Plan(install=True, switch=True, prune=(CURRENT,), before=CURRENT, after=f"{CURRENT}-2", number=3),
        ),
        (
            state(CURRENT, drifted, replace(ours, path=f"{CURRENT}-2")),
            {"heal": True},
            Plan(switch=True, before=CURRENT, after=f"{CURRENT}-2", number=3),
        ),
        (
            state(CURRENT, ours, old, replace(old, path=OLDEST, number=0)),
            {},
            Plan(prune=(OLDEST,), before=CURRENT, after=CURRENT, number=3),
        ),
        (
            state(OLD, ours, old, replace(old, path=OLDEST, number=9)),
            {"keep": 1},
            Plan(switch=True, prune=(OLDEST,), before=OLD, after=CURRENT, number=10),
        ),
        (state(CURRENT, ours, old), {"keep": 0}, Plan(prune=(OLD,), before=CURRENT, after=CURRENT, number=3)),
        (
            replace(state(CURRENT, ours, old, replace(old, path=OLDEST)), busy=frozenset({OLD})),
            {"keep": 0},
            Plan(prune=(OLDEST,), before=CURRENT, after=CURRENT, number=3),
        ),
        (
            replace(state(CURRENT, leftovers=(CURRENT,)), busy=frozenset({CURRENT})),
            {},
            Plan(install=True, switch=True, before=CURRENT, after=f"{CURRENT}-2", number=1),
        ),
    ],
    ids=[
        *(
            "bare",
            "link lost",
            "new version",
            "switch back",
            "dangling link",
            "half-made",
            "inhabited ruin",
            "marker lost",
        ),
        "leftover",
        *("base unprotected", "heal", "heal and keep the way back", "healed and killed", "prune"),
        *("what was in use stays", "keep none"),
        *("what a process uses stays", "and so does a ruin"),
    ],
)
def test_plan(state: State, change: dict[str, Any], plan: Plan) -> None:
    assert distribution.plan(state, replace(PLANNED, **change)) == plan
    assert plan.changed


@pytest.mark.parametrize(
    ("state", "plan"),
    [
        (state(CURRENT, ours, old), Plan(before=CURRENT, after=CURRENT, number=3)),
        (state(CURRENT, drifted), Plan(before=CURRENT, after=CURRENT, number=3, drift=drifted.drift)),
        (
            replace(state(CURRENT, ours, old, replace(old, path=OLDEST, number=0)), busy=frozenset({OLDEST})),
            Plan(before=CURRENT, after=CURRENT, number=3),
        ),
        (
            state(CURRENT, ours, inhabited, replace(inhabited, path=OLDEST, environments=(f"{OLDEST}/envs/x",))),
            Plan(before=CURRENT, after=CURRENT, number=3, stranded=(f"{OLD}/envs/thesis", f"{OLDEST}/envs/x")),
        ),
    ],
    ids=["as desired", "drifted", "used by a process", "inhabited"],
)
def test_nothing_to_do(state: State, plan: Plan) -> None:
    found = distribution.plan(state, PLANNED)
    assert found == plan
    assert not found.changed
    before, after = found.lines
    assert before == after


@pytest.mark.parametrize(
    ("state", "plan"),
    [
        (State("absent"), Plan()),
        (state(CURRENT, ours, old), Plan(switch=True, prune=(CURRENT, OLD), before=CURRENT)),
        (
            state(CURRENT, ours, inhabited),
            Plan(switch=True, prune=(CURRENT,), before=CURRENT, stranded=inhabited.environments),
        ),
        (state(CURRENT, leftovers=("/store/x",)), Plan(remove=("/store/x",), switch=True, before=CURRENT)),
    ],
)
def test_plan_absence(state: State, plan: Plan) -> None:
    assert distribution.plan_absence(state, PLANNED) == plan


@pytest.mark.parametrize("what", ["a directory", "a file", "a symbolic link to /home/anna/miniconda3"])
def test_what_is_not_ours_is_refused_and_stays_and_is_named_where_ours_is_to_go(what: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^/opt/miniconda3 is {what} that Evenkeel did not make; it was left"):
        distribution.plan(State(what), PLANNED)
    plan = distribution.plan_absence(State(what), PLANNED)
    assert not plan.changed
    assert distribution.stays(State(what), plan, PLANNED) == [f"/opt/miniconda3 is {what}: not made by Evenkeel"]


def test_what_an_absent_distribution_leaves_is_named() -> None:
    found = replace(state(CURRENT, ours, old, inhabited), busy=frozenset({OLD}))
    assert distribution.stays(found, distribution.plan_absence(found, PLANNED), PLANNED) == [
        f"{OLD}: a process uses it; the first run after its end removes it",
        f"{inhabited.path}: people have made environments in it, such as {inhabited.environments[0]}",
    ]


def test_a_store_goes_when_nothing_but_notes_is_left_in_it(tmp_path: Path) -> None:
    store = tmp_path / "evenkeel" / "distributions"
    (store / ".locks").mkdir(parents=True)
    (store / "theirs").mkdir()
    distribution.clean_store(str(store))
    assert (store / ".locks").is_dir()
    (store / "theirs").rmdir()
    distribution.clean_store(str(store))
    assert list(tmp_path.iterdir()) == []
    distribution.clean_store(str(store))


@pytest.mark.parametrize(
    ("current", "desired", "refused"),
    [
        ("Miniconda3-py313_26.5.3-1", "Miniconda3-py313_26.5.2-1", True),
        ("Miniconda3-py313_26.10.1-1", "Miniconda3-py313_26.9.3-1", True),
        ("Miniconda3-py313_26.5.3-1", "Miniconda3-py313_26.5.3-0", True),
        ("Miniconda3-py313_26.5.3-1", "Miniconda3-py39_25.9.1-3", True),
        ("Miniforge3-26.3.2-3", "Miniforge3-26.1.1-3", True),
        ("Miniconda3-py313_26.5.3-1", "Miniconda3-py311_26.5.3-1", False),
        ("Miniconda3-py313_26.9.3-1", "Miniconda3-py313_26.10.1-1", False),
        ("Miniconda3-py313_26.5.3-1", "Miniforge3-25.3.2-3", False),
        ("Miniconda3-latest", "Miniconda3-py313_26.5.2-1", False),
    ],
)
def test_a_downgrade_wants_to_be_asked_for(current: str, desired: str, refused: bool) -> None:
    used = Installation("/store/used", f"{current}-Linux-x86_64.sh", "2" * 64)
    asked = replace(PLANNED, url=f"https://mirror.example/{desired}-Linux-x86_64.sh")
    if refused:
        with pytest.raises(EvenkeelError, match=f"^/opt/miniconda3 is {current}-Linux.*newer than {desired}-Linux"):
            distribution.plan(state(used.path, used), asked)
        asked = replace(asked, force=True)
    assert distribution.plan(state(used.path, used), asked).install


# apply


def test_install_on_a_bare_node_and_then_nothing(desired: Desired) -> None:
    installer = FakeInstaller()
    assert converge(desired, installer).changed
    assert len(installer.calls) == 1
    assert points_at(desired.prefix) == desired.home
    assert names(desired.store) == [HOME]
    marker = json.loads(Path(desired.home, distribution.MARKER).read_text())
    reported = {key: marker[key] for key in ("installer", "sha256", "url", "number")}
    assert reported == {"installer": f"{NAME}.sh", "sha256": SHA256, "url": desired.url, "number": 1}
    assert not second_plan(desired).changed


def test_nobody_else_reaches_an_installation_before_it_is_complete(desired: Desired) -> None:
    seen = []

    def careless(argv: Sequence[str]) -> tuple[int, str, str]:
        answer = FakeInstaller()(argv)
        home = Path(argv[-1])
        (home / "bin" / "conda").chmod(0o6777)
        (home / "pkgs").mkdir()
        (home / "pkgs").chmod(0o777)
        (home / "private").touch(mode=0o600)
        seen.append(home.stat().st_mode & 0o777)
        return answer

    converge(desired, careless)
    assert seen == [0o700]
    modes = {name: Path(desired.home, name).stat().st_mode & 0o7777 for name in (".", "bin/conda", "pkgs", "private")}
    assert modes == {".": 0o755, "bin/conda": 0o755, "pkgs": 0o755, "private": 0o644}


@pytest.mark.parametrize(
    ("tight", "mode", "drift"),
    [
        (False, 0o4755, ()),
        (False, 0o757, ("! others could change its files",)),
        (True, 0o4755, ()),
        (True, 0o757, ("! others could change its files",)),
    ],
)
def test_what_others_may_change_is_taken_back_and_told(
    desired: Desired, tight: bool, mode: int, drift: tuple[str, ...]
) -> None:
    converge(desired)
    marker = Path(desired.home, distribution.MARKER)
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"tight": tight}))
    Path(desired.home, "bin", "conda").chmod(mode)
    theirs = Path(desired.home, "envs", "mine", "conda-meta")
    theirs.mkdir(parents=True)
    theirs.chmod(0o777)
    plan = converge(desired)
    assert plan.lines[1] == (desired.home, f"permissions of 1 file in {desired.home}")
    assert bool(plan.drift) == (tight or bool(drift))
    assert Path(desired.home, "bin", "conda").stat().st_mode & 0o7777 == 0o755
    assert theirs.stat().st_mode & 0o777 == 0o777
    assert not second_plan(desired).changed
    assert second_plan(desired).drift == drift
    assert second_plan(replace(desired, heal=True)).install == bool(drift)


def test_the_download_is_nobody_elses_to_change(desired: Desired) -> None:
    modes = []

    def look(argv: Sequence[str]) -> tuple[int, str, str]:
        modes.append(Path(argv[1]).parent.stat().st_mode & 0o777)
        return FakeInstaller()(argv)

    converge(desired, look)
    assert modes == [0o700]


def test_another_version_is_a_switch_that_keeps_the_old_one(desired: Desired) -> None:
    old = make_home(desired.store, OLD_HOME)
    make_link(desired, old)
    plan = converge(desired)
    assert plan.lines == ((old,), (desired.home,))
    assert points_at(desired.prefix) == desired.home
    assert is_complete(desired, old)
    assert not second_plan(desired).changed


@pytest.mark.parametrize("lost", ["link", "installation", "marker"])
def test_what_was_lost_is_healed(desired: Desired, lost: str) -> None:
    converge(desired)
    if lost == "link":
        Path(desired.prefix).unlink()
    elif lost == "installation":
        shutil.rmtree(desired.home)
    else:
        Path(desired.home, distribution.MARKER).unlink()
    installer = FakeInstaller()
    assert converge(desired, installer).changed
    assert len(installer.calls) == (lost != "link")
    assert Path(desired.prefix, "bin", "conda").is_file()
    assert not second_plan(desired).changed


def test_what_is_in_use_stays_while_its_successor_cannot_be_had(desired: Desired) -> None:
    converge(desired)
    Path(desired.home, distribution.MARKER).unlink()
    Path(desired.url[len("file://") :]).unlink()
    with pytest.raises(EvenkeelError, match="did not deliver"):
        converge(desired)
    assert Path(desired.prefix, "bin", "conda").is_file()


def test_environments_in_a_ruin_are_not_removed_with_it(desired: Desired) -> None:
    home = make_home(desired.store, HOME, complete=False)
    history = Path(home, "envs", "thesis", "conda-meta", "history")
    history.parent.mkdir(parents=True)
    history.touch()
    make_link(desired, home)
    converge(desired)
    assert points_at(desired.prefix) == f"{home}-2"
    assert history.exists()
    assert not second_plan(desired).changed


@pytest.mark.parametrize("name", [HOME, OLD_HOME])
def test_a_killed_run_is_healed(desired: Desired, name: str) -> None:
    make_home(desired.store, name, complete=False)
    make_home(desired.store, f".download-{name}", complete=False)
    converge(desired)
    assert names(desired.store) == [HOME]
    assert not second_plan(desired).changed


@pytest.mark.parametrize("kind", ["directory", "file", "link elsewhere", "link into the store's depth"])
def test_foreign_prefix_is_refused_and_untouched(desired: Desired, tmp_path: Path, kind: str) -> None:
    prefix = Path(desired.prefix)
    prefix.parent.mkdir()
    if kind == "directory":
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "conda").write_text("theirs")
    elif kind == "file":
        prefix.write_text("theirs")
    else:
        target = tmp_path / "theirs" if kind == "link elsewhere" else Path(desired.store, OLD_HOME, "deep")
        target.mkdir(parents=True)
        prefix.symlink_to(target)
    before = tree(tmp_path)
    installer = FakeInstaller()
    with pytest.raises(EvenkeelError, match="did not make"):
        converge(desired, installer)
    assert tree(tmp_path) == before
    assert not installer.calls


@pytest.mark.parametrize(
    ("installer", "error", "message"),
    [
        (
            FakeInstaller(1, "", "1\n2\n3\nglibc too old\n"),
            EvenkeelError,
            f"^{NAME}.sh ended with status 1: 2 / 3 / glibc",
        ),
        (FakeInstaller(2, "from stdout\n", ""), EvenkeelError, "ended with status 2: from stdout"),
        (FakeInstaller(1), EvenkeelError, "ended with status 1: it printed nothing"),
        (lambda argv: (0, "", ""), EvenkeelError, f"^{NAME}.sh made no bin/conda: it printed nothing"),
        (FakeInstaller(1, "", "tar: write error: No space left on device"), EvenkeelError, "^No space left on"),
        (FakeInstaller(crash=OSError(errno.ENOSPC, "full")), EvenkeelError, "^No space left on the file system"),
        (FakeInstaller(crash=OSError(errno.EIO, "Input/output error")), EvenkeelError, "Input/output error"),
        (FakeInstaller(crash=KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
        (FakeInstaller(crash=SystemExit("stop")), SystemExit, "stop"),
    ],
)
def test_a_failed_installer_leaves_nothing_and_the_link_as_it_was(
    desired: Desired, installer: FakeInstaller, error: type[BaseException], message: str
) -> None:
    old = make_home(desired.store, OLD_HOME)
    make_link(desired, old)
    with pytest.raises(error, match=message):
        converge(desired, installer)
    assert names(desired.store) == [OLD_HOME]
    assert points_at(desired.prefix) == old
    converge(desired)
    assert not second_plan(desired).changed


def test_a_failed_installer_tells_all_it_said(desired: Desired) -> None:
    with pytest.raises(EvenkeelError) as raised:
        converge(desired, FakeInstaller(1, "out", "err"))
    assert raised.value.details == {"rc": 1, "stdout": "out", "stderr": "err"}


def test_a_disk_that_fills_up_during_the_installation(desired: Desired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    with pytest.raises(EvenkeelError, match=rf"^No space left on the file system of {desired.store} \(0 MiB free\)"):
        converge(desired, FakeInstaller(1, "", "unzipping failed"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_file_system_that_refuses_the_download(desired: Desired, number: int) -> None:
    def refuse(target: str) -> str:
        Path(target).write_bytes(b"half")
        raise OSError(number, os.strerror(number), target)

    installer = FakeInstaller()
    plan = distribution.plan(distribution.read(desired), desired)
    with pytest.raises(EvenkeelError, match=os.strerror(number)[:13]):
        distribution.apply(plan, desired, installer, refuse)
    assert names(desired.store) == []
    assert not os.path.lexists(desired.prefix)
    assert not installer.calls


def test_a_leftover_that_cannot_be_removed_is_named(desired: Desired) -> None:
    Path(desired.store).mkdir()
    Path(desired.home).write_text("a file")
    with pytest.raises(EvenkeelError, match=f"^{desired.home}: Not a directory"):
        converge(desired)


# what the mirror sends


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"#!/bin/sh\necho forged\n", f"has the SHA-256 [0-9a-f]{{64}}, not {SHA256}"),
        (b"", "has the SHA-256 e3b0c44298fc"),
        (b"<!DOCTYPE html><title>Log in</title>", "answered with an HTML page, not an installer"),
        (b"\r\n  <html><body>Not found</body></html>", "answered with an HTML page, not an installer"),
    ],
    ids=["forged", "empty", "doctype", "html"],
)
def test_what_is_not_the_installer_is_not_executed_and_removed(desired: Desired, body: bytes, message: str) -> None:
    source = Path(desired.url.removeprefix("file://"))
    source.write_bytes(body)
    installer = FakeInstaller()
    with pytest.raises(EvenkeelError, match=f"^{desired.url} {message}"):
        converge(desired, installer)
    assert not installer.calls
    assert names(desired.store) == []
    assert not os.path.lexists(desired.prefix)


def test_an_html_page_with_the_right_checksum_is_what_was_asked_for(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"<html>")
    distribution.require_installer(str(page), "https://mirror.example/x.sh", SHA256, SHA256)


# base, and how it goes


def test_an_installation_that_needs_more_than_there_is_is_not_executed(desired: Desired, tmp_path: Path) -> None:
    big = b'#!/bin/sh\ntotal_installation_size_kb="999999999999"\n'
    Path(desired.url.removeprefix("file://")).write_bytes(big)
    asked = replace(desired, sha256=hashlib.sha256(big).hexdigest())
    installer = FakeInstaller()
    needed = (999999999999 << 10) + distribution.BUFFER_BYTES
    with pytest.raises(
        EvenkeelError, match=rf"^{NAME}.sh needs {needed} bytes, and the file system of {asked.store} has"
    ):
        converge(asked, installer)
    assert not installer.calls
    assert names(asked.store) == []


@pytest.mark.parametrize("path", ["prefix", "store"])
def test_a_path_with_a_space(path: str) -> None:
    places = {"prefix": "/opt/miniconda3", "store": "/opt/evenkeel/distributions", path: "/opt/my conda"}
    with pytest.raises(EvenkeelError, match=f"^{path} is '/opt/my conda', and conda can't be installed into"):
        distribution.check(Desired(f"https://mirror.example/{NAME}.sh", SHA256, **places))


def test_a_path_that_scripts_can_not_begin_with() -> None:
    longest = Desired(f"https://mirror.example/{NAME}.sh", SHA256, "/opt/miniconda3", "/s" + "t" * 53)
    distribution.check(longest)
    with pytest.raises(EvenkeelError, match=r"^store /st* is too long: scripts .* begin with 128 bytes, and 127 are"):
        distribution.check(replace(longest, store=longest.store + "t"))


def test_a_drifted_base_is_replaced_and_the_old_one_kept(desired: Desired) -> None:
    converge(desired)
    record = {"name": "six", "version": "1.17.0", "build": "0"}
    Path(desired.home, "conda-meta", "six-1.17.0-0.json").write_text(json.dumps(record))
    assert second_plan(desired).drift == ("+ six 1.17.0",)
    healing = replace(desired, heal=True)
    assert converge(healing).after == f"{desired.home}-2"
    assert points_at(desired.prefix) == f"{desired.home}-2"
    assert names(desired.store) == [HOME, f"{HOME}-2"]
    assert not second_plan(healing).changed


def test_a_base_that_lost_its_protection_gets_it_back(desired: Desired) -> None:
    converge(desired)
    Path(desired.home, "conda-meta", "frozen").unlink()
    plan = converge(desired)
    assert (plan.protect, plan.install, plan.drift) == (True, False, ())
    assert not second_plan(desired).changed


def test_what_is_pruned_goes_whole(desired: Desired) -> None:
    for name, number in ((OLD_HOME, 1), (f"{OLD_HOME}-2", 2)):
        make_home(desired.store, name, number=number)
    assert converge(desired).prune == (f"{desired.store}/{OLD_HOME}",)
    assert names(desired.store) == sorted([HOME, f"{OLD_HOME}-2"])


def test_all_of_it_is_on_the_disk_before_it_is_declared_complete(
    desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool, bool]] = []

    def sync(paths: Sequence[str], *_: object) -> None:
        (home,) = paths
        frozen = Path(home, "conda-meta", "frozen").exists()
        synced.append((home, frozen, is_complete(desired, home)))

    monkeypatch.setattr(distribution, "sync_file_systems", sync)
    converge(desired)
    assert synced == [(desired.home, True, False)]
    assert is_complete(desired, desired.home)


@pytest.mark.parametrize(("noted", "complete"), [({}, False), ({"synced": True}, True)])
def test_what_an_earlier_version_installed_and_a_power_cut_emptied_is_not_complete(
    desired: Desired, noted: dict[str, bool], complete: bool
) -> None:
    home = Path(make_home(desired.store, HOME))
    (home / "bin").mkdir()
    (home / "bin" / "python").touch()
    paths = [{"_path": "bin/python", "path_type": "hardlink", "size_in_bytes": 7}]
    record = {"name": "python", "version": "3.11", "build": "0", "paths_data": {"paths": paths}}
    (home / "conda-meta" / "python-3.11-0.json").write_text(json.dumps(record))
    marker = home / distribution.MARKER
    marker.write_text(json.dumps({**json.loads(marker.read_text()), **noted}))
    assert is_complete(desired, str(home)) is complete
    (home / "bin" / "python").write_text("python!")
    assert is_complete(desired, str(home))


def test_absence(desired: Desired) -> None:
    converge(desired)
    inhabited = Path(make_home(desired.store, OLD_HOME), "envs", "thesis", "conda-meta", "history")
    inhabited.parent.mkdir(parents=True)
    inhabited.touch()
    plan = distribution.plan_absence(distribution.read(desired), desired)
    distribution.apply(plan, desired, FakeInstaller(), fetch(desired))
    assert not os.path.lexists(desired.prefix)
    assert names(desired.store) == [OLD_HOME]
    assert inhabited.exists()
    assert not distribution.plan_absence(distribution.read(desired), desired).changed
