# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a path of the control node means that a task's option names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: Of this collection, wherever it is installed.
_PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


def absolute(given: str, loader: Any) -> Path:
    """Return where a path is: relative to the playbook, as Ansible has it, or to where the run was started.

    The second is for playbooks of this collection: nobody means, and nothing may be written to, the folder that they
    are installed in.

    Parameters
    ----------
    loader
        Ansible's, of the action.
    """
    if Path(loader.get_basedir()).resolve().is_relative_to(_PLAYBOOKS):
        return Path(os.path.abspath(Path(given).expanduser()))
    return Path(loader.path_dwim(given))
