# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a build that failed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

LOG = """\
DKMS make.log for nvidia-590.48.01 for kernel 7.0.0-1-amd64 (x86_64)
make: Entering directory '/usr/src/linux-headers-7.0.0-1-amd64'
  CC [M]  /var/lib/dkms/nvidia/590.48.01/build/nvidia.o
/var/lib/dkms/nvidia/590.48.01/build/nvidia.c:12:5: error: implicit declaration of function 'dma_map_all'
   12 |     dma_map_all(NULL);
cc1: some warnings being treated as errors
make[2]: *** [scripts/Makefile.build:250: nvidia.o] Error 1
"""
FIRST = "/var/lib/dkms/nvidia/590.48.01/build/nvidia.c:12:5: error: implicit declaration of function 'dma_map_all'"

BROKEN_HEADERS = """\
DKMS make.log for nvidia-590.48.01 for kernel 7.0.0-1-amd64 (x86_64)
make: Entering directory '/usr/src/linux-headers-7.0.0-1-amd64'
Makefile:1: *** x.  Stop.
make[1]: Leaving directory '/usr/src/linux-headers-7.0.0-1-amd64'
make: *** [Makefile:4: modules] Error 2
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOG, FIRST),
        (
            "conftest.c:3: error: no member\nnvidia.c:1: fatal error: a.h: No such file\n",
            "nvidia.c:1: fatal error: a.h: No such file",
        ),
        (
            'ERROR: modpost: "gone" [nvidia.ko] undefined!\nmake: Error 1\n',
            'ERROR: modpost: "gone" [nvidia.ko] undefined!',
        ),
        ("make: *** No rule to make target\n", "make: *** No rule to make target"),
        (BROKEN_HEADERS, "Makefile:1: *** x. Stop."),
        ("", "the log is empty"),
    ],
    ids=["compiler", "a test of the configuration before it", "linker", "make alone", "broken headers", "nothing"],
)
def test_the_first_error_is_the_compilers(log: str, expected: str) -> None:
    assert dkms.first_error(log) == expected


def test_a_failed_build_names_kernel_version_error_and_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dkms, "LOGS", str(tmp_path / "logs"))
    build = tmp_path / "nvidia" / "590.48.01" / "build"
    build.mkdir(parents=True)
    earlier = dkms.logs(str(tmp_path))
    (build / "make.log").write_text(LOG)
    error = dkms.failed_since(earlier, str(tmp_path))
    assert error is not None
    for word in ("driver 590.48.01", "kernel 7.0.0-1-amd64", FIRST, "another branch", "remove 7.0.0-1-amd64"):
        assert word in str(error)
    assert Path(str(error.details["dkms"])).read_text() == LOG
    assert dkms.versions_failed_since(earlier, str(tmp_path)) == {"590.48.01"}
    assert dkms.failed_since(dkms.logs(str(tmp_path)), str(tmp_path)) is None
    assert dkms.versions_failed_since(dkms.logs(str(tmp_path)), str(tmp_path)) == set()


@pytest.mark.parametrize(
    ("log", "failed"),
    [(LOG, True), (BROKEN_HEADERS, True), ("make: Entering directory '/usr/src'\n  CC [M]  nvidia.o\n", False)],
    ids=["compiler", "broken headers", "a build that goes well"],
)
def test_a_log_says_whether_the_build_has_failed(log: str, failed: bool, tmp_path: Path) -> None:
    build = tmp_path / "nvidia" / "590.48.01" / "build"
    build.mkdir(parents=True)
    (build / "make.log").write_text(log)
    assert dkms.versions_failed_since({}, str(tmp_path)) == ({"590.48.01"} if failed else set())


def test_a_source_says_its_name_and_version(tmp_path: Path) -> None:
    source = tmp_path / "usr" / "src" / "nvidia-current-535.1"
    source.mkdir(parents=True)
    conf = 'PACKAGE_NAME="nvidia-current"\nPACKAGE_VERSION="535.1"\n'
    (source / "dkms.conf").write_text(conf)
    assert dkms.sources(str(tmp_path)) == [(str(source), "535.1")]
    assert (dkms.parse_name(conf), dkms.parse_version("PACKAGE_VERSION=1.2\n")) == ("nvidia-current", "1.2")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that were run; a build for a kernel of 7.0 fails, and leaves a log in DKMS's tree."""
    run: list[list[str]] = []

    def dkms_program(argv: list[str]) -> command.Done:
        run.append(argv)
        fails = argv[1] == "build" and argv[-1].startswith("7.0")
        if fails and "--dkmstree" in argv:
            build = Path(argv[argv.index("--dkmstree") + 1]) / "nvidia" / "590.48.01" / "build"
            build.mkdir(parents=True)
            (build / "make.log").write_text(LOG)
        return command.Done(10 if fails else 0, "", "Error! Bad return status")

    monkeypatch.setattr(command, "run", dkms_program)
    monkeypatch.setattr(dkms, "LOGS", str(tmp_path / "logs"))
    return run


def _source(folder: Path) -> str:
    folder.mkdir()
    (folder / "dkms.conf").write_text('PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="590.48.01"\n')
    return str(folder)


def test_a_module_is_built_on_trial_for_each_kernel_outside_of_dkms_own_tree(
    tmp_path: Path, programs: list[list[str]]
) -> None:
    dkms.try_build(_source(tmp_path / "source"), ["6.1.0-49", "6.1.0-50"])
    assert [(argv[1], argv[-1]) for argv in programs] == [("build", "6.1.0-49"), ("build", "6.1.0-50")]
    for argv in programs:
        options = dict(zip(argv[2::2], argv[3::2], strict=True))
        assert (options["-m"], options["-v"]) == ("nvidia", "590.48.01")
        assert {options["--dkmstree"], options["--sourcetree"]}.isdisjoint({"/var/lib/dkms", "/usr/src"})
        assert not Path(options["--dkmstree"]).exists()


def test_a_trial_that_fails_ends_there_with_the_compilers_error(tmp_path: Path, programs: list[list[str]]) -> None:
    with pytest.raises(EvenkeelError, match=r"for the kernel 7\.0\.1: .*error: implicit .*driver was not changed"):
        dkms.try_build(_source(tmp_path / "source"), ["6.1.0-49", "7.0.1", "6.1.0-50"])
    assert [argv[-1] for argv in programs] == ["6.1.0-49", "7.0.1"]
    assert (tmp_path / "logs" / "dkms-590.48.01-7.0.1.log").read_text() == LOG


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (False, ["dkms install -m nvidia -v 580.1 -k 6.1"]),
        (True, ["dkms build --force -m nvidia -v 580.1 -k 6.1", "dkms install --force -m nvidia -v 580.1 -k 6.1"]),
    ],
)
def test_a_module_is_installed_and_where_it_has_to_be_another_built_again(
    again: bool, expected: list[str], programs: list[list[str]]
) -> None:
    dkms.build("nvidia", "580.1", "6.1", again=again)
    assert [" ".join(argv) for argv in programs] == expected


def test_a_build_that_fails_is_an_error(programs: list[list[str]]) -> None:
    with pytest.raises(EvenkeelError, match=r"driver 580\.1 does not build for the kernel 7\.0\.1"):
        dkms.build("nvidia", "580.1", "7.0.1", again=True)
    assert len(programs) == 1


def test_kernels_without_headers_are_refused() -> None:
    dkms.require_headers([])
    with pytest.raises(EvenkeelError, match=r"headers of the kernel 6\.1, 6\.2 are missing"):
        dkms.require_headers(["6.1", "6.2"])


def test_modules_that_dkms_knows(tmp_path: Path) -> None:
    for place in ("nvidia/580.1/source", "nvidia-current/535.1/source", "zfs/2/source", "nvidia/kernel-6.1"):
        (tmp_path / place).mkdir(parents=True)
    assert dkms.registered(str(tmp_path)) == [("nvidia-current", "535.1"), ("nvidia", "580.1")]


def tree(folder: Path, *registrations: str, installed: Mapping[str, str] | None = None) -> str:
    """Make DKMS's tree as all of its versions do, with registrations, and of each kernel the one that it has."""
    for registration in registrations:
        place = folder / registration
        place.mkdir(parents=True)
        (place / "source").symlink_to(f"/usr/src/{registration.replace('/', '-')}")  # dangling, as some are
    for release, registration in (installed or {}).items():
        name, version = registration.split("/")
        module = folder / name / version / release / "x86_64" / "module"
        module.mkdir(parents=True)
        (module / "nvidia.ko").touch()
        (folder / name / f"kernel-{release}-x86_64").symlink_to(f"{version}/{release}/x86_64")
    return str(folder)


def test_other_modules_of_nvidia_are_no_driver(tmp_path: Path) -> None:
    modules = (
        "nvidia-fs/2.26.6",
        "nvidia-peermem/1.3",
        "nvidia-srv/535.274.02",
        "nvidia-legacy-390xx/390.157",
        "zfs/2.2",
    )
    found = dkms.registered(tree(tmp_path, *modules, installed={"6.1": "nvidia-fs/2.26.6"}))
    assert found == [("nvidia-legacy-390xx", "390.157"), ("nvidia-srv", "535.274.02")]
    assert dkms.active(str(tmp_path)) == []


def test_what_dkms_has_installed_for_each_kernel(tmp_path: Path) -> None:
    installed = {"6.1": "nvidia/595.91.07", "6.2": "nvidia/580.178.04"}
    found = dkms.active(tree(tmp_path, "nvidia/595.91.07", "nvidia/580.178.04", "nvidia/570.1", installed=installed))
    assert found == [("nvidia", "595.91.07", "6.1"), ("nvidia", "580.178.04", "6.2")]
    (tmp_path / "nvidia" / "kernel-6.3-x86_64").mkdir()  # no link: nothing is known of it
    assert dkms.active(str(tmp_path)) == found


@pytest.mark.parametrize("does", [True, False], ids=["DKMS removes it", "DKMS can't: the source is gone"])
def test_a_registration_is_forgotten_whatever_dkms_says(
    does: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[list[str]] = []

    def program(argv: list[str]) -> command.Done:
        run.append(argv)
        if does:
            shutil.rmtree(tmp_path / "nvidia" / "595.91.07")
        return command.Done(0 if does else 3, "", "Error! Could not locate dkms.conf file.")

    monkeypatch.setattr(command, "run", program)
    installed = {"6.1": "nvidia/595.91.07", "6.2": "nvidia/580.178.04"}
    tree(tmp_path, "nvidia/595.91.07", "nvidia/580.178.04", installed=installed)
    dkms.forget("nvidia", "595.91.07", str(tmp_path))
    assert run == [["dkms", "remove", "-m", "nvidia", "-v", "595.91.07", "--all"]]
    assert sorted(path.name for path in (tmp_path / "nvidia").iterdir()) == ["580.178.04", "kernel-6.2-x86_64"]
    does = False
    dkms.forget("nvidia", "580.178.04", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_registration_without_its_source_is_one(tmp_path: Path) -> None:
    (tmp_path / "nvidia" / "595.91.07" / "6.1" / "x86_64").mkdir(parents=True)
    (tmp_path / "nvidia" / "original_module").mkdir()
    assert dkms.registered(str(tmp_path)) == [("nvidia", "595.91.07")]


def test_a_module_is_taken_away_from_one_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[list[str]] = []

    def broken(argv: list[str]) -> command.Done:
        run.append(argv)
        return command.Done(4, "", "Error! nvidia/595.91.07 is broken!")

    monkeypatch.setattr(command, "run", broken)
    tree(tmp_path, "nvidia/595.91.07", installed={"6.1": "nvidia/595.91.07", "6.2": "nvidia/595.91.07"})
    dkms.uninstall("nvidia", "595.91.07", "6.1", str(tmp_path))
    assert run == [["dkms", "uninstall", "-m", "nvidia", "-v", "595.91.07", "-k", "6.1"]]
    assert dkms.active(str(tmp_path)) == [("nvidia", "595.91.07", "6.2")]


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        (["Makefile"], True),
        (["Kbuild"], True),
        (["kernel-open/Makefile"], True),
        (["dkms.conf", "patches/a.patch"], False),
    ],
)
def test_a_source_is_more_than_what_dkms_does_with_it(files: list[str], complete: bool, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert dkms.is_complete(str(tmp_path)) is complete


def test_what_a_program_said_last() -> None:
    assert command.Done(1, "out\n", "a\n\nb\n").last_words(1) == "b"
    assert command.Done(1, "out\n", "").last_words() == "out"
    assert command.Done(1, "", "").last_words() == "it printed nothing"
