# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error the lab raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """Something outside the lab's power is missing or broken.

    Parameters
    ----------
    what
        What failed, on what.
    remedy
        What to do about it: a command where there is one.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  -> {remedy}")
        self.what = what
        self.remedy = remedy
