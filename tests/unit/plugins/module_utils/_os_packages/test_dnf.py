# SPDX-License-Identifier: GPL-3.0-or-later
"""What dnf says, read: its table of a transaction, its list of held versions, its refusals."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import dnf
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Step

TABLE = """\
Dependencies resolved.
================================================================================
 Package                Arch   Version               Repository            Size
================================================================================
Installing:
 kmod-nvidia-open-dkms  x86_64 3:580.178.04-1.el9    evenkeel-nvidia-cuda   12 k
     replacing  kmod-nvidia-latest-dkms.x86_64 3:570.211.01-1.el9
Upgrading:
 nvidia-driver-cuda-libs-of-a-very-long-name
                        x86_64 3:580.178.04-1.el9    evenkeel-nvidia-cuda  7.1 k
Installing dependencies:
 dkms                   noarch 3.1.8-1.el9           baseos                 80 k
Removing dependent packages:
 nvidia-old             x86_64 3:570.211.01-1.el9    @evenkeel-nvidia-cuda   0

Transaction Summary
================================================================================
Install  2 Packages
"""


def test_a_table_is_read_though_its_rows_are_broken() -> None:
    long = "nvidia-driver-cuda-libs-of-a-very-long-name"
    assert dnf.parse_steps(TABLE, {long: "3:570.211.01-1.el9", "nvidia-old": "3:570.211.01-1.el9"}) == [
        Step("kmod-nvidia-open-dkms", "", "3:580.178.04-1.el9"),
        Step(long, "3:570.211.01-1.el9", "3:580.178.04-1.el9"),
        Step("dkms", "", "0:3.1.8-1.el9"),
        Step("nvidia-old", "3:570.211.01-1.el9", ""),
    ]


def test_held_versions_are_read() -> None:
    text = "# Added lock on Mon\nnvidia-open-3:580.178.04-1.el9.*\nkernel-core-0:5.14.0-427.el9.*\n!gone-0:1-1.*\n"
    assert dnf.parse_versionlock(text) == {"nvidia-open": "3:580.178.04-1.el9", "kernel-core": "0:5.14.0-427.el9"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("3:580.159.03-1.el9", "3:580.178.04-1.el9"),
        ("3:580.178.04-1.el9", "3:610.57.04-1.el9"),
        ("0:9-1", "0:10-1"),
        ("0:1-1", "1:0-1"),
    ],
)
def test_versions_are_sorted_by_their_numbers(older: str, newer: str) -> None:
    assert dnf.version_key(older) < dnf.version_key(newer)


def test_a_refusal_is_told_from_its_first_word_on() -> None:
    said = (
        "Last metadata expiration check\nError: \n Problem: conflicting requests\n  - nothing provides dkms >= 3.1.8\n"
    )
    assert dnf.explain(said) == "Error:; Problem: conflicting requests; - nothing provides dkms >= 3.1.8"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Error: repomd.xml GPG signature verification error: Bad GPG signature", "is signed by a key that is not"),
        ("[MIRROR] primary.xml: Downloading successful, but checksum doesn't match.", "is not whole"),
        ("Errors during downloading metadata: Curl error (7): Couldn't connect", "could not be fetched"),
    ],
)
def test_a_failed_refresh_is_explained(said: str, words: str) -> None:
    assert words in str(dnf.explain_refresh(said, "/etc/yum.repos.d/x.repo"))
