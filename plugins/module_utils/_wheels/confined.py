# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Start the program of its arguments without what no namespace holds, and with limits that it can't raise.

Keys belong to a user, not to a namespace: a program of the same user could link them to a keyring of its own. So, as on
a kernel without keyrings, their system calls are not there, nor those of another architecture. A virtual machine's
sockets to its host (AF_VSOCK) belong to no network namespace: only families that do can be used, and io_uring, which
opens sockets without the system call, is not there.

Sources: seccomp(2), vsock(7), io_uring_enter(2), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
import sys

#: By machine: its number in audit.h, the first and the last of add_key, request_key and keyctl, and socket.
_CALLS = {"x86_64": (0xC000003E, 248, 250, 41), "aarch64": (0xC00000B7, 217, 219, 198)}
_IO_URING_SETUP = 425
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
#: On x86_64, calls with this bit are those of x32.
_X32 = 0x40000000


def program(machine: str) -> bytes:
    """Return the filter: instructions of code, how many to skip if true and if not, and a value."""
    architecture, first, last, socket = _CALLS[machine]
    instructions = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, 12, architecture),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 10, 0, _X32),
        (_EQUAL, 9, 0, _IO_URING_SETUP),
        (_EQUAL, 2, 0, socket),
        (_AT_LEAST, 8, 0, last + 1),
        (_AT_LEAST, 6, 7, first),
        (_LOAD, 0, 0, 16),  # the socket's family
        (_EQUAL, 5, 0, _AF_UNIX),
        (_EQUAL, 4, 0, _AF_INET),
        (_EQUAL, 3, 0, _AF_INET6),
        (_EQUAL, 2, 0, _AF_NETLINK),
        (_RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def main() -> None:
    """Apply the limits and the filter, then become the program."""
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE):
        limit, _unused = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    machine = os.uname().machine
    if machine not in _CALLS:
        raise SystemExit(
            f"no filter of system calls is known for the architecture {machine}, only for {', '.join(_CALLS)}"
        )
    code = program(machine)
    instructions = ctypes.create_string_buffer(code, len(code))
    about = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    none = ctypes.c_ulong(0)
    if prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none) or prctl(_SECCOMP, _FILTER, about, none, none):
        raise SystemExit(f"system calls can't be filtered: {os.strerror(ctypes.get_errno())}")
    os.environ.pop("LC_CTYPE", None)  # Python's own, where it finds no locale
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()
