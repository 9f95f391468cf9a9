# SPDX-License-Identifier: GPL-3.0-or-later
"""The package index for pip and its wheels."""
