# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's nodes: containers and virtual machines, how they are reached, and a group of them as one fleet."""
