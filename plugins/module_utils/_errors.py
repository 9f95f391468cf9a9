# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The one error of Evenkeel's modules."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._sanitise import sanitise


class EvenkeelError(Exception):
    """A failure that the operator can act on. Its text is sanitised: it may quote names of users and packages.

    Parameters
    ----------
    what
        What failed, on what.
    mend
        What to do about it.
    details
        Further keys of the module's failure result, such as ``rc`` or ``stderr``.
    """

    def __init__(self, what: str, mend: str, **details: object) -> None:
        super().__init__(sanitise("%s. %s." % (what.rstrip(". \n"), mend.rstrip(". \n"))))
        self.what = what
        self.mend = mend
        self.details = details
