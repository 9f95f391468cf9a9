# SPDX-License-Identifier: GPL-3.0-or-later
"""The conda channel, its packages, and the installers with a stand-in for conda."""
