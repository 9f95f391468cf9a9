# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What in a home has an effect on every conda of its user: a .condarc, and what ``conda init`` has written."""

from __future__ import annotations

import os
import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import former_paths
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files

#: Where conda reads settings below a home.
CONDARCS = (".condarc", ".conda/.condarc", ".conda/condarc", ".config/conda/.condarc", ".config/conda/condarc")
_INITIALISED = re.compile(r"^# >>> (conda|mamba) initialize >>>", re.MULTILINE)
_LARGEST = 1 << 20


def read(home: str) -> tuple[list[dict[str, str]], list[str]]:
    """Return the files, each ``path`` and ``kind`` (``condarc`` or ``start``), and why others could not be read.

    To be called with the rights of the home's user.
    """
    found, refused = [], []
    for kind, names in (("condarc", CONDARCS), ("start", former_paths.OF_USERS)):
        for path in (os.path.join(home, name) for name in names):
            try:
                content = user_files.read(path, os.geteuid(), _LARGEST)
            except user_files.Refused as error:
                refused.append(str(error))
                continue
            if content and (kind == "condarc" or _INITIALISED.search(content.text)):
                found.append({"path": path, "kind": kind})
    return found, refused
