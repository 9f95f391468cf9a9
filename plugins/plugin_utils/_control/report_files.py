# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files of reports, replaced at once; those of a folder together: after a failure all are as they were."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import folders


def mode_of(variable: str, text: str) -> int:
    """Return the mode that a variable gives files: their owner reads them, and nobody runs them.

    So an octal number that YAML has read, such as 416 for 0640, is no mode.

    Raises
    ------
    EvenkeelError
        Names the variable.
    """
    if not re.fullmatch(r"0?[46][046]{2}", text):
        raise EvenkeelError(f"{variable} is {text!r}", "Write it as octal digits in quotes, such as '0640'")
    return int(text, 8)


def require_writable(folder: Path, variable: str, what: str = "report") -> None:
    """Refuse a folder that can't be written to, or that can't be made.

    Raises
    ------
    EvenkeelError
        Names the variable.
    """
    if why := folders.unwritable(folder):
        raise EvenkeelError(
            f"{why}, so no {what} can be in {folder}",
            f"Name another by {variable}, or look at its permissions and its file system",
        )


def make_folder(folder: Path) -> None:
    """Make a folder, and keep git from what is written to it: a report does not make the site's repository dirty."""
    try:
        if folder.is_dir():
            return
        folder.mkdir(mode=0o755, parents=True)
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise from_os(error, str(folder)) from error


def replace(path: Path, text: str) -> None:
    """Write a file, with the mode that the umask gives. It is replaced at once, so that nobody reads half of it.

    Raises
    ------
    EvenkeelError
        It can't be written.
    """
    draft = _draft(path)
    try:
        with open(draft, "x", encoding="utf-8") as stream:
            stream.write(text)
        draft.replace(path)
    except FileExistsError as error:  # what is there is not ours
        raise from_os(error, str(draft)) from error
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise from_os(error, str(path)) from error


def replace_all(folder: Path, files: Mapping[str, tuple[str, int]]) -> None:
    """Write files of a folder. Each is replaced at once, and none unless there is room for all.

    Parameters
    ----------
    files
        The content and the mode of each file, by its path within the folder.

    Raises
    ------
    EvenkeelError
        The folder can't be written to.
    """
    private = partial(os.open, mode=0o600)
    new = {folder / name: _draft(folder / name) for name in files}
    try:
        for (path, draft), (text, mode) in zip(new.items(), files.values(), strict=True):
            path.parent.mkdir(mode=0o755, exist_ok=True)
            with open(draft, "x", encoding="utf-8", errors="backslashreplace", opener=private) as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
        for path, draft in new.items():
            draft.replace(path)
    except OSError as error:
        raise from_os(error, str(folder)) from error
    finally:
        for draft in new.values():
            with suppress(OSError):
                draft.unlink()


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
