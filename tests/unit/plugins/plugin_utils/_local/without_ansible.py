# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands as programs of a machine that has no Ansible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Reports on standard error what was tried to be imported of Ansible, and the files of all that was imported.
PROGRAM = """
import importlib.abc, sys
tried = []
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "ansible" or name.startswith("ansible."):
            tried.append(name)
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import command, lock_command
status = {"env": command, "lock": lock_command}[sys.argv[1]].main(sys.argv[1:])
files = [getattr(one, "__file__", None) or "" for one in list(sys.modules.values())]
print(tried, *files, sep="\\n", file=sys.stderr)
sys.exit(status)
"""
COLLECTIONS = Path(__file__).parents[5] / "collections"
_PROGRAM = ("env", f"PYTHONPATH={COLLECTIONS}", sys.executable, "-c", PROGRAM)
COMMAND = (*_PROGRAM, "env")


def evenkeel(*arguments: object, command: str = "env") -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return subprocess.run([*_PROGRAM, command, *map(str, arguments)], capture_output=True, text=True, check=False)
