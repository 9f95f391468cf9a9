# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What Ansible's main process imports and reads before it forks a worker for each host, so that none has to do it."""

from __future__ import annotations

import contextlib
import gc
import importlib
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import specifications
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

PLUGINS = Path(__file__).parents[2]
NAMESPACE = "ansible_collections.evenkeel.gpu.plugins"
DATA = PLUGINS / "plugin_utils" / "data"


def read_ahead() -> None:
    """Read the specifications and the data files, and import the filters; what fails is said where it is needed."""
    with contextlib.suppress(EvenkeelError):
        specifications.of_roles()
        specifications.of_playbooks()
    for path in DATA.glob("*.yml"):
        with contextlib.suppress(EvenkeelError):
            read_mapping(path)
    with contextlib.suppress(ImportError):
        import_all("filter")
    with contextlib.suppress(ImportError, OSError):
        importlib.import_module(f"{NAMESPACE}.plugin_utils._upstream.installers").known()
    spare_workers()


def import_all(kind: str, names: frozenset[str] | None = None) -> None:
    """Import the plugins of a kind, or those with some names."""
    for file in sorted((PLUGINS / kind).glob("*.py")):
        if names is None or file.stem in names:
            importlib.import_module(f"{NAMESPACE}.{kind}.{file.stem}")


def spare_workers() -> None:
    """Have Python never look through the present objects for unused ones, which each worker would do by itself."""
    gc.freeze()
