# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A notebook server and a kernel with no files of a user's: whether the node's own part of them works.

Both run as nobody, in an empty home.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_nobody

_SECONDS = 60
#: Jupyter goes on without a settings file that it can't run, and so without the protection that the file sets up.
_BROKEN_SETTINGS = "Exception while loading config file"


def failure_of_server(environment: str, config: str, settings: Mapping[str, Any]) -> str | None:
    """Have a server load all that it needs, and end; return what went wrong, or None.

    Parameters
    ----------
    environment
        The environment that servers run from.
    config
        The file that every server reads last.
    settings
        The settings of any server.
    """
    prefix = os.path.realpath(environment)
    application = dict(settings.get("ServerApp") or {})
    for name in ("certfile", "keyfile"):
        application.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="evenkeel-jupyter-") as home:
        application.update(sock=os.path.join(home, "socket"), root_dir=home)
        _write(home, "settings.json", json.dumps({**settings, "ServerApp": application}))
        _write(home, "token", os.urandom(32).hex())
        argv = [os.path.join(prefix, "bin", "python"), "-s", os.path.join(prefix, "bin", "jupyter-lab")]
        return _failure([*argv, "--config=%s" % config, "--show-config"], home, {"EVENKEEL_JUPYTER": home})


def failure_of_kernel(kernel: str, directory: str) -> str | None:
    """Have a kernel's Python, started as kernels are, load what runs them; return what went wrong, or None.

    Parameters
    ----------
    directory
        Where the kernels are registered.
    """
    try:
        with open(os.path.join(directory, kernel, "kernel.json"), encoding="utf-8") as stream:
            argv = list(json.load(stream)["argv"])
        start = argv[: argv.index("-m")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "the kernel %s is not registered as it should be: %s" % (kernel, error)
    with tempfile.TemporaryDirectory(prefix="evenkeel-kernel-") as home:
        return _failure([*start, "-s", "-c", "import ipykernel.kernelapp"], home, {})


def _failure(argv: Sequence[str], home: str, variables: Mapping[str, str]) -> str | None:
    """Run a program as nobody in ``home``; return what went wrong, or None."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "JUPYTER_RUNTIME_DIR": home, **variables}
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            **as_nobody.options(home, environment),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "%s: %s" % (argv[0], error)
    if done.returncode == 0 and _BROKEN_SETTINGS not in done.stderr:
        return None
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
    return "`%s` ended with status %d: %s" % (shlex.join(argv), done.returncode, " / ".join(map(str.strip, lines)))


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
        stream.write(text)
