# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ubuntu's nodes download from, as stand-ins: Ubuntu's own archive, and NVIDIA's repositories for it."""
