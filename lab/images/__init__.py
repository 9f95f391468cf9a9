# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes start from: base images of containers and disks of virtual machines."""
