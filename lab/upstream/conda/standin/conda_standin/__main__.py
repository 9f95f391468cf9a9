# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``conda`` command."""

from __future__ import annotations

import os
import sys

from .cli import run


def main() -> None:
    """Run the command line and leave at once: py-rattler's threads may crash a Python that tears itself down."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        status = 141
    except KeyboardInterrupt:
        status = 130
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
