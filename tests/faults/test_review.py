# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/review.yml finds, writes and refuses, without a node."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Answer, ansible, finish
from tests.faults.test_conda_lock import CHANNEL, publish

DRIFT_REPORT = Path(__file__).parents[1] / "unit" / "plugins" / "plugin_utils" / "_drift" / "sample_report.json"
FLAW = {
    "id": "GHSA-1",
    "modified": "2026-01-01T00:00:00Z",
    "aliases": ["CVE-1"],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.6"}]}],
        }
    ],
}
OLD = [("tool", "0", []), ("jinja2=3.1.4", "0", ["python"]), ("python=3.9.1", "0", []), ("pip", "0", [])]
NEW = [("tool=1.1", "0", []), ("tool=2.0", "0", []), ("jinja2=3.1.6", "0", ["python"]), ("python=3.14.1", "0", [])]


@dataclass(frozen=True)
class Site:
    """A repository with a locked environment, its channel, and what is reviewed."""

    folder: Path

    def run(self, playbook: str, *arguments: str, **more: Any) -> Answer:
        given = {
            "conda_environments_directory": str(self.folder / "environments"),
            "lock_mirrors": {CHANNEL: (self.folder / "mirror").as_uri()},
            "review_directory": str(self.folder / "review"),
            "drift_directory": str(self.folder / "drift"),
            **more,
        }
        return finish(ansible("playbook", f"playbooks/{playbook}.yml", f"--extra-vars={json.dumps(given)}", *arguments))

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Ours")

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "review" / "report.json").read_text())
        return found


@pytest.fixture
def unlocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A repository with an environment that is not locked yet."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ana")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ana@site.example")
    site = Site(tmp_path)
    folder = tmp_path / "environments" / "here"
    folder.mkdir(parents=True)
    (folder / "environment.yml").write_text(f"channels: [{CHANNEL}]\ndependencies: [tool<2, jinja2, python=3.9]\n")
    (tmp_path / ".gitignore").write_text("mirror\nadvisories\n")
    site.git("init", "--quiet", "--initial-branch=main")
    site.commit()
    return site


@pytest.fixture
def site(unlocked: Site) -> Site:
    """The same, locked."""
    publish(unlocked.folder / "mirror", "19" * 32, *OLD)
    assert unlocked.run("lock").succeeded()
    unlocked.commit()
    return unlocked


def test_a_review_finds_what_is_old_and_writes_updates_to_a_branch(site: Site) -> None:
    (site.folder / "advisories").mkdir()
    (site.folder / "advisories" / "flaw.json").write_text(json.dumps(FLAW))
    (site.folder / "advisories" / "broken.json").write_text("{")
    publish(site.folder / "mirror", "19" * 32, *OLD, *NEW)
    environment = site.folder / "environments" / "here" / "environment.yml"
    given = {
        "review_advisories": str(site.folder / "advisories"),
        "review_nodes": str(DRIFT_REPORT),
        "review_update": True,
        "review_branch": "updates",
    }
    rehearsed = site.run("review", "--check", **given)
    assert rehearsed.succeeded()
    assert site.git("branch", "--format=%(refname:short)") == "main"
    answer = site.run("review", **given)
    assert answer.succeeded()
    for words in (
        "Python 3.9.1: ended, 2025-10 (lock here (linux-64))",
        "NVIDIA driver 570.195.03: ended, 2026-02 (node gpu5)",
        "lock here: outdated; an update changes 2 packages; 1 known vulnerability",
        f"branch updates, commit {site.git('rev-parse', 'updates')[:12]}: here",
    ):
        assert words in answer.output
    assert "broken.json: It is no JSON" in " ".join(answer.output.split())
    (lock,) = site.report()["locks"]
    platform = lock["platforms"]["linux-64"]
    newer = {
        one["name"]: (one["update"], [found["version"] for found in one["newest"]]) for one in platform["packages"]
    }
    assert newer == {"jinja2": ("3.1.6", ["3.1.6"]), "python": ("3.9.1", ["3.14.1"]), "tool": ("1.1", ["2.0"])}
    (found,) = platform["advisories"]["vulnerabilities"]
    assert (found["ids"], found["fixed"], found["ended_by_update"]) == (["CVE-1", "GHSA-1"], "3.1.6", True)
    assert site.git("log", "--format=%s%n%b", "main..updates").startswith(
        "Review: lock here anew\nlinux-64\n  ~ jinja2 3.1.4 -> 3.1.6\n  ~ tool 1.0 -> 1.1\n\n"
        f"Evenkeel-Review: {site.report()['created'][:10]} "
    )
    assert "tool-1.1-0.conda" in site.git("show", "updates:environments/here/conda-lock.yml")
    assert site.git("status", "--porcelain") == ""
    assert site.git("symbolic-ref", "--short", "HEAD") == "main"
    # A lock whose environment is not committed is not written, and nobody's commit is overwritten.
    environment.write_text(environment.read_text().replace("tool<2", "tool"))
    answer = site.run("review", **given)
    assert answer.succeeded()
    assert "lock here: not on the branch; " in answer.output
    (left,) = site.report()["branch"]["left"]
    assert (left["lock"], "Commit it first" in left["why"]) == ("here", True)
    theirs = site.git("commit-tree", "updates^{tree}", "-p", "updates", "-m", "Mine")
    site.git("update-ref", "refs/heads/updates", theirs)
    assert site.run("review", **given).failed_saying("The branch updates", "which a person has made or changed")
    assert site.git("rev-parse", "updates") == theirs
    failed = site.run("review", review_fail_on=["vulnerable"], review_advisories=given["review_advisories"])
    assert failed.failed_saying("broken.json is malformed, so more may be vulnerable")


def test_what_can_not_be_asked_is_unknown_and_fails_where_that_is_asked(site: Site) -> None:
    (site.folder / "mirror").rename(site.folder / "gone")
    assert site.run("review").succeeded()
    (lock,) = site.report()["locks"]
    assert lock["state"] == "unknown"
    assert lock["platforms"]["linux-64"]["changes"] is None
    assert site.report()["advisories"] is None
    failed = site.run("review", review_fail_on=["eol", "outdated"])
    assert failed.failed_saying("Python 3.9.1 is past its end of life", "here may be outdated, which is unknown")
    assert (site.folder / "review" / "index.html").exists()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"review_fail_on": ["everything"]}, ("review_fail_on[0] is 'everything'", "eol, vulnerable, outdated")),
        ({"review_fail_on": ["vulnerable"]}, ("review_fail_on has vulnerable, and review_advisories is not set",)),
        ({"review_advisories": "/nowhere.json"}, ("/nowhere.json: No such file", "review_advisories")),
        ({"review_update": True, "review_branch": "main"}, ("The branch main is checked out",)),
        ({"review_advisory": "a.json"}, ("review_advisory", "review_advisories")),
    ],
    ids=["kind", "no advisories", "nowhere", "branch", "name"],
)
def test_bad_arguments_are_told(unlocked: Site, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    assert unlocked.run("review", **variables).failed_saying(*words)
    assert unlocked.git("status", "--porcelain") == ""
    assert unlocked.git("branch", "--format=%(refname:short)") == "main"
    assert not (unlocked.folder / "review").exists()
