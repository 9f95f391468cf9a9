# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, by the kernel's table alone."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import mounts

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:41 / /home rw - nfs4 server:/home rw
31 30 8:3 / /home/local rw - xfs /dev/sdb1 rw
32 22 0:50 / /srv/with\\040space rw - fuse.sshfs user@host: rw
33 22 0:51 / /data rw - autofs systemd-1 rw
34 22 8:4 / /later rw - xfs /dev/sdc1 rw
35 34 0:52 / /later rw - nfs4 server:/later rw
"""


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/", True),
        ("/opt/conda", True),
        ("/home/ana/miniconda3", False),
        ("/home/local/bo/miniconda3", True),
        ("/homes", True),
        ("/srv/with space/conda", False),
        ("/data/conda", False),
        ("/later/conda", False),
    ],
)
def test_what_is_on_this_machines_disks(path: str, local: bool) -> None:
    assert mounts.parse(TABLE).is_local(path) is local


def test_what_is_mounted() -> None:
    mounted = mounts.parse(TABLE)
    assert mounted.has("/srv/with space")
    assert not mounted.has("/srv")
