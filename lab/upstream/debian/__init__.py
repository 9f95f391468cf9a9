# SPDX-License-Identifier: GPL-3.0-or-later
"""APT repositories and Debian packages."""
