# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUDirect RDMA: which modules there are for it, and whether they fit the network's drivers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import peer_memory
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

RELEASE = "6.8.0-51-generic"
OWN = f"/lib/modules/{RELEASE}/updates/dkms/nvidia-peermem.ko.zst"
LEGACY = f"/lib/modules/{RELEASE}/updates/dkms/nv_peer_mem.ko"


@pytest.mark.parametrize(
    ("files", "ofed", "legacy", "stale"),
    [
        ({}, False, False, False),
        ({OWN: 1}, False, False, False),
        ({OWN: 2, "/usr/src/ofa_kernel/default/Module.symvers": 1}, True, False, False),
        ({OWN: 1, "/usr/src/ofa_kernel/default/Module.symvers": 2}, True, False, True),
        ({OWN: 1, "/var/lib/dkms/mlnx-ofed-kernel/Module.symvers": 2}, True, False, True),
        # A build takes the kernel's own symbols before the default ones.
        (
            {
                OWN: 2,
                f"/usr/src/ofa_kernel/x86_64/{RELEASE}/Module.symvers": 1,
                "/usr/src/ofa_kernel/default/Module.symvers": 3,
            },
            True,
            False,
            False,
        ),
        ({LEGACY: 1}, False, True, False),
        ({"/var/lib/dkms/nvidia-peer-memory/1.3/source/dkms.conf": 1}, False, True, False),
    ],
)
def test_what_is_found(files: dict[str, int], ofed: bool, legacy: bool, stale: bool, tmp_path: Path) -> None:
    for path, time in files.items():
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
        os.utime(place, (time, time))
    found = peer_memory.read(Sysroot(str(tmp_path)), [Kernel(RELEASE), Kernel("6.8.0-40-generic", bootable=False)])
    assert found == {"ofed": ofed, "legacy": legacy, "stale": [RELEASE] if stale else []}
