# SPDX-License-Identifier: GPL-3.0-or-later
"""RPM repositories, RPM packages and Rocky Linux's own repositories as stand-ins."""
