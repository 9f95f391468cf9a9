# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of where a drift report is written."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that write a drift report."""

    DOCUMENTATION = r"""
options:
  directory:
    description: The folder to write to. It is made if it is missing, with a C(.gitignore).
    type: path
    required: true
  mode:
    description: The mode of the files, as octal digits. The metrics, which hold names and states only, are for all.
    type: str
    default: "0600"
  keep:
    description: How many earlier reports to keep; V(0) keeps all.
    type: int
    default: 400
  keep_days:
    description: For how many days to keep earlier reports; V(0) is no limit.
    type: int
    default: 400
  history_branch:
    description:
      - A branch of O(history_repository) that the earlier reports are on, in place of the folder C(history). It is made
        if it is missing, and each report is a commit. Work trees and the index are left alone, and hooks do not run.
      - It is refused if it is checked out somewhere, or has files that are no report's.
    type: str
  history_repository:
    description: A folder in the repository of O(history_branch).
    type: path
"""
