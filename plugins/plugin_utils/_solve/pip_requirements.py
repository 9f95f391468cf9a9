# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Requirements of pip that mean the same package on every machine."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from packaging.requirements import InvalidRequirement, Requirement

#: A commit by its whole hash: a branch or a tag may move.
COMMIT_URL = re.compile(r"git\+https://[^@\s]+@[0-9a-f]{40}(#subdirectory=[^\s&]+)?")


def parse(text: str, where: str) -> Requirement:
    """Return a requirement as PEP 508 writes it.

    Parameters
    ----------
    text
        What stands there, such as ``humanize>=4`` or ``tool @ git+https://host/tool@`` with 40 digits of a commit.
    where
        Its file and key, for the error.

    Raises
    ------
    EvenkeelError
        It is malformed, or another machine may understand it otherwise: an option, a local path, an editable
        project, a file beside the index, a branch or a tag.
    """
    option = text.split()[0] if text.startswith("-") else ""
    if option.startswith(("-e", "--editable")):
        raise EvenkeelError(
            f"{where}: {text!r} is an editable project, whose content may change at any time",
            "Publish it, or name a commit: NAME @ git+https://HOST/PROJECT@COMMIT",
        )
    if option:
        raise EvenkeelError(
            f"{where}: {text!r} is an option of pip",
            "Write each requirement on a line of its own; the index is the option pip_index",
        )
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise EvenkeelError(
            f"{where}: {text!r} is not a requirement that every machine understands: {str(error).splitlines()[0]}",
            "Write it as NAME>=VERSION or NAME @ git+https://HOST/PROJECT@COMMIT",
        ) from None
    _check_url(requirement.url, text, where)
    return requirement


def _check_url(url: str | None, text: str, where: str) -> None:
    if url is None or COMMIT_URL.fullmatch(url):
        return
    parts = urlsplit(url)
    if "+" in parts.scheme:
        raise EvenkeelError(
            f"{where}: {text!r} names no commit, so it may be another program tomorrow",
            "Name the commit by its 40 hexadecimal digits: NAME @ git+https://HOST/PROJECT@COMMIT",
        )
    if parts.scheme not in ("https", "http"):
        raise EvenkeelError(f"{where}: {text!r} is a path on one machine", "Publish it, and name its version")
    raise EvenkeelError(
        f"{where}: {text!r} is a file beside the index, which is all that nodes ask",
        "Put the wheel into the index (pip_index), and name its version",
    )
