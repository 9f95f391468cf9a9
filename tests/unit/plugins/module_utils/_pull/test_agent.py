# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the program from the fetch to the report, with a real repository and a stand-in for ansible-playbook."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import agent, repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

from lab.git_site import GitSite

ROOT = Path(__file__).parents[5]
PUSH = run_lease.Run("a1", "ana@control1", "site.yml", "another machine", "")


class Machine:
    """A node that pulls from a remote; its playbook is a file that says how it ends, and which counts its runs."""

    def __init__(self, places: Places, remote: GitSite, folder: Path) -> None:
        self.places, self.remote, self.folder = places, remote, folder
        self.settings = Settings(
            host="gpu1", remote=remote.url, inventory="hosts.yml", report_to=str(folder / "reports")
        )
        (folder / "reports").mkdir()
        self.python = folder / "python"
        self.python.write_text(f'#!/bin/sh\necho "$PWD" >>{folder}/ran\n. ./site.yml\necho "gpu1 : ok=1 changed=1"\n')
        self.python.chmod(0o755)
        self.keep()

    def keep(self, **changed: Any) -> None:
        """Change the settings."""
        self.settings = replace(self.settings, **changed)
        Path(self.places.settings).write_text(self.settings.text())

    def pull(self, *arguments: str) -> int:
        """Run the program."""
        return agent.main(["--python", str(self.python), *arguments], self.places)

    @property
    def ran(self) -> list[str]:
        """The commits of which the playbook was run."""
        path = self.folder / "ran"
        return [Path(line).name for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def report(self) -> dict[str, Any]:
        """What was delivered last."""
        found: dict[str, Any] = json.loads((self.folder / "reports" / "gpu1.json").read_text())
        return found


@pytest.fixture
def machine(tmp_path: Path, places: Places, remote: GitSite, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "umask", lambda mask: 0o022)
    return Machine(places, remote, tmp_path)


def said(problem: str) -> dict[str, str]:
    """Return a playbook that fails."""
    return {"site.yml": f"""echo 'fatal: [gpu1]: FAILED! => {{"msg": "{problem}"}}'; exit 2\n"""}


def test_a_commit_is_applied_and_reported(machine: Machine) -> None:
    made = machine.remote.commit("ana", files={"site.yml": "\n"})
    assert machine.pull() == 0
    assert machine.ran == [made]
    report = machine.report
    assert {key: report[key] for key in ("format", "host", "outcome", "reason", "commit", "candidate", "counts")} == {
        "format": 1,
        "host": "gpu1",
        "outcome": "applied",
        "reason": "",
        "commit": made,
        "candidate": made,
        "counts": {"ok": 1, "changed": 1},
    }
    assert report["started"] <= report["ended"] < report["due"]
    assert "drift" not in report
    assert machine.pull() == 0
    assert machine.ran == [made, made]
    assert machine.report["since"] == report["since"]


def test_a_report_says_when_the_next_one_is_due(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    machine.keep(interval=60, splay=20)
    monkeypatch.setattr(agent, "now", lambda: "2026-11-29T23:00:00Z")
    machine.pull()
    assert machine.report["due"] == "2026-11-30T00:35:00Z"


def test_what_the_playbook_says_of_drift_is_reported_without_differences(machine: Machine) -> None:
    changes = [{"what": "condarc", "why": ["another channel"], "diff": "-a\n+b\n"}]
    found = {"created": "2099-01-01T00:00:00+00:00", "hosts": {"gpu1": {"layers": {"condarc": {"changes": changes}}}}}
    script = f"mkdir -p {machine.places.drift}; cat >{machine.places.drift}/report.json <<END\n%s\nEND\n"
    machine.remote.commit("ana", files={"site.yml": script % json.dumps(found)})
    assert machine.pull() == 0
    reported = machine.report["drift"]["hosts"]["gpu1"]["layers"]["condarc"]["changes"]
    assert reported == [{"what": "condarc", "why": ["another channel"], "diff": ""}]
    assert machine.pull("status") == 0
    # What an earlier run has left, or what can't be read, says nothing of this one.
    for text in (json.dumps({**found, "created": "2020-01-01T00:00:00+00:00"}), "{", "[]", '{"created": 1}'):
        machine.remote.commit("ana", files={"site.yml": script % text})
        assert machine.pull() == 0
        assert "drift" not in machine.report
    machine.remote.commit("ana", files={"site.yml": script % json.dumps(found) + "exit 2\n"})
    assert machine.pull() == 3
    assert "drift" not in machine.report


def test_a_bad_commit_shows_and_the_next_one_heals(machine: Machine) -> None:
    good = machine.remote.commit("ana", files={"site.yml": "\n"})
    assert machine.pull() == 0
    bad = machine.remote.commit("ana", files=said("no lock"))
    assert machine.pull() == 3
    report = machine.report
    assert (report["outcome"], report["reason"]) == ("failed", "no lock")
    assert (report["commit"], report["candidate"]) == (good, bad)
    better = machine.remote.commit("bo", files={"site.yml": "\n"})
    assert machine.pull() == 0
    assert machine.report["commit"] == better
    assert sorted(os.listdir(machine.places.checkouts)) == sorted([good, better])  # noqa: PTH208


@pytest.mark.parametrize("signer", ["", "mallory"])
def test_nothing_of_an_unsigned_commit_is_run(
    machine: Machine, signer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = machine.remote.commit("ana", files={"site.yml": "\n"})
    machine.pull()
    bad = machine.remote.commit(signer, files={"site.yml": "touch /nowhere\n"})
    assert machine.pull() == 3
    assert machine.ran == [good]
    assert (machine.report["outcome"], machine.report["commit"], machine.report["candidate"]) == ("refused", good, bad)
    assert "refused: The commit" in capsys.readouterr().err


def test_an_older_commit_is_refused_unless_told(machine: Machine) -> None:
    old = machine.remote.commit("ana", files={"site.yml": "\n"})
    new = machine.remote.commit("ana", files={"site.yml": ":\n"})
    machine.pull()
    machine.remote.git("reset", "--quiet", "--hard", old)
    machine.remote.push()
    assert machine.pull() == 3
    assert machine.ran == [new]
    assert f"{old[:12]} does not follow {new[:12]}" in machine.report["reason"]
    # The node's own copy is gone, and with it the newer commit: what the node has is remembered apart from it.
    subprocess.run(["rm", "-r", machine.places.repository], check=True)
    assert machine.pull() == 3
    assert machine.report["outcome"] == "refused"
    assert machine.pull("--allow-older") == 0
    assert machine.ran == [new, old]
    assert machine.report["commit"] == old
    machine.remote.git("reset", "--quiet", "--hard", old)
    assert machine.pull() == 0


def test_a_server_that_is_away_leaves_the_node_and_says_since_when(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = machine.remote.commit("ana", files={"site.yml": "\n"})
    times = iter(f"2026-11-{day}T{hour:02}:00:00Z" for day in (29, 30) for hour in range(24))
    monkeypatch.setattr(agent, "now", lambda: next(times))
    machine.pull()
    site = Path(machine.remote.url)
    site.rename(site.with_suffix(".away"))
    for _run in range(12):
        assert machine.pull() == 3
    report = machine.report
    assert (report["outcome"], report["since"], report["started"]) == (
        *("unreachable", "2026-11-29T02:00:00Z"),
        "2026-11-30T00:00:00Z",
    )
    assert (report["commit"], report["fetched"]) == (made, "2026-11-29T00:00:00Z")
    assert machine.ran == [made]
    site.with_suffix(".away").rename(site)
    assert machine.pull() == 0
    assert machine.report["since"] == "2026-11-30T02:00:00Z"


def test_the_kill_switch_stops_everything(machine: Machine) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    Path(machine.places.stop).touch()
    assert machine.pull() == 0
    assert machine.ran == []
    assert not Path(machine.places.repository).exists()
    assert (machine.report["outcome"], machine.places.stop in machine.report["reason"]) == ("stopped", True)
    Path(machine.places.stop).unlink()
    assert machine.pull() == 0
    assert machine.report["outcome"] == "applied"


def test_a_node_that_a_control_node_changes_is_left_alone_until_the_next_run(machine: Machine) -> None:
    made = machine.remote.commit("ana", files={"site.yml": "\n"})
    run_lease.take(PUSH, folder=machine.places.lease)
    assert machine.pull() == 0
    assert (machine.ran, machine.report["outcome"], machine.report["candidate"]) == ([], "waiting", made)
    assert machine.report["reason"].startswith("ana@control1 has been changing this node by site.yml since ")
    run_lease.release(PUSH, folder=machine.places.lease)
    assert machine.pull() == 0
    assert (machine.ran, machine.report["outcome"]) == ([made], "applied")


def test_the_node_is_held_for_a_commit_that_it_does_not_have(machine: Machine) -> None:
    noted = machine.folder / "noted"
    made = machine.remote.commit("ana", files={"site.yml": f"cat {machine.places.lease}/lease.json >{noted}\n"})
    assert machine.pull() == 0
    lease = json.loads(noted.read_text())["run"]
    assert (lease["who"], lease["what"]) == ("evenkeel-pull", f"the commit {made[:12]}")
    assert run_lease.in_the_way(machine.places.lease) is None
    assert machine.pull() == 0
    assert noted.read_text() == ""  # nothing has to change, as far as this program knows
    assert machine.ran == [made, made]


def test_a_playbook_is_of_the_run_that_holds_the_node(machine: Machine) -> None:
    machine.remote.commit("ana", files={"site.yml": f'echo "$EVENKEEL_RUN" >{machine.folder}/run; exit 2\n'})
    assert machine.pull() == 3
    assert machine.report["outcome"] == "failed"
    run = run_lease.parsed((machine.folder / "run").read_text())
    assert (run.who, run.process) == ("evenkeel-pull", process_identity.of(os.getpid()))


def test_a_control_node_that_came_first_is_no_failure(machine: Machine) -> None:
    held_lease = machine.folder / "held"
    run_lease.take(PUSH, folder=str(held_lease))
    taken_over = f"mv {held_lease}/lease.json {machine.places.lease}; exit 2\n"
    machine.remote.commit("ana", files={"site.yml": taken_over})
    assert machine.pull() == 0
    assert (len(machine.ran), machine.report["outcome"]) == (1, "waiting")


def test_a_commit_that_ends_it_leaves_nothing(machine: Machine) -> None:
    machine.remote.commit("ana", files={"site.yml": f"rm -r {machine.places.etc} {machine.places.var}\n"})
    assert machine.pull() == 0
    assert not Path(machine.places.var).exists()
    assert not Path(machine.places.etc).exists()


def test_a_second_run_names_the_first(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    with held(machine.places.lock, 0):
        assert machine.pull() == 3
    assert machine.ran == []
    assert f"is still locked by process {os.getpid()}" in capsys.readouterr().err


def test_a_run_that_is_killed_is_healed_by_the_next(machine: Machine) -> None:
    waits, new = machine.folder / "waits", machine.folder / "new"
    script = f"echo $$ >{new}; mv {new} {waits}; exec sleep 1000\n"
    made = machine.remote.commit("ana", files={"site.yml": script})
    code = (
        "import sys\n"
        "from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import agent, settings\n"
        f"agent.main(['--python', {str(machine.python)!r}], settings.{machine.places!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not waits.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # As long as the playbook goes on, it keeps the lock; systemd ends it with the unit.
    assert machine.pull() == 3
    os.kill(int(waits.read_text()), signal.SIGKILL)
    better = machine.remote.commit("ana", files={"site.yml": "\n"})
    assert machine.pull() == 0
    assert machine.ran == [made, better]


def test_a_full_disk_is_reported_all_the_same(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    full = OSError(28, "No space left on device", machine.places.state)

    def write(*arguments: object) -> None:
        raise full

    monkeypatch.setattr(agent, "write_atomically", write)
    monkeypatch.setattr(agent.states, "write_atomically", write)
    monkeypatch.setattr(repository, "require_space", write)
    assert machine.pull() == 3
    assert machine.report["outcome"] == "failed"
    assert "No space left on device" in machine.report["reason"]


def test_a_memory_that_is_damaged_stays_and_is_named(machine: Machine) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    Path(machine.places.state).write_text("")
    for _run in range(2):
        assert machine.pull() == 3
        assert machine.places.state in machine.report["reason"]
    assert machine.ran == []
    Path(machine.places.state).unlink()
    assert machine.pull() == 0


def test_a_report_that_can_not_be_delivered_fails_the_run(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.remote.commit("ana", files={"site.yml": "\n"})
    (machine.folder / "reports").rmdir()
    assert machine.pull() == 3
    assert "is not there" in capsys.readouterr().err
    assert machine.pull("status") == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "applied"


def test_settings_that_are_missing_are_named(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    Path(machine.places.settings).unlink()
    assert machine.pull() == 3
    assert machine.places.settings in capsys.readouterr().err
