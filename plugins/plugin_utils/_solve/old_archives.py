# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The list of files of a remote ``.tar.bz2``, which has no part that could be fetched alone: it is read to there."""

from __future__ import annotations

from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import client


def is_old_and_remote(url: str) -> bool:
    """Whether py-rattler would fetch the whole package for its list of files."""
    parts = urlsplit(url)
    return parts.scheme != "file" and parts.path.endswith(".tar.bz2")


async def listed(url: str) -> list[str]:
    """Return the paths of the files; conda-build puts the list of them at the beginning.

    Raises
    ------
    EvenkeelError
        The package cannot be read, or has no such list.
    """
    from rattler import PathsJson
    from rattler.exceptions import IoError
    from rattler.package_streaming import fetch_raw_package_file_from_url

    try:
        try:
            content = await fetch_raw_package_file_from_url(client(), url, "info/paths.json")
        except FileNotFoundError:  # of 2017 or older
            return (await fetch_raw_package_file_from_url(client(), url, "info/files")).decode().splitlines()
        return [str(entry.relative_path) for entry in PathsJson.from_str(content.decode()).paths]
    except (OSError, ValueError, IoError) as error:
        raise EvenkeelError(
            f"The list of files in {url} could not be read: {error}",
            "Check that the channel still has the package and that the control node reaches it",
        ) from error
