# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's repositories as stand-ins: driver, CUDA, container toolkit and installer."""
