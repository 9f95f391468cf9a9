# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda info``: about conda, and the environments that it knows."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import rattler

from .. import NOTICE, VERSION
from ..answers import print_json
from ..condarc import Settings
from ..environments import everywhere
from ..solving import virtual_packages
from .common import Parsers, add_output

SHOWN_VARIABLES = ("PATH", "LD_PRELOAD", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "CIO_TEST")


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("info", help="show information about conda")
    add_output(parser)
    parser.add_argument("-e", "--envs", action="store_true", help="only the environments")
    parser.add_argument("--base", action="store_true", help="only the path of base")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show it."""
    as_json = settings.flags.get("json")
    if arguments.base:
        print_json({"root_prefix": str(settings.root_prefix)}) if as_json else print(settings.root_prefix)
    elif arguments.envs:
        print_environments(settings)
    elif as_json:
        print_json(information(settings))
    else:
        _print_summary(information(settings))
    return 0


def print_environments(settings: Settings) -> None:
    """Print the environments that are known."""
    if settings.flags.get("json"):
        print_json(known_environments(settings))
        return
    print("\n# conda environments:\n#\n# * -> active\n# + -> frozen")
    for environment in everywhere(settings):
        details = environment.details()
        marks = f"{'*' if details['active'] else ' '} {'+' if details['frozen'] else ' '}"
        print(f"{environment.name:20} {marks} {environment.prefix}")
    print()


def known_environments(settings: Settings) -> dict[str, Any]:
    """Return the environments that are known, and what is known of them."""
    environments = everywhere(settings)
    return {
        "envs": [str(environment.prefix) for environment in environments],
        "envs_details": {str(environment.prefix): environment.details() for environment in environments},
    }


def information(settings: Settings) -> dict[str, Any]:
    """Return the content of ``conda info --json``."""
    root = str(settings.root_prefix)
    active = os.environ.get("CONDA_PREFIX")
    solver = f"solver/rattler evenkeel-lab-stand-in/{VERSION} py-rattler/{rattler.__version__}"
    channels = [
        f"{channel.base_url}/{subdir}"
        for channel in settings.requested_channels()
        for subdir in (settings.subdir, "noarch")
    ]
    environments = known_environments(settings)
    names = {str(key): details["name"] for key, details in environments["envs_details"].items()}
    return {
        "platform": settings.subdir,
        "conda_version": VERSION,
        "conda_env_version": VERSION,
        "conda_build_version": "not installed",
        "root_prefix": root,
        "conda_prefix": root,
        "av_data_dir": f"{root}/etc/conda",
        "av_metadata_url_base": None,
        "root_writable": settings.root_writable,
        "pkgs_dirs": [str(folder) for folder in settings.pkgs_dirs],
        "envs_dirs": [str(folder) for folder in settings.envs_dirs],
        "default_prefix": active or root,
        "active_prefix": active,
        "active_prefix_name": (names.get(active) or active) if active else None,
        "conda_shlvl": int(os.environ.get("CONDA_SHLVL") or -1),
        "channels": channels,
        "user_rc_path": str(settings.home / ".condarc"),
        "rc_path": str(settings.home / ".condarc"),
        "sys_rc_path": f"{root}/.condarc",
        "offline": bool(settings.value("offline")),
        "envs": environments["envs"],
        "python_version": f"{platform.python_version()}.final.0",
        "requests_version": "not installed",
        "user_agent": f"conda/{VERSION} {platform.python_implementation()}/{platform.python_version()} "
        f"{platform.system()}/{platform.release()} {solver}",
        "conda_location": str(Path(__file__).parents[1]),
        "config_files": [source.name for source in settings.sources if source.name.startswith("/")],
        "netrc_file": None,
        "virtual_pkgs": [
            [package.name.normalized, str(package.version), str(package.build_string)] for package in virtual_packages()
        ],
        "solver": {"name": "rattler", "user_agent": solver, "default": True},
        "tmp_dir": tempfile.gettempdir(),
        "notices_cache_dir": str(settings.home / ".cache" / "conda" / "notices"),
        "UID": os.geteuid(),
        "GID": os.getegid(),
        "sys.version": sys.version,
        "sys.prefix": sys.prefix,
        "sys.executable": sys.executable,
        "site_dirs": [],
        "env_vars": {
            name: os.environ.get(name, "<not set>")
            for name in sorted({*SHOWN_VARIABLES, *(n for n in os.environ if n.startswith(("CONDA_", "PYTHON")))})
        },
        "envs_details": environments["envs_details"],
    }


def _print_summary(facts: dict[str, Any]) -> None:
    shown = {
        "active environment": facts["active_prefix_name"] or "None",
        "shell level": facts["conda_shlvl"],
        "user config file": facts["user_rc_path"],
        "populated config files": " ".join(facts["config_files"]),
        "conda version": f"{facts['conda_version']} ({NOTICE})",
        "python version": facts["python_version"],
        "solver": "rattler (default)",
        "virtual packages": " ".join("=".join(package) for package in facts["virtual_pkgs"]),
        "base environment": f"{facts['root_prefix']}  ({'writable' if facts['root_writable'] else 'read only'})",
        "channel URLs": " ".join(facts["channels"]),
        "package cache": " ".join(facts["pkgs_dirs"]),
        "envs directories": " ".join(facts["envs_dirs"]),
        "platform": facts["platform"],
        "UID:GID": f"{facts['UID']}:{facts['GID']}",
        "offline mode": facts["offline"],
    }
    print("\n" + "\n".join(f"{name:>23} : {value}" for name, value in shown.items()) + "\n")
