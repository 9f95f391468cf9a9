# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode finds out of a driver that would not come: from the node, and without a trace on it."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Fleet

MODULE = "evenkeel.gpu.nvidia_driver"
DRIVER = "nvidia-driver-cuda"
#: Packages of the driver, for the pattern of those that belong together.
FAMILY = ["*nvidia*", "libcuda*", "libnv*"]


def arguments(version: str, **more: Any) -> dict[str, Any]:
    """Return the options for a version out of the repositories that the nodes have."""
    given = {"packages": [{"name": DRIVER, "version": version}], "family": FAMILY, "keep_off": False, "hold": False}
    return {"version": version, "flavour": "open", "gpu": False, "container": True, **given, **more}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (arguments("580.1"), rf"have no version 580\.1 of {DRIVER}; they have "),
        (arguments("", packages=[{"name": "no-such-driver", "version": ""}]), "has the package no-such-driver"),
        (arguments("610.57.04", family=["no-such-*"]), "would remove others: |would change what somebody holds: "),
    ],
    ids=["no such version", "no such package", "it takes others with it"],
)
def test_what_an_installation_would_fail_on_is_refused_in_check_mode(
    fleet: Fleet, given: dict[str, Any], message: str
) -> None:
    before = fleet.fingerprint()
    with pytest.raises(LabError, match=message):
        fleet.module(MODULE, check=True, **given)
    assert fleet.fingerprint() == before
