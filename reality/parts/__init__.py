# SPDX-License-Identifier: GPL-3.0-or-later
"""The reality check: what the lab stands in for, asked of the real thing."""
