# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the roles' READMEs from their argument specifications, or check that they are up to date.

ansible-docsmith looks for the defaults of an entry point in the file of its name. The roles' entry point is ``inputs``,
so that Ansible does not validate it by itself, and their defaults are in ``main.yml``: ansible-docsmith gets a copy in
which the entry point is ``main``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROLES = Path(__file__).parents[1] / "roles"
README = "README.md"
#: The READMEs have no table of contents that it could lead to.
BACK = "[*⇑ Back to ToC ⇑*](#toc)\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the roles' READMEs from their argument specifications.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail when one is not up to date")
    check = parser.parse_args().check
    stale = [role.name for role in sorted(ROLES.iterdir()) if not is_current(role, write=not check)]
    if stale and check:
        sys.exit(f"Not up to date: {', '.join(f'roles/{name}/{README}' for name in stale)}. Run make docs.")


def is_current(role: Path, *, write: bool) -> bool:
    """Return whether a role's README was up to date; with ``write``, it is afterwards."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / role.name
        shutil.copytree(role, copy)
        specification = copy / "meta" / "argument_specs.yml"
        specification.write_text(specification.read_text().replace("\n  inputs:\n", "\n  main:\n", 1))
        command = ["ansible-docsmith", "generate", "--no-defaults", str(copy)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"ansible-docsmith failed on {role}:\n{done.stdout}{done.stderr}")
        text = (copy / README).read_text().replace(BACK, "")
    current = text == (role / README).read_text()
    if write and not current:
        (role / README).write_text(text)
    return current


if __name__ == "__main__":
    main()
