# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of the lab: their browser, their notebooks, their accounts and their homes."""
