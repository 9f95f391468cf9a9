# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode finds out of a build that would fail, and who is asked where nothing changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab import paths
from lab.errors import LabError
from lab.nodes.fleet import Fleet
from lab.upstream import mirror

ANACONDA = "https://repo.anaconda.com"
SITE = f"{mirror.url()}/anaconda"


@pytest.fixture(scope="module")
def explicit(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of a package that no cache of the nodes has."""
    (package,) = (paths.CHANNEL / "noarch").glob("six-1.16.0-*.conda")
    path: Path = tmp_path_factory.mktemp("explicit") / "explicit.txt"
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    path.write_text(f"@EXPLICIT\n{ANACONDA}/pkgs/main/noarch/{package.name}#{sha256}\n")
    return str(path)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (f"{mirror.url()}/anacnda", "/anacnda/pkgs/main/noarch/six-1.16.0-.* answered 404 Not Found"),
        ("http://no-such-host.invalid", "did not deliver"),
        (f"http://{mirror.address()}:9", "did not deliver .*refused"),
        (f"{mirror.url()}/_fault/flaky/9999/rehearsed/anaconda", "answered 503 Service Unavailable"),
    ],
    ids=["a wrong path", "no such host", "nobody listens", "out of order"],
)
def test_what_a_build_would_fail_on_is_refused_in_check_mode(
    fleet: Fleet, explicit: str, site: str, message: str
) -> None:
    before = fleet.fingerprint()
    with pytest.raises(LabError, match=f"The environment rehearsed can't be built: .*{message}"):
        fleet.environment("rehearsed", check=True, explicit=explicit, mirrors={ANACONDA: site})
    assert fleet.fingerprint() == before


def test_check_mode_asks_for_what_the_caches_lack_and_changes_nothing(fleet: Fleet, explicit: str) -> None:
    before, asked = fleet.fingerprint(), set(fleet.requests())
    assert fleet.environment("rehearsed", check=True, explicit=explicit)["changed"]
    assert fleet.fingerprint() == before
    new = set(fleet.requests()) - asked
    assert {line.split()[4].rpartition("/")[0] for line in new} == {"/anaconda/pkgs/main/noarch"}


def test_without_changes_nobody_is_asked(fleet: Fleet) -> None:
    before = fleet.requests()
    for check in (True, False):
        listed = fleet.environment("listed.2", "python=3.11", "idna", channels=["pkgs/main"], check=check)
        assert not listed["changed"]
    assert set(fleet.requests()) - set(before) == set()


def test_what_the_caches_have_is_not_asked_for(fleet: Fleet) -> None:
    before = fleet.requests()
    assert fleet.environment("rehearsed", "python=3.11", "idna", check=True)["changed"]
    assert set(fleet.requests()) - set(before) == set()
