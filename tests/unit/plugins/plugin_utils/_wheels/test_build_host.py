# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds on builder hosts, and which of them builds."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox, wheel_build
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import build_host, builder, interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts, checked, where
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import Policy, building
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.interpreter import Interpreter
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import Store, made_of

from .builder_host import BuilderHost
from .conftest import require_namespaces

INTEL, ARM = "linux-64", "linux-aarch64"
HERE = builder.this_platform()
#: A Python that every sandbox sees, so that none of 100 MB has to be sent.
PYTHON = Path("/usr/bin/python3")
VERSION = (
    subprocess.run([PYTHON, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    if PYTHON.exists()
    else ""
)
MINOR = "".join(VERSION.split(".")[:2])
NATIVE = f"cp{MINOR}-cp{MINOR}-linux_{platform.machine()}"

Archive = Callable[..., SourceRelease]


@pytest.mark.parametrize(
    ("platform", "here", "named", "sandbox", "host"),
    [
        # Nothing is named: all is built on the control node, or refused there.
        (INTEL, INTEL, "", True, ""),
        (INTEL, INTEL, "", False, ""),
        (ARM, INTEL, "", True, ""),
        (ARM, "", "", False, ""),
        # One host builds what the control node can't.
        (INTEL, INTEL, "one", True, ""),
        (INTEL, INTEL, "one", False, "one"),
        (ARM, INTEL, "one", True, "one"),
        (ARM, ARM, "one", True, ""),
        (INTEL, "", "one", False, "one"),
        # A host for a platform builds for it, also where the control node could.
        (INTEL, INTEL, {INTEL: "one"}, True, "one"),
        (ARM, INTEL, {INTEL: "one"}, True, ""),
        (ARM, INTEL, {INTEL: "one", ARM: "two"}, True, "two"),
        (INTEL, INTEL, {ARM: "two"}, False, ""),
        (ARM, "", {ARM: "two"}, False, "two"),
    ],
)
def test_where_wheels_are_built(platform: str, here: str, named: Any, sandbox: bool, host: str) -> None:
    assert where(platform, here, named, sandbox=sandbox) == host


@pytest.mark.parametrize(
    ("named", "found"), [(None, ""), ("", ""), ("one", "one"), ({ARM: "one"}, {ARM: "one"}), ({}, {})]
)
def test_builder_hosts_of_the_inventory_are_taken(named: Any, found: Any) -> None:
    assert checked(named, {"one": {}}) == found


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("two", "lock_build_host names two, which the inventory does not have"),
        ({ARM: "two", INTEL: "one"}, "lock_build_host names two, which"),
        ({"aarch64": "one"}, r"lock_build_host has aarch64\. .*The platforms are linux-64, linux-aarch64"),
        ({ARM: ["one"]}, r"lock_build_host has \['one'\]"),
        (["one"], r"lock_build_host has \['one'\]"),
        ({5: "one"}, r"lock_build_host has 5\."),
    ],
)
def test_other_values_are_refused(named: Any, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        checked(named, {"one": {}})


class Site:
    """A control node that may not build, and its builder host."""

    def __init__(self, directory: Path) -> None:
        self.host = BuilderHost("builder01", directory / "of builder01")
        self.store = Store(directory / "wheels")
        self.named: Any = {HERE: "builder01"}
        self.platforms = [HERE]
        self.limits = Limits()
        self.python: list[Interpreter] = []

    def connect(self, name: str) -> BuilderHost:
        assert name == "builder01"
        return self.host

    @contextlib.contextmanager
    def building(self, **target: str) -> Iterator[Build]:
        with contextlib.closing(BuildHosts(self.named, self.platforms, self.connect)) as hosts:
            policy = Policy(self.store, hosts, limits=self.limits)
            node = replace(Target(VERSION, HERE, "2.99"), **target)
            with building(policy, node, (), Mirrors(), {}) as build:
                yield build

    def build(self, release: SourceRelease, **target: str) -> Path:
        with self.building(**target) as build:
            return build(release)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    require_namespaces()
    if not VERSION:
        pytest.skip("this machine has no Python in /usr/bin")
    site = Site(tmp_path)

    def linked(_packages: object, _mirrors: object, prefix: Path, _platform: str) -> Interpreter:
        program = prefix / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
        program.chmod(0o755)
        (prefix / "large").write_bytes(os.urandom(1 << 20))
        site.python.append(Interpreter(program, VERSION, prefix, of_lock=True))
        return site.python[-1]

    monkeypatch.setattr(interpreter, "linked", linked)
    return site


def test_a_wheel_that_is_built_on_a_host_is_in_the_store_and_nothing_is_left_there(
    site: Site, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = sandbox.lacking
    monkeypatch.setattr(
        sandbox, "lacking", lambda root: lacking(root) if "of builder01" in str(root) else "not permitted"
    )
    site.named = "builder01"
    during = (
        f"import os\nassert not os.path.exists('/etc/passwd')\nassert not os.path.exists({str(tmp_path / 'wheels')!r})"
    )
    wheel = site.build(archive(during=during, tag=NATIVE))
    made = made_of(wheel)
    assert made
    assert (wheel.name, made.platform) == (f"tool-1.0-{NATIVE}.whl", HERE)
    assert site.host.steps == ["begin", *4 * ["run", "take"], "take", "end"]
    assert not site.host.is_open
    assert [path for path in site.host.files if path.is_file()] == []
    assert not (site.host.directory / "evenkeel").exists()


def test_python_is_sent_once(site: Site, archive: Archive) -> None:
    with site.building() as build:
        build(archive("one"))
        build(archive("two"))
    assert len(site.python) == 1
    first, *others = site.host.sent
    assert len(others) == 7
    assert max(others) < first / 20


def test_a_host_gives_the_same_wheel_as_the_control_node(site: Site, archive: Archive) -> None:
    release = archive(during="import os, sys\nos.makedirs('content')\nopen('content/at', 'w').write(os.getcwd())")
    there = site.build(release).read_bytes()
    shutil.rmtree(site.store.directory)
    site.named = ""
    assert site.build(release).read_bytes() == there
    assert site.host.steps.count("begin") == 1


def test_no_host_is_asked_where_nothing_has_to_be_built(site: Site, archive: Archive) -> None:
    release = archive()
    site.build(release)
    site.host.steps.clear()
    site.build(release)
    assert site.host.steps == []


@pytest.mark.parametrize(
    ("kernel", "problem", "says", "message"),
    [
        (
            "Linux riscv64",
            "",
            {},
            rf"The builder host builder01 \(lock_build_host\) is Linux riscv64, and builds for {HERE} run on Linux "
            rf"{platform.machine()}\. Name a host of that architecture for that platform\.",
        ),
        ("Darwin arm64", "", {}, "is Darwin arm64, and builds for"),
        ("", "", {}, "is no Linux, and builds for"),
        (None, "no Python. Install it on the node: `x`.", {}, r"can't run modules. no Python\. Install it .* `x`"),
        (None, "", {"no_sandbox": "unshare failed"}, r"has no sandbox to build wheels in: unshare failed\. Allow user"),
        (None, "", {"glibc": ""}, "has no glibc, which conda's packages need"),
    ],
)
def test_a_host_that_cannot_build_is_refused_before_anything_is_built(
    site: Site, archive: Archive, kernel: str | None, problem: str, says: dict[str, str], message: str
) -> None:
    site.host.kernel = site.host.kernel if kernel is None else kernel
    site.host.problem, site.host.says = problem, says
    with pytest.raises(EvenkeelError, match=message):
        site.build(archive())
    assert "run" not in site.host.steps
    assert not site.host.is_open
    assert not (site.host.directory / "evenkeel").exists()


def test_the_hosts_of_all_platforms_are_asked_before_the_first_build(site: Site, archive: Archive) -> None:
    other = ARM if HERE == INTEL else INTEL
    site.platforms, site.named = [HERE, other], {other: "builder01"}
    with pytest.raises(EvenkeelError, match=f"builds for {other} run on Linux"):
        site.build(archive())
    assert not site.store.directory.exists()


def test_a_build_that_fails_there_says_why_and_where_and_leaves_nothing(site: Site, archive: Archive) -> None:
    site.limits = Limits(output_bytes=100_000)
    with pytest.raises(EvenkeelError) as error:
        site.build(archive(during="print('said'); raise SystemExit('fatal error: zlib.h: No such file')"))
    assert "it needs the header zlib.h on builder01. It printed, at last:\nsaid\n" in str(error.value)
    with pytest.raises(EvenkeelError, match="it printed more than 100000 bytes"):
        site.build(archive(during="print('x' * 200_000)"))
    assert not (site.host.directory / "evenkeel").exists()


def test_a_connection_that_is_lost_names_the_host(site: Site, archive: Archive) -> None:
    site.host.fails_at = "run"
    with pytest.raises(EvenkeelError, match=r"builder01 .* can't be used: the connection was closed\. Check"):
        site.build(archive())
    assert not site.host.is_open
    assert not (site.host.directory / "evenkeel").exists()


def test_a_full_disk_there_is_not_taken_for_a_lost_connection(site: Site, archive: Archive) -> None:
    site.host.fails_at, site.host.failure = "run", "failed to transfer file to sent.tar.gz: No space left on device"
    with pytest.raises(EvenkeelError, match=r"No space left on device\. Free space on builder01"):
        site.build(archive())
    assert not (site.host.directory / "evenkeel").exists()


def test_a_folder_that_could_not_be_removed_is_a_warning(
    site: Site, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(build_host, "warn", said.append)
    site.host.fails_at = "end"
    assert site.build(archive()).is_file()
    (folder,) = (site.host.directory / "evenkeel" / "builds").iterdir()
    assert said[0].startswith(
        f"{folder} on builder01 could not be removed; the next build there removes it, a day later"
    )


def test_a_file_of_the_host_does_not_come_out_as_a_wheel(site: Site, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    backend = (
        "import os\ndef build_wheel(directory, settings=None, metadata=None):\n"
        f"    os.symlink({str(tmp_path / 'secret')!r}, os.path.join(directory, 'tool-1.0-py3-none-any.whl'))\n"
        "    return 'tool-1.0-py3-none-any.whl'\n"
    )
    with pytest.raises(EvenkeelError, match="could not be built: it made no wheel"):
        site.build(archive(**{"backend.py": backend}))
    assert site.host.steps[-2:] == ["take", "end"]


def test_a_build_of_which_the_connection_breaks_ends_and_leaves_nothing(
    site: Site, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(wheel_build, "STANDARD_OUTPUT", writing)
    run = wheel_build._run

    def breaking(folder: Path, program: Any) -> Any:
        if any("wheel.json" in one for one in program["argv"]):
            os.close(reading)
        return run(folder, program)

    monkeypatch.setattr(wheel_build, "_run", breaking)
    site.limits = Limits(seconds=60)
    with pytest.raises(EvenkeelError):
        site.build(archive(during="import os\nos.mkfifo('pipe')\nopen('pipe').read()"))  # nobody writes to it
    os.close(writing)
    assert not (site.host.directory / "evenkeel").exists()


def test_folders_that_a_killed_run_left_go_a_day_later(site: Site, archive: Archive, tmp_path: Path) -> None:
    home = site.host.directory / "evenkeel" / "builds"
    old, recent, used = (home / f"from-control-node-{name}" for name in ("old", "recent", "used"))
    for folder in (old, recent, used):
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0) if folder != recent else None)
    with wheel_build._used(used):
        os.utime(used, (0, 0))
        site.build(archive())
    assert sorted(path.name for path in home.iterdir()) == [recent.name, used.name]


def test_only_a_builds_own_folder_is_used(site: Site, tmp_path: Path) -> None:
    for folder in (tmp_path, site.host.directory / "evenkeel" / "builds" / "other"):
        folder.mkdir(parents=True, exist_ok=True)
        with pytest.raises(EvenkeelError, match="is no folder of a build"):
            site.host.step({"step": "end", "folder": str(folder)})
        assert folder.exists()
    assert site.host.step({"step": "end", "folder": str(tmp_path / "gone")}) == {}


def test_requirements_are_for_the_older_c_library_of_host_and_nodes(
    site: Site, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    work = builder._Work

    def remembering(*arguments: Any) -> Any:
        seen.append(arguments[4].platform)
        return work(*arguments)

    monkeypatch.setattr(builder, "_Work", remembering)
    site.host.says = {"glibc": "2.28"}
    site.build(archive("one"))
    site.host.says = {}
    site.build(archive("two"), glibc="2.17")
    machine = platform.machine()
    assert seen == [f"{machine}-manylinux_2_28", f"{machine}-manylinux2014"]


def test_files_that_changed_are_sent_again_and_others_are_not(site: Site, tmp_path: Path) -> None:
    given, own, log = tmp_path / "given", tmp_path / "own", tmp_path / "log"
    for folder in (given, own):
        folder.mkdir()
    (given / "kept").write_text("kept")
    (given / "gone").write_text("gone")
    folder = site.host.step({"step": "begin"})["folder"]
    place = build_host.BuildHost(site.host, folder, "2.36")

    def seen() -> str:
        log.unlink(missing_ok=True)
        argv = ["/bin/sh", "-c", f"cd {given}; for one in *; do echo $one $(cat $one); done; ls {own}"]
        assert place.run(argv, own, log, {}, writable=[own], readable=[given]).status == 0
        return log.read_text()

    assert seen() == "gone gone\nkept kept\n"
    (given / "gone").unlink()
    (given / "kept").write_text("changed")
    (given / "new").write_text("new")
    assert seen() == "kept changed\nnew new\n"
    (own / "late").write_text("not sent: a build could have put a link there")
    assert seen() == "kept changed\nnew new\n"
