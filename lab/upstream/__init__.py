# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes download from: the mirror, its servers, its keys and what is in it."""
