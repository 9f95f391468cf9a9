# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.images import cloud_tree

LINUX, BIOS = "0fc63daf-8483-4772-8e79-3d69d8477de4", "21686148-6449-6e6f-744e-656564454649"
EFI, BOOT = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "bc13c2ff-59e6-4262-a352-b275fd6f7172"


@pytest.mark.parametrize(
    ("listed", "root", "boot"),
    [
        (
            f"262144 4017119 {LINUX}\n2048 6144 {BIOS}\n8192 253952 {EFI}\n",
            "offset=134217728,sizelimit=2056764928",
            "",
        ),
        (
            f"2324480 5015519 {LINUX}\n2048 8192 {BIOS}\n10240 217088 {EFI}\n227328 1869824 {BOOT}\n",
            "offset=1190133760,sizelimit=2567945728",
            "offset=116391936,sizelimit=957349888",
        ),
        ("2048 4192256 0x83\n4194304 204800 0x82\n", "offset=1048576,sizelimit=2146435072", ""),
        ("2048 4192256\n", "offset=1048576,sizelimit=2146435072", ""),
    ],
)
def test_where_the_root_and_boot_are(listed: str, root: str, boot: str) -> None:
    assert cloud_tree.root_and_boot(listed) == (root, boot)
