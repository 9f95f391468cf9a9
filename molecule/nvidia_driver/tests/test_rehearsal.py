# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode finds out of a driver that would not come: from the node, and without a trace on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from testinfra.host import Host

from lab.nodes import fingerprint

MODULE = "evenkeel.gpu.nvidia_driver"
#: Packages of the driver, for the pattern of those that belong together.
FAMILY = ["*nvidia*", "libcuda*", "libnv*"]


def driver(host: Host, version: str) -> str:
    """Return what the node's distribution calls a package of a version of the driver."""
    release = host.file("/etc/os-release").content_string
    if "ID=ubuntu\n" not in release:
        return "nvidia-driver-cuda"
    later = version.startswith("610") or 'VERSION_ID="26.04"\n' in release
    return "libnvidia-compute" if later else "libnvidia-compute-580"


@pytest.mark.parametrize(
    ("version", "more", "message"),
    [
        ("580.1", {}, r"have no version 580\.1 of {driver}; they have "),
        ("", {"packages": [{"name": "no-such-driver", "version": ""}]}, "has the package no-such-driver"),
        (
            "610.57.04",
            {"family": ["no-such-*"]},
            "would remove others: |would change what somebody holds: |apt cannot install {driver}=",
        ),
    ],
    ids=["no such version", "no such package", "it takes others with it"],
)
def test_what_an_installation_would_fail_on_is_refused_in_check_mode(
    host: Host, version: str, more: dict[str, Any], message: str
) -> None:
    name = driver(host, version)
    given = {"packages": [{"name": name, "version": version}], "family": FAMILY, "keep_off": False, "hold": False}
    given |= {"version": version, "flavour": "open", "gpu": False, "container": True, **more}
    before = host.check_output(fingerprint.COMMAND)
    result = host.ansible(MODULE, json.dumps(given), become=True)
    assert re.search(message.format(driver=name), result.get("msg", "")), result
    assert host.check_output(fingerprint.COMMAND) == before
