# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode finds out of an installation that would fail, and who is asked where nothing changes."""

from __future__ import annotations

from typing import Any

import pytest

from lab import paths
from lab.errors import LabError
from lab.nodes import inventory
from lab.nodes.fleet import Fleet
from lab.upstream import mirror
from lab.upstream.conda import installer

FILE = "Miniconda3-py311_26.7.1-0-Linux-x86_64.sh"
SHA256 = inventory.parse_sums((paths.INSTALLERS / installer.SUMS).read_text())[FILE]
SITE = f"{mirror.url()}/anaconda"
TERMS = f"{mirror.url()}/_fault/terms/anaconda"
#: Where these nodes have nothing yet.
BARE = {"prefix": "/opt/other-conda", "store": "/opt/evenkeel/other-distributions", "shell_hook": False}
MODULE = "evenkeel.gpu.conda_distribution"


def arguments(site: str = SITE, **more: Any) -> dict[str, Any]:
    return {**BARE, "url": f"{site}/miniconda/{FILE}", "sha256": SHA256, "channels": [f"{site}/pkgs/main"], **more}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (arguments(f"{mirror.url()}/anacnda"), f"{mirror.url()}/anacnda/miniconda/{FILE} answered 404 Not Found"),
        (arguments(f"{mirror.url()}/_fault/html/anaconda"), "answered with an HTML page, not an installer"),
        (arguments("http://no-such-host.invalid"), "did not deliver"),
        (arguments(f"http://{mirror.address()}:9"), "did not deliver .*refused"),
        (arguments(f"https://{mirror.address()}/anaconda"), "did not deliver .*certificate verify failed"),
        (arguments(url=f"file:///srv/{FILE}"), f"/srv/{FILE}"),
        (arguments(TERMS), f"{TERMS}/pkgs/main/terms.json"),
    ],
    ids=["a wrong path", "a page", "no such host", "nobody listens", "an unknown certificate", "no file", "terms"],
)
def test_what_an_installation_would_fail_on_is_refused_in_check_mode(
    fleet: Fleet, given: dict[str, Any], message: str
) -> None:
    before = fleet.fingerprint()
    with pytest.raises(LabError, match=message) as rehearsed:
        fleet.module(MODULE, check=True, **given, retries=0)
    assert fleet.fingerprint() == before
    with pytest.raises(LabError, match=message) as run:
        fleet.module(MODULE, **given, retries=0)
    assert said(rehearsed) == said(run)


def test_check_mode_on_a_bare_node_changes_nothing(fleet: Fleet) -> None:
    before = fleet.fingerprint()
    rehearsed = fleet.module(MODULE, check=True, **arguments(TERMS, accept_tos=True))
    assert rehearsed["changed"]
    assert fleet.fingerprint() == before


def test_without_changes_nobody_is_asked(fleet: Fleet) -> None:
    given = arguments()
    assert fleet.module(MODULE, **given)["changed"]
    before = fleet.requests()
    for check in (True, False):
        assert not fleet.module(MODULE, check=check, **given)["changed"]
    assert set(fleet.requests()) - set(before) == set()
    assert fleet.module(MODULE, state="absent", **BARE)["changed"]


def said(error: pytest.ExceptionInfo[LabError]) -> list[str]:
    """Return the messages of the nodes."""
    return sorted(line.split('"msg":', 1)[1] for line in str(error.value).split("FAILED! => ") if '"msg":' in line)
