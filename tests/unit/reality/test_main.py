# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from reality import __main__ as command
from reality import report, world
from reality.claims import Claim, OutOfTimeError, Result, SkippedError, differs, proven
from reality.reach import TroubleError
from reality.record import Record, Sight
from reality.run import alone
from reality.world import World
from tests.unit.reality.made_part import Ask, Made
from tests.unit.reality.site import Reply, Site, nobody


def holds(_world: World) -> Result:
    return proven("a site")


def trouble(_world: World) -> Result:
    raise TroubleError("it can't be reached")


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.delenv(world.VARIABLE, raising=False)
    made = Made({"one": holds})
    monkeypatch.setattr(command, "known_parts", lambda: {"made": made})
    return made


def use(monkeypatch: pytest.MonkeyPatch, *sites: str) -> None:
    """Have runs look at these sites for whether there is a network."""
    monkeypatch.setattr(world, "SITES", sites)


@pytest.mark.parametrize(
    ("check", "status"),
    [(holds, 0), (lambda _world: differs("a", "b"), 1), (trouble, 4), (lambda _world: 1 / 0, 4)],
)
def test_the_status_says_how_it_went(part: Made, tmp_path: Path, check: Ask, status: int) -> None:
    part._asks = {"one": check, "two": holds}
    assert command.main(["run"], tmp_path) == status
    rows = json.loads((tmp_path / report.JSON).read_text())["claims"]
    assert [row["id"] for row in rows] == ["made/one", "made/two"]
    assert (tmp_path / report.PAGE).exists()


def lacking(_world: World) -> Result:
    raise SkippedError("this machine has no podman")


@pytest.mark.parametrize(("check", "said"), [(lacking, True), (holds, False)])
def test_why_a_part_is_left_out(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], check: Ask, said: bool
) -> None:
    part._asks = {"one": lacking, "two": check}
    assert command.main(["run"], tmp_path) == 0
    assert ("made is left out: this machine has no podman" in capsys.readouterr().out) is said


def test_a_run_whose_time_is_over_says_that_it_goes_on(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["run", "--limit", "0"], tmp_path) == 4
    assert "the time is over; the same command goes on from here" in capsys.readouterr().err
    assert command.main(["run"], tmp_path) == 0


def test_a_run_of_parts_goes_on_with_the_part_at_which_it_stopped(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_world: World) -> Result:
        raise OutOfTimeError

    parts = {name: Made({"one": lacking}, name=name) for name in ("first", "second")}
    monkeypatch.setattr(command, "known_parts", lambda: parts)

    def asked(*argv: str) -> list[str]:
        for one in parts.values():
            one.asked.clear()
        command.main(["run", *argv], tmp_path)
        return [name for name, one in parts.items() if one.asked]

    parts["second"]._asks = {"one": interrupted}
    assert asked() == ["first", "second"]
    parts["second"]._asks = {"one": holds}
    assert asked() == ["second"]
    assert "first: 1 claims, 1 of them answered before" in capsys.readouterr().out
    assert asked() == ["first", "second"]
    parts["first"]._asks = {"one": interrupted}
    assert asked() == ["first", "second"]
    assert asked("--parts", "second") == ["second"]
    assert asked("--fresh") == ["first", "second"]


def test_a_claim_that_is_asked_again_leaves_what_is_known_of_the_others(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part._asks = {"one": lambda _world: differs("a site", "another"), "two": holds}
    assert command.main(["run"], tmp_path) == command.OTHERWISE
    part._asks = {"one": holds, "two": holds}
    capsys.readouterr()
    for fresh in ([], ["--fresh"]):
        part.asked.clear()
        assert command.main(["run", "--only", "made/one", *fresh], tmp_path) == command.WELL
        assert (part.asked, capsys.readouterr().out.splitlines()[-2]) == (["one"], "1 proven")
        found = {row["id"]: row["state"] for row in report.read(tmp_path / report.JSON)["claims"]}
        assert found == {"made/one": "proven", "made/two": "proven"}


def test_without_a_network_it_says_so(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part.NETWORK = True
    use(monkeypatch, nobody(), nobody())
    assert command.main(["run"], tmp_path) == command.NO_NETWORK
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reality: no network: none of 2 sites answers; of them 127.0.0.1:")
    assert "PARTS" not in line
    monkeypatch.setattr(command, "known_parts", lambda: {"made": part, "gpu": Made({"two": holds}, name="gpu")})
    assert command.main(["run"], tmp_path) == command.NO_NETWORK
    assert capsys.readouterr().err.endswith('; PARTS="gpu" needs none\n')
    assert part.asked == []
    assert command.main(["run", "--parts", "gpu"], tmp_path) == command.WELL


@pytest.mark.parametrize("words", [["run", "--parts", "data,packages"], ["record"]])
def test_a_machine_without_any_network(tmp_path: Path, words: list[str]) -> None:
    alone_in_it = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone_in_it, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody leave its network")
    code = f"import pathlib, reality.__main__ as it\nprint(it.main({words}, pathlib.Path('build')))"
    env = {name: value for name, value in os.environ.items() if name != world.VARIABLE}
    done = subprocess.run(
        [*alone_in_it, sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(world.ROOT)},
    )
    assert done.stdout.splitlines() == [str(command.NO_NETWORK)]
    assert done.stderr.startswith("reality: no network: none of 5 sites answers; of them conda.anaconda.org can't")


def test_a_proxy_that_does_not_work_is_named(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part.NETWORK = True
    monkeypatch.setenv("http_proxy", nobody())
    use(monkeypatch, "http://one.example/", "http://two.example/")
    assert command.main(["run"], tmp_path) == command.NO_NETWORK
    said = capsys.readouterr().err
    assert "the proxy http://127.0.0.1:" in said
    assert "check http_proxy" in said


def test_what_others_say_is_one_line_that_no_terminal_obeys(
    part: Made, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_world: World) -> Result:
        raise SkippedError("no\x1b]0;podman\x07\nreality: all works")

    part._asks = {"one": refused}
    assert command.main(["run"], tmp_path) == 0
    assert "made is left out: no\\x1b]0;podman\\x07 reality: all works\n" in capsys.readouterr().out
    part.NETWORK = True
    monkeypatch.setenv("https_proxy", site.url)
    site.raw["CONNECT"] = b"HTTP/1.1 403 \x1b]0;pwned\x07\r\n\r\n"
    use(monkeypatch, "https://one.example/")
    assert command.main(["run", "--fresh"], tmp_path) == command.NO_NETWORK
    (line,) = capsys.readouterr().err.splitlines()
    assert "Tunnel connection failed: 403 \\x1b]0;pwned\\x07" in line


def test_one_site_that_answers_in_any_way_is_a_network(
    part: Made, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part.NETWORK = True
    use(monkeypatch, nobody(), site.answer("/", Reply(status=404)))
    assert command.main(["run"], tmp_path) == 0


def test_one_site_down_among_many_is_its_own_claims(
    part: Made, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    down = nobody()

    def at(url: str) -> Ask:
        return lambda here: proven(here.reach.head(url).url)

    there = {f"there-{number}": at(site.answer(f"/{number}", b"x")) for number in range(3)}
    part._asks = {**{f"down-{number}": at(f"{down}/{number}") for number in range(3)}, **there}
    assert command.main(["run"], tmp_path) == command.UNFINISHED
    assert "3 proven, 3 unreachable" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "--parts", "made,moon"], "There is no part moon. Choose from made"),
        (
            ["run", "--only", "made/moon"],
            "No claim's id is like made/moon. Take ids from .venv/bin/python -m reality list.",
        ),
        (["list", "--only", "made/moon"], "No claim's id is like made/moon"),
        (["list", "--parts", "moon"], "There is no part moon. Choose from made"),
        (["report"], "/reality.json is not there: nothing has been asked. Run make test-real."),
        (["report", "--keep"], "/reality.json is not there: nothing has been asked. Run make test-real."),
        (["record", "--parts", "made"], "There is nothing to record in made. Choose other parts, or leave them out."),
        (["list", "--recorded", "--parts", "made"], "There is nothing to record in made"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert command.main(argv, tmp_path) == command.USAGE
    assert said in capsys.readouterr().err


def test_another_world_is_refused(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(world.VARIABLE, "moon")
    assert command.main(["run"], tmp_path) == command.USAGE
    assert "REALITY is 'moon': set it to lab, or leave it out" in capsys.readouterr().err


def test_a_state_of_a_newer_version_is_refused_and_kept(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.json").write_text('{"format": 9, "parts": {}}')
    assert command.main(["run"], tmp_path) == command.USAGE
    assert "is of the form 9" in capsys.readouterr().err
    assert command.main(["run", "--fresh"], tmp_path) == 0


@pytest.mark.parametrize("argv", [["run"], ["run", "--fresh"]])
def test_two_runs_at_once_are_refused(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    with alone(tmp_path):
        assert command.main(argv, tmp_path) == command.USAGE
    said = capsys.readouterr().err
    assert f"{tmp_path}/locks/run is still locked by" in said
    assert "Wait for it to end, or end it" in said
    assert part.asked == []
    assert command.main(argv, tmp_path) == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; it takes root to make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("it takes root to mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on(part: Made, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filler = small / "filler"

    def fill(_world: World) -> Result:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        return proven("a site")

    part._asks = {"one": holds, "two": fill, "three": holds}
    assert command.main(["run"], small) == command.USAGE
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "Free some space on the file system of" in said
    filler.unlink()
    part._asks = {"one": holds, "two": holds, "three": holds}
    part.asked.clear()
    assert command.main(["run"], small) == 0
    assert part.asked == ["two", "three"]


def test_what_was_found_before_a_disk_was_full_is_in_the_report(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_world: World) -> Result:
        raise OSError(errno.ENOSPC, "No space left on device", "/store/a.part")

    part._asks = {"one": holds, "two": full}
    assert command.main(["run"], tmp_path) == command.USAGE
    assert "Free some space on the file system of /store/a.part" in capsys.readouterr().err
    rows = json.loads((tmp_path / report.JSON).read_text())["claims"]
    assert [row["state"] for row in rows] == ["proven", "never"]


def test_a_folder_that_is_read_only_is_named(part: Made, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    assert command.main(["run"], small) == command.USAGE
    said = capsys.readouterr().err
    assert f"{small}/" in said
    assert "read-only" in said
    assert part.asked == []


def test_what_no_part_can_use_is_refused_before_anything_is_asked(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(Made):
        def claims(self, _world: World) -> list[Claim]:
            raise EvenkeelError("EVENKEEL_OFFICIAL names foo", "Name releases")

    monkeypatch.setattr(command, "known_parts", lambda: {"made": part, "other": Refusing({})})
    assert command.main(["run", "--parts", "made"], tmp_path) == command.USAGE
    assert capsys.readouterr().err == "reality: EVENKEEL_OFFICIAL names foo. Name releases.\n"
    assert part.asked == []


@pytest.mark.parametrize("text", ["-1", "nan", "soon"])
def test_a_limit_that_is_no_time_is_refused(
    part: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["run", "--limit", text], tmp_path)
    assert caught.value.code == command.USAGE
    said = f"argument --limit: '{text}' is no number of seconds: name 0 or more"
    assert said in capsys.readouterr().err


def test_the_readme_is_checked_and_written(
    part: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, known = tmp_path / "README.md", tmp_path / "docs" / "reality.json"
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "COMMITTED", known)
    known.parent.mkdir()
    known.write_text(json.dumps(report.of_run([], {}, "real")))
    readme.write_text(f"# A\n{report.BEGIN}{report.END}")
    assert command.main(["run"], tmp_path) == 0
    assert command.main(["report", "--keep"], tmp_path) == 0
    assert f"Kept in {known}: 1 proven, 0 differ" in capsys.readouterr().out
    assert "| Made | 1 of 1 | ` a site ` |" in readme.read_text()
    assert command.main(["report", "--check"], tmp_path) == 0
    readme.write_text(readme.read_text().replace("1 of 1", "2 of 2"))
    assert command.main(["report", "--check"], tmp_path) == 1


@pytest.mark.parametrize("pattern", ["*/Debian-12", "made/debian-12", "*/DEBIAN*"])
def test_some_claims_alone_are_asked(part: Made, tmp_path: Path, pattern: str) -> None:
    part._asks = {"one": holds, "Debian-12": holds}
    assert command.main(["run", "--only", pattern], tmp_path) == command.WELL
    assert part.asked == ["Debian-12"]


class Recorded(Made):
    """A part from which the lab can learn."""

    def sights(self, _world: World) -> list[Sight]:
        return [Sight(name, lambda _world: Record("made", "a", "2026-11-30", {})) for name in self._asks]


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        ([], ["made/one  one holds", "made/two  two holds", "more/one  one holds"]),
        (["--parts", "more"], ["more/one  one holds"]),
        (["--only", "*/ONE"], ["made/one  one holds", "more/one  one holds"]),
        (["--recorded"], ["more/one  more/one can be recorded"]),
    ],
)
def test_the_claims_are_listed_by_their_ids(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    lines: list[str],
) -> None:
    monkeypatch.delenv(world.VARIABLE, raising=False)
    parts = {"made": Made({"one": holds, "two": holds}), "more": Recorded({"one": holds}, name="more")}
    monkeypatch.setattr(command, "known_parts", lambda: parts)
    assert command.main(["list", *argv], tmp_path) == command.WELL
    assert capsys.readouterr().out.splitlines() == lines


def test_what_has_nothing_to_record_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(world.VARIABLE, raising=False)
    parts = {name: Made({"one": holds}, name=name) for name in ("made", "other")} | {"more": Recorded({"one": holds})}
    monkeypatch.setattr(command, "known_parts", lambda: parts)
    assert command.main(["record", "--parts", "made more other"], tmp_path) == command.USAGE
    assert (
        "There is nothing to record in made, other. Choose other parts, or leave them out." in capsys.readouterr().err
    )
    assert command.main(["record", "--only", "more/moon"], tmp_path) == command.USAGE
    said = "No claim's id is like more/moon. Take ids from .venv/bin/python -m reality list --recorded."
    assert said in capsys.readouterr().err
