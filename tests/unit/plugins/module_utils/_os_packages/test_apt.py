# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt says, read: transactions, refusals, repositories that can't be trusted."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Step

SIMULATED = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be DOWNGRADED:
  libcuda1
Remv nvidia-kernel-dkms [580.159.03-1]
Purg old-settings [1.0-1]
Inst libcuda1 [610.57.04-1] (580.178.04-1 NVIDIA:localhost [amd64]) []
Inst nvidia-driver-cuda (580.178.04-1 NVIDIA:localhost [amd64])
Inst libc6:i386 (2.36-9 Debian:12.11/stable [i386])
Conf libcuda1 (580.178.04-1 NVIDIA:localhost [amd64])
"""


def test_a_simulated_transaction_is_read() -> None:
    assert apt.parse_steps(SIMULATED) == [
        Step("nvidia-kernel-dkms", "580.159.03-1", ""),
        Step("old-settings", "1.0-1", ""),
        Step("libcuda1", "610.57.04-1", "580.178.04-1"),
        Step("nvidia-driver-cuda", "", "580.178.04-1"),
        Step("libc6", "", "2.36-9"),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "W: GPG error: http://m ./ InRelease: signatures were invalid: EXPKEYSIG 8793F200 x",
            "8793F200, which has expired",
        ),
        ("W: the public key is not available: NO_PUBKEY A4B469963BF863CC", "A4B469963BF863CC, which is not the one"),
        ("E: BADSIG A4B469963BF863CC cudatools", "A4B469963BF863CC that is wrong"),
        ("E: Failed to fetch http://m/Packages  Hash Sum mismatch", "not whole (Hash Sum mismatch)"),
        ("E: File has unexpected size (9 != 8). Mirror sync in progress? [IP: 1]", "not whole (unexpected size)"),
        ("E: The repository 'http://m ./ Release' is not signed.", "is not signed"),
        ("E: Could not connect to m:80 (1.2.3.4). - connect (111: Connection refused)", "Connection refused"),
        (
            "E: Conflicting values set for option Signed-By regarding source http://m/ ./: /a.gpg != /b.gpg",
            "names the repository http://m/ with another key",
        ),
    ],
)
def test_a_failed_update_is_explained(said: str, words: str) -> None:
    assert words in str(apt.explain_update(said, "/etc/apt/sources.list.d/x.sources"))


def test_unmet_dependencies_are_told_and_nothing_else() -> None:
    said = """\
Some packages could not be installed. This may mean that
The following packages have unmet dependencies:
 nvidia-open : Depends: nvidia-driver (= 580.178.04-1) but 610.57.04-1 is to be installed
E: Unable to correct problems, you have held broken packages.
"""
    assert apt.explain(said) == (
        "nvidia-open : Depends: nvidia-driver (= 580.178.04-1) but 610.57.04-1 is to be installed"
    )
