# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the collection's data files up to date; run by maintainers, never by a playbook."""
