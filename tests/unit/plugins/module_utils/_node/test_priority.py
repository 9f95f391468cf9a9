# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

LOWERED = (
    "import os, subprocess\n"
    "from ansible_collections.evenkeel.gpu.plugins.module_utils._node import priority\n"
    "priority.lower()\n"
    "print(subprocess.run(['nice'], capture_output=True, text=True).stdout, end='')\n"
    "print(subprocess.run(['ionice'], capture_output=True, text=True).stdout, end='')\n"
)


@pytest.mark.skipif(not shutil.which("ionice"), reason="util-linux is not there")
def test_what_is_started_afterwards_yields_to_all_others() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", LOWERED], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "19\nidle\n"


def test_a_node_without_ionice_yields_the_processor() -> None:
    environment = {"PATH": "/nowhere", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [*LOWERED.splitlines()[1:3], "import os", "print(os.getpriority(os.PRIO_PROCESS, 0))"]
    argv = [sys.executable, "-c", "\n".join(program)]
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "19\n"
