# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Ansible's way to open a URL, imported when it is first used: most runs open none, and the import takes long."""

from __future__ import annotations

from typing import Any


def open_url(url: str, **options: Any) -> Any:
    """Open a URL as ``ansible.module_utils.urls.open_url`` does."""
    from ansible.module_utils import urls

    return urls.open_url(url, **options)
