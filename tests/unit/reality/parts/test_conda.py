# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import parse

from reality import junit
from reality.claims import Result, SkippedError
from reality.parts import conda
from reality.reach import TroubleError
from reality.world import World
from tests.unit.reality.site import Reply, Site

TESTS = Path(__file__).parents[3]
NEW = "Miniconda3-py314_26.7.1-0-Linux-x86_64.sh"
SHA = "cd" * 32
LAB = {conda._MAIN: "http://lab.example/anaconda/pkgs/main"}
RESULTS = f"""\
<testsuites><testsuite>
<properties><property name="/opt/conda/bin/conda" value="conda 26.7.1"/></properties>
<testcase classname="tests.real.test_base" name="test_base_is_kept[{NEW}]"/>
<testcase classname="tests.real.test_base" name="test_the_plugin_for_terms_of_service_reads[{NEW}]">
<skipped message="no plugin"/></testcase>
<testcase classname="tests.real.test_base" name="test_doctor_finds_nothing[{NEW}]">
<failure message="assert fine [more lines]">    assert fine
E   assert fine
E     and more
tests/real/test_base.py:1: AssertionError</failure></testcase>
<testcase classname="tests.real.test_environments" name="test_doctor_finds_nothing[{NEW}]"/>
<testcase classname="tests.contract.test_recordings" name="test_list[one]"><error message="gone"/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[junit.Row]:
    (tmp_path / "results.xml").write_text(RESULTS)
    found, about = junit.read(tmp_path / "results.xml")
    assert about == ["conda 26.7.1"]
    return found


def pattern(key: str) -> str:
    return next(tests for name, _what, tests in conda.CHECKLIST if name == key)


def test_each_line_of_the_checklist_says_how_its_tests_ended(rows: list[junit.Row]) -> None:
    assert junit.verdict(rows, pattern("protected"), NEW, "conda 26.7.1").state == "proven"
    doctor = junit.verdict(rows, pattern("doctor"), NEW)
    assert doctor.detail == f"real/base, doctor finds nothing with {NEW}: assert fine\n  and more"
    assert junit.verdict(rows, pattern("contract"), NEW).detail == "contract/recordings, list with one: gone"
    with pytest.raises(SkippedError, match="no plugin"):
        junit.verdict(rows, pattern("terms"), NEW)
    with pytest.raises(SkippedError, match="none of its tests ran"):
        junit.verdict(rows, pattern("clone"), NEW)


def test_the_checklist_has_each_test_once_and_no_other() -> None:
    known = [
        f"{path.parent.name}/{path.stem.removeprefix('test_')} {name}"
        for path in (*TESTS.glob("real/test_*.py"), *TESTS.glob("contract/test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    ]
    lines = {test: [key for key, _what, tests in conda.CHECKLIST if re.match(tests, test)] for test in known}
    assert {test: keys for test, keys in lines.items() if len(keys) != 1} == {}
    assert {key for keys in lines.values() for key in keys} == {key for key, _what, _tests in conda.CHECKLIST}


def test_the_newest_of_each_python_is_asked_by_default(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVENKEEL_CONDA", "EVENKEEL_INSTALLER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    names = [case.name for case in conda.cases(world)]
    assert [name.partition("_")[0] for name in names[:-1]] == [f"Miniconda3-py3{minor}" for minor in range(9, 15)]
    assert names[-1].startswith("Miniforge3-")
    assert all(case.url.endswith(case.name) and len(case.sha256) == 64 for case in conda.cases(world))


def test_a_machine_that_is_too_old_for_an_installer_is_no_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENKEEL_CONDA", "true")
    row = junit.Row(
        "contract/recordings", "test_x", "", junit.ERROR, "Installer requires GLIBC >=2.41, but system has 2.36."
    )
    monkeypatch.setattr(conda, "_tested", lambda *_unused: ([row], ""))
    claim = next(one for one in conda.claims(world) if one.id.endswith("/contract"))
    with pytest.raises(SkippedError, match=r"^Installer requires GLIBC >=2\.41, but system has 2\.36$"):
        conda.check(claim, world)


@pytest.mark.parametrize(("key", "state"), [("doctor", "skipped"), ("contract", "differs"), ("protected", "proven")])
def test_of_the_lab_s_conda_only_what_it_is_not_meant_to_be_is_skipped(
    key: str, state: str, rows: list[junit.Row], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stand_ins = LAB
    monkeypatch.setenv("EVENKEEL_CONDA", "true")
    monkeypatch.setattr(conda, "_tested", lambda *_unused: (rows, "conda 26.7.1"))
    claim = next(one for one in conda.claims(world) if one.id.endswith(f"/{key}"))
    try:
        found = conda.check(claim, world).state
    except SkippedError:
        found = "skipped"
    assert found == state


def test_others_are_named_by_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENKEEL_CONDA", "true")
    monkeypatch.setenv("EVENKEEL_INSTALLER_URL", f"https://a.example/{NEW} https://a.example/b.sh")
    monkeypatch.setenv("EVENKEEL_INSTALLER_SHA256", f"{'aA' * 32} {SHA}")
    assert [(case.name, case.url, case.sha256) for case in conda.cases(world)] == [
        ("EVENKEEL_CONDA", "", ""),
        (NEW, f"https://a.example/{NEW}", "aa" * 32),
        ("b.sh", "https://a.example/b.sh", SHA),
    ]
    assert conda.cases(world)[0].command == shutil.which("true")
    keys = {claim.id for claim in conda.claims(world)}
    assert {f"conda/case/{NEW}/doctor", "conda/case/EVENKEEL_CONDA/contract", f"conda/case/{NEW}/miniconda"} <= keys
    assert {claim.id.split("/")[1] for claim in conda.claims(world)} == {"case"}
    world.environment = {}
    assert {claim.id.split("/")[1] for claim in conda.claims(world)} == {"installer", "scenario", "environment"}


@pytest.mark.parametrize(
    ("sha256", "kind", "called"),
    [
        ("", "installer", NEW),
        (SHA, "installer", NEW),
        ("ab" * 32, "case", f"{NEW}, which EVENKEEL_INSTALLER_URL names"),
    ],
)
def test_of_another_content_nothing_counts_for_the_known_installer(
    sha256: str, kind: str, called: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "installers", lambda: [replace(found, sha256=SHA) for found in [parse(NEW)] if found])
    url = f"https://a.example/t/TOKEN/{NEW}?X-Amz-Signature=SECRET#part"
    world.environment = {"EVENKEEL_INSTALLER_URL": url, "EVENKEEL_INSTALLER_SHA256": sha256}
    first, *_more, scenario = conda.claims(world)
    assert (first.id, first.text.partition(":")[0]) == (f"conda/{kind}/{NEW}/python", called)
    assert scenario.id == ("conda/scenario" if kind == "installer" else f"conda/case/{NEW}") + "/environment_life"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"https://ann:s3cr3t@a.example/{NEW}", "EVENKEEL_INSTALLER_URL names a URL with a login"),
        *[
            (url, "EVENKEEL_INSTALLER_URL names what is no URL of an installer")
            for url in (
                "https://ann:s3cr3t@a.example/",
                "foo",
                f"/srv/{NEW}",
                f"file:///srv/{NEW}",
                "https://foo",
                "://",
            )
        ],
    ],
)
def test_a_url_that_is_not_plain_is_refused_and_not_shown(url: str, error: str, world: World) -> None:
    world.environment = {"EVENKEEL_INSTALLER_URL": url}
    with pytest.raises(EvenkeelError, match=error) as refused:
        conda.claims(world)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "error"),
    [
        ({"EVENKEEL_CONDA": "/nonexistent/conda"}, "EVENKEEL_CONDA names /nonexistent/conda, which is no program"),
        ({"EVENKEEL_CONDA": "/etc"}, "EVENKEEL_CONDA names /etc, which is no program"),
        (
            {
                "EVENKEEL_INSTALLER_URL": "https://a.example/a.sh https://a.example/b.sh",
                "EVENKEEL_INSTALLER_SHA256": SHA,
            },
            r"SHA256 has another number of checksums \(1\) than EVENKEEL_INSTALLER_URL has URLs \(2\)",
        ),
        (
            {"EVENKEEL_INSTALLER_URL": "https://a.example/a.sh", "EVENKEEL_INSTALLER_SHA256": "0000"},
            "EVENKEEL_INSTALLER_SHA256 names what is no SHA-256",
        ),
        ({"EVENKEEL_INSTALLER_SHA256": SHA}, "EVENKEEL_INSTALLER_SHA256 has another number of checksums"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_anything_is_asked(
    environment: dict[str, str], error: str, world: World
) -> None:
    world.environment = environment
    with pytest.raises(EvenkeelError, match=error):
        conda.claims(world)


def test_an_installer_that_is_not_there_says_nothing_of_conda(site: Site, world: World) -> None:
    with pytest.raises(SkippedError, match=r"^a\.sh is not at its URL: its site answered 404$"):
        conda.downloaded(conda.Case("a.sh", url=f"{site.url}/t/TOKEN/a.sh?sig=SECRET"), world)


def test_an_installer_is_fetched_once_and_another_one_is_not_used(site: Site, world: World) -> None:
    case = conda.Case("a.sh", url=site.answer("/a.sh", b"text"), sha256="0" * 64)
    with pytest.raises(
        SkippedError, match="has the SHA-256 982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    ):
        conda.downloaded(case, world)
    unknown = conda.Case("a.sh", url=case.url)
    assert conda.downloaded(unknown, world) == conda.downloaded(unknown, world) == world.store / "installers" / "a.sh"
    assert len(site.asked) == 2
    with pytest.raises(SkippedError):
        conda.downloaded(case, world)
    assert len(site.asked) == 3


def test_a_download_that_fails_leaves_nothing(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = conda.Case("a.sh", url=site.answer("/a.sh", Reply(b"half", announced=8), b"text"))
    with pytest.raises(TroubleError, match="ended after 4 of 8 bytes"):
        conda.downloaded(case, world)
    monkeypatch.setattr(conda, "_MOST_BYTES", 3)
    with pytest.raises(TroubleError, match="sends more than"):
        conda.downloaded(case, world)

    def full(_url: str, into: Callable[[bytes], object], **_more: Any) -> None:
        into(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world.reach, "sum", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/installers/a\.part'"):
        conda.downloaded(case, world)
    assert list((world.store / "installers").iterdir()) == []


class Commands:
    """What is run, and how it ends."""

    def __init__(self, **statuses: int) -> None:
        self.ran: list[str] = []
        self._statuses = statuses

    def __call__(self, argv: Sequence[object], **more: Any) -> subprocess.CompletedProcess[str]:
        env = [f"{key}={value}" for key, value in (more.get("env") or {}).items()]
        self.ran.append(" ".join([*env, *map(str, argv)]))
        status = next((status for word, status in self._statuses.items() if word in self.ran[-1]), 0)
        return subprocess.CompletedProcess([], status, '{"digest": "0123456789abcdef"}', "")


def ask(key: str, world: World, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Result:
    for name in ("EVENKEEL_CONDA", "EVENKEEL_INSTALLER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(world, "run", commands)
    monkeypatch.setattr(world, "tool", lambda name, _remedy: name)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    claim = next(one for one in conda.claims(world) if one.id == f"conda/{key}")
    return conda.check(claim, world)


@pytest.mark.parametrize("name", ["miniconda", "distribution_life", "environment_life"])
@pytest.mark.parametrize("stand_ins", [None, LAB])
def test_scenarios_run_with_the_newest_installer_and_in_the_lab_with_its_own(
    name: str, stand_ins: dict[str, str] | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stand_ins, world.sums = stand_ins, {f"https://repo.anaconda.com/miniconda/{NEW}": "ab" * 32}
    commands = Commands()
    result = ask(f"scenario/{name}", world, commands, monkeypatch)
    assert result.state == "proven"
    if stand_ins:
        assert commands.ran == [f"molecule test --scenario-name {name}"]
    else:
        assert commands.ran[0] == "make lab"
        assert re.match(r"EVENKEEL_INSTALLER_URL=https\S+ EVENKEEL_INSTALLER_SHA256=\w{64} molecule", commands.ran[1])
    assert ask(f"scenario/{name}", world, Commands(molecule=1), monkeypatch).state == "differs"


@pytest.mark.parametrize(
    ("stand_ins", "name", "locked", "built"),
    [
        (None, "ai-dev-py39", '"lock_cuda": "12.8", "evenkeel_mirror": "conda-forge"}', "--json"),
        (
            LAB,
            "minimal",
            '"evenkeel_pip_index": "http://lab.example/pypi/simple/", "lock_targets": ["debian-12"]}',
            "--json --mirror http://lab.example/anaconda --pip-index http://lab.example/pypi/simple/",
        ),
    ],
)
def test_environments_are_locked_for_cuda_and_built(
    stand_ins: dict[str, str] | None,
    name: str,
    locked: str,
    built: str,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.stand_ins = stand_ins
    monkeypatch.setattr(world.reach, "head", lambda _url: None)
    commands = Commands()
    result = ask(f"environment/{name}", world, commands, monkeypatch)
    assert (result.state, result.detail) == ("proven", "CUDA 12.8, digest 0123456789ab")
    lock, sync = commands.ran
    assert (lock.endswith(locked), sync.endswith(built)) == (True, True), commands.ran
    assert (world.folder / "conda" / "site" / name / "environment.yml").exists()
    world._made.clear()
    with pytest.raises(EvenkeelError, match=f"{name} can't be built"):
        ask(f"environment/{name}", world, Commands(sync=1), monkeypatch)


def test_results_of_a_stopped_run_are_read_again(world: World) -> None:
    folder = world.folder / "conda" / "_opt_conda"
    folder.mkdir(parents=True)
    (folder / "all.xml").write_text(RESULTS)
    rows, about = conda._tested(conda.Case("/opt/conda", command="/opt/conda"), world)
    assert (len(rows), about) == (5, "conda 26.7.1")
