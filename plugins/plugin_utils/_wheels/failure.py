# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a build lacked, found in what it printed."""

from __future__ import annotations

import re

#: What a build prints, and what that means; the first that fits counts.
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"CUDA_HOME environment variable is not set|[Nn]o CUDA (?:toolset|toolkit|compiler) found|"
        r"Failed to find nvcc|nvcc: (?:command )?not found|[Cc]ould not find (?:CUDA_HOME|nvcc)|"
        r"No such file or directory: '[^']*nvcc'|No CMAKE_CUDA_COMPILER could be found|Could NOT find CUDA\b",
        "it needs the CUDA toolkit (nvcc) on {where}, below /usr/local/cuda",
    ),
    (
        r"No module named '(torch)\b|PackageNotFoundError: (?:No package metadata was found for )?(torch)\b",
        "it imports torch while it is built, and does not name it among its build requirements",
    ),
    (
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "it imports {} while it is built, and does not name it among its build requirements",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|Could not resolve host|"
        r"Network is unreachable|NewConnectionError|getaddrinfo failed",
        "it asks the network, which a build does not have",
    ),
    (r"fatal error: ([\w./+-]+\.h\w*): No such file", "it needs the header {} on {where}"),
    (r"cannot find -l([\w.+-]+)", "it needs the library {} on {where}"),
    (
        r"error: command '([^']*(?:cc|\+\+|clang|gcc))' failed: (?:No such file|\[Errno 2\])|"
        r"unable to execute '([^']*)'|No such file or directory: '([^']*(?:cc|\+\+|clang|gcc))'|"
        r"No (CMAKE_C(?:XX)?_COMPILER) could be found|Unknown compiler\(s\): \[\['([^']*)'",
        "it needs a C compiler on {where}, {}",
    ),
    (
        r"can't find Rust compiler|[Cc]argo, the Rust package manager, is not installed|rustc.{0,40}not found",
        "it needs the Rust compiler (cargo, rustc) on {where}",
    ),
    (r"No such file or directory: '(cmake|ninja|make|git|pkg-config|swig)'", "it needs the program {}"),
    (r"No space left on device", "there is no space left"),
    (r"\bMemoryError\b|Cannot allocate memory|out of memory", "there is not enough memory"),
)


def lacked(output: str, where: str) -> str:
    """Return what a build that printed ``output`` lacked, on a machine of that name; empty where that is not known.

    >>> lacked("ModuleNotFoundError: No module named 'Cython'", "builder01")
    'it imports Cython while it is built, and does not name it among its build requirements'
    """
    for pattern, meaning in _PATTERNS:
        if match := re.search(pattern, output):
            return meaning.format(next((group for group in match.groups() if group), ""), where=where)
    return ""


def last_lines(output: str, lines: int = 15) -> str:
    """Return the end of what a build printed."""
    return "\n".join([line.rstrip() for line in output.splitlines() if line.strip(" ^~")][-lines:])
