# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""All that is wrong with one file, reported at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How many are shown; the others follow once these are corrected.
SHOWN = 25


class Mistakes:
    """Collects errors while a file is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Each once, by its text.
        self._found: dict[str, EvenkeelError] = {}

    def __len__(self) -> int:
        return len(self._found)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the error that ends the block, so that what comes after it is read too."""
        try:
            yield
        except EvenkeelError as error:
            self._found.setdefault(str(error), error)

    def require_none(self) -> None:
        """Fail if there was an error.

        Raises
        ------
        EvenkeelError
            The only one as it was; several as a list, each with its own remedy.
        """
        errors = list(self._found.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            lines = [
                f"- {error.what.removeprefix(f'{self._path}: ').rstrip('. ')}. {error.remedy.rstrip('. ')}."
                for error in errors[:SHOWN]
            ]
            lines += [f"- and {len(errors) - SHOWN} more"] if len(errors) > SHOWN else []
            raise EvenkeelError(
                f"{self._path} has {len(errors)} mistakes:\n" + "\n".join(lines) + "\n",
                "Correct them, then run again",
            )
