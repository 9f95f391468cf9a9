# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The former name of ``_kept_files``."""

from ansible_collections.evenkeel.gpu.plugins.module_utils._kept_files import MARK as MARK
