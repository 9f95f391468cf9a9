# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module node_directories: Evenkeel's own directories, once no layer is left that has something in them."""

from __future__ import annotations

import os
import shutil
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["absent"], "required": True},
    "root": {"type": "path", "default": "/opt/evenkeel"},
}
SETTINGS, STATE = "/etc/evenkeel", "/var/lib/evenkeel"
#: Below the state, code that runs keep between them.
_CODE = "code"
_STAYS = "%s: it, or something in it, was not made by Evenkeel or is in use"


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove them as far as nothing is in them, or return what would go."""
    root = params["root"]
    require_normalised("root", root)
    code = os.path.join(STATE, _CODE)
    # Another root may be a directory of others, in which the layers have removed their own.
    folders = (SETTINGS, STATE, *([root] if OUR_NAME in root else []))
    layers = recorded()
    goes = [] if layers else [path for path in (code, *folders) if would_go(path)]
    if not check_mode and not layers:
        if os.path.isdir(code):
            shutil.rmtree(code)
        for folder in (made.FOLDER, *folders):
            remains.clear(folder)
    left = ["%s: %s still has things on the node" % (made.FOLDER, ", ".join(layers))] if layers else []
    for folder in folders:
        left += [_STAYS % path for path in inside(folder) or [folder] * is_fixed(folder)]
    return {
        "changed": bool(goes),
        "diff": {"before": "".join("%s\n" % path for path in goes), "after": ""},
        "left": left,
    }


def recorded() -> list[str]:
    """Return the modules that have a record of something on the node."""
    return [module for module in made.modules() if made.read(module)]


def inside(folder: str) -> list[str]:
    """Return what is directly in a directory and does not go with it, as empty directories do."""
    own = (os.path.join(STATE, _CODE), made.FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = (os.path.join(folder, name) for name in names)
    return [path for path in paths if path not in own and not is_empty(path)]


def is_empty(path: str) -> bool:
    """Whether this is a directory with nothing but directories in it."""
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    for parent, folders, files in os.walk(path):
        links = (name for name in folders if os.path.islink(os.path.join(parent, name)))
        if files or remains.is_of_file_system(parent) or any(links):
            return False
    return True


def is_fixed(folder: str) -> bool:
    """Whether an administrator has put a directory of ours elsewhere, by a link or a mount."""
    return os.path.isdir(folder) and (os.path.islink(folder) or os.path.ismount(folder))


def would_go(folder: str) -> bool:
    """Whether a directory is there, and nothing in it stays."""
    return os.path.isdir(folder) and not is_fixed(folder) and (os.path.basename(folder) == _CODE or not inside(folder))
