# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
from reality.__main__ import known_parts
from reality.world import World
for part in known_parts().values():
    list(part.claims(World(Path(), Path())))
print("ansible.constants" in sys.modules)
"""


def test_a_run_takes_no_home() -> None:
    """Ansible makes a folder in the user's home as it is imported, and an account for services may have none."""
    said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert said.stdout == "False\n"
