# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Repositories of ours, taken away again, and what of others comes back in their place.

Any module may have taken over an entry of others for a repository that another module has brought. So all records
count, and an entry comes back with the last of the repositories that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources, repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import Return


@dataclass(frozen=True)
class Removal:
    """What goes, and what comes back.

    Parameters
    ----------
    records
        What modules have recorded of the latter.
    """

    files: Sequence[Change]
    back: Return
    records: Mapping[str, Sequence[Thing]]

    @property
    def left(self) -> tuple[str, ...]:
        """What can't come back, with the reason."""
        return self.back.left

    def diffs(self) -> list[Mapping[str, str]]:
        """Return it as Ansible shows differences."""
        back = ({"after_header": path, "before": "", "after": "as before\n"} for path in self.back.files.values())
        return [*(change.diff() for change in self.files), *back]

    def apply(self) -> None:
        """Carry it out."""
        kept_files.apply_all(self.files)
        self.back.apply()
        for by, things in self.records.items():
            made.note(by, (), [thing for thing in things if thing in self.back.things])


def plan(*names: str) -> Removal:
    """Find out what goes and comes back with repositories of these names, which need not be there any more."""
    files = [change for name in names for change in repository.removal(name)]
    records = {by: made.read(by) for by in made.modules()}
    staying = repository.ours(but=[change.path for change in files])
    back = foreign_sources.give_back([thing for things in records.values() for thing in things], staying)
    return Removal(files, back, records)
