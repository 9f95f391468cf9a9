# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages lack files, by what dpkg and rpm print of them."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import damage


@pytest.mark.parametrize(
    ("printed", "is_damaged"),
    [
        ("", False),
        ("missing     /usr/bin/nvidia-smi\n", True),
        ("??5??????   /usr/bin/nvidia-smi\n", True),
        ("S.5....T.    /usr/bin/nvidia-smi\n", True),
        ("missing     /usr/share/doc/driver/copyright\nmissing     /usr/share/man/man1/x.1.gz\n", False),
        ("missing     /usr/share/doc/driver/copyright\nmissing     /usr/bin/nvidia-smi\n", True),
        ("missing     /usr/share/nvidia/nvidia-application-profiles-key-documentation\n", True),
        (".M.......    /usr/bin/nvidia-smi\n", False),
        (".......T.    /usr/bin/nvidia-smi\n", False),
        ("??5?????? c /etc/nvidia/nvidia.conf\nmissing   c /etc/nvidia/other.conf\n", False),
        ("S.5....T.  c /etc/nvidia/nvidia.conf\nmissing     /usr/lib64/libcuda.so.1\n", True),
    ],
)
@pytest.mark.parametrize(("manager", "program"), [("apt", "dpkg"), ("dnf", "rpm")])
def test_files_that_are_gone_or_others(
    printed: str, is_damaged: bool, manager: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: list[str]) -> command.Done:
        assert argv[:2] == [program, "--verify"]
        return command.Done(1 if printed else 0, printed if argv[-1] == "driver" else "", "")

    monkeypatch.setattr(command, "run", run)
    assert damage.damaged(["driver", "tools"], manager) == ["driver"] * is_damaged
