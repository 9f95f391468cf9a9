# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What people asked for by name, whether a lock has answered it or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file


def asked_for(arguments: Mapping[str, Any], platform: str) -> list[str]:
    """Return what the ``environment.yml`` of a task asks for; nothing where a lock or an explicit file stands alone.

    Parameters
    ----------
    arguments
        The task's options, with paths that exist as they are written here.
    platform
        conda's name, such as ``linux-64``.
    """
    path = arguments.get("environment")
    return list(environment_file.read(Path(path)).on(platform).packages) if path else []
