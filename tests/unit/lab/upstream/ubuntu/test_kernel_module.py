# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

from lab.upstream.ubuntu import kernel_module


def test_modinfo_reads_what_a_module_says_of_itself(tmp_path: Path) -> None:
    module = tmp_path / "nvidia.ko"
    module.write_bytes(kernel_module.write({"version": "580.178.04", "license": "Dual MIT/GPL"}))
    for field, value in (("version", "580.178.04"), ("license", "Dual MIT/GPL")):
        output = subprocess.run(
            ["/sbin/modinfo", "-F", field, module], check=True, capture_output=True, text=True
        ).stdout
        assert output == f"{value}\n"
