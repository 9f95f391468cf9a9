# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an image says of itself: its name, its time, and its labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.buildah import Base
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.oci_layout import time_of

#: Of the project of reproducible builds.
_EPOCH = "SOURCE_DATE_EPOCH"
_OCI = "org.opencontainers.image."
_OWN = "io.evenkeel."
#: To the year 5138; a date has no more than four digits for the year.
_SECONDS = re.compile(r"[0-9]{1,11}")
_PART = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"(?P<name>{_PART}(:\d+(?=/))?(/{_PART})*)(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?")
_LATEST = "latest"


def split(reference: str) -> tuple[str, str]:
    """Return name and tag of an image.

    >>> split("localhost:5000/team/ai")
    ('localhost:5000/team/ai', 'latest')

    Raises
    ------
    EvenkeelError
        It can't be the name of an image.
    """
    match = _NAME.fullmatch(reference)
    if not match:
        raise EvenkeelError(
            f"image_name is {reference!r}, which can't be the name of an image", "Write it as localhost/NAME:TAG"
        )
    return match["name"], match["tag"] or _LATEST


def made(locks: Iterable[Path], variables: Mapping[str, str]) -> int:
    """Return the time of an image: that of the newest commit of its locks, in seconds since 1970.

    ``SOURCE_DATE_EPOCH`` says another. Locks that are in no repository leave 0.

    Raises
    ------
    EvenkeelError
        ``SOURCE_DATE_EPOCH`` is no such time.
    """
    if given := variables.get(_EPOCH):
        if not _SECONDS.fullmatch(given):
            raise EvenkeelError(f"{_EPOCH} is {given!r}", "Set it to seconds since 1970")
        return int(given)
    return max((committed.time_of(path) or 0 for path in locks), default=0)


def of(given: Mapping[str, Any], base: Base, environments: Sequence[Mapping[str, Any]], when: int) -> dict[str, str]:
    """Return the labels of an image.

    Parameters
    ----------
    given
        Those of the operator, which win.
    environments
        As the module image_layers returns them.
    """
    found = {
        f"{_OCI}created": time_of(when),
        f"{_OCI}base.name": base.name,
        f"{_OCI}base.digest": base.digest,
    }
    for one in environments:
        begin, origin = f"{_OWN}environment.{one['name']}.", one["origin"]
        said = {"digest": one["digest"], "lock": origin.get("sha256"), "commit": origin.get("commit")}
        found |= {f"{begin}{key}": str(value) for key, value in said.items() if value}
        if origin.get("dirty"):
            found[f"{begin}dirty"] = "true"
    return found | {str(key): "" if value is None else str(value) for key, value in given.items()}
