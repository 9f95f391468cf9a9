# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount a file system that answers nothing, as a file server that is gone: python3 hanging_file_system.py PLACE UID.

Runs on a node, as root. It ends with the process; the place is to be unmounted then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def main(place: str, uid: int) -> None:
    """Mount, report it, and wait for ever."""
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id={uid},group_id={uid},allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hangs", os.fsencode(place), b"fuse.hangs", 0, options.encode()):
        sys.exit(f"{place}: {os.strerror(ctypes.get_errno())}")
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
