# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode finds out of packages that would not come: from the node, and without a trace on it."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Fleet
from lab.upstream import mirror

MODULE = "evenkeel.gpu.nvidia_container_toolkit"
SITE = f"{mirror.url()}/nvidia/libnvidia-container"
#: A repository that the nodes don't know, and theirs.
NEW, STANDING = "evenkeel-rehearsed", "evenkeel-nvidia-container-toolkit"
IS_APT = "inventory_hostname is search('debian')"
#: What the fingerprint leaves out, as logins write to it.
LOGS = "stat --format='%n %s %z' /var/log/apt/* /var/log/dpkg.log /var/log/dnf* /var/log/hawkey.log 2>/dev/null || true"


def arguments(
    version: str = "1.18.1", site: str = SITE, key: str = f"{SITE}/gpgkey", name: str = NEW, **more: Any
) -> dict[str, Any]:
    """Return the options for another version than the nodes'."""
    repository = {
        "name": name,
        "kind": f"{{{{ 'apt' if {IS_APT} else 'rpm' }}}}",
        "url": f"{site}/stable/{{{{ 'deb/amd64' if {IS_APT} else 'rpm/x86_64' }}}}/",
        "key_url": key,
        "signed": "metadata",
        **more,
    }
    names = ("nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools")
    packages = [{"name": name, "version": version} for name in (*names, "libnvidia-container1")]
    return {"packages": packages, "repository": repository, "engines": []}


def logs_of(fleet: Fleet) -> dict[str, str]:
    """Return by node the sizes and the times of change of the package manager's logs."""
    listed = fleet.module("ansible.builtin.shell", cmd=LOGS).of_node
    return {node: fields["stdout"] for node, fields in listed.items()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (arguments("9.9.9", name=STANDING), r"have no version 9\.9\.9 of nvidia-container-toolkit; they have "),
        (arguments(key=f"{mirror.url()}/_fault/404/gpgkey"), "gpgkey answered 404"),
        (arguments(key_sha256="0" * 64), f"has the SHA-256 [0-9a-f]{{64}}, not {'0' * 64}"),
        (arguments(site=f"{mirror.url()}/_fault/404"), rf"(lists|metadata) of .*{NEW}\.\w+ could not be fetched"),
        (arguments(key=f"{mirror.url()}/rocky/RPM-GPG-KEY-Rocky"), f"{NEW}.* is signed by "),
    ],
    ids=["no such version", "no key", "another key than declared", "no repository", "signed by another key"],
)
def test_what_an_installation_would_fail_on_is_refused_in_check_mode(
    fleet: Fleet, given: dict[str, Any], message: str
) -> None:
    before = fleet.fingerprint()
    with pytest.raises(LabError, match=message):
        fleet.module(MODULE, check=True, **given)
    assert fleet.fingerprint() == before


def test_check_mode_shows_the_packages_that_would_come_and_changes_nothing(fleet: Fleet) -> None:
    before, logs = fleet.fingerprint(), logs_of(fleet)
    result = fleet.module(MODULE, check=True, **arguments(name=STANDING))
    assert result["changed"]
    assert result["unknown"] == []
    for packages in (fields["packages"] for fields in result.of_node.values()):
        (step,) = (one for one in packages if one.startswith("nvidia-container-toolkit "))
        assert "1.18.1-1" in step
    assert fleet.fingerprint() == before
    assert logs_of(fleet) == logs


def test_without_changes_nobody_is_asked(fleet: Fleet) -> None:
    before, asked = fleet.fingerprint(), fleet.requests()
    standing = {"packages": [{"name": "nvidia-container-toolkit", "version": "1.19.1"}], "engines": []}
    for check in (True, False):
        assert not fleet.module(MODULE, check=check, hold=True, **standing)["changed"]
    assert fleet.requests() == asked
    assert fleet.fingerprint() == before
