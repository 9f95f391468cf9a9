# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: bare nodes become equal notebook servers, one change comes and goes again, one node is rid of all of it.

``python -m lab.demo`` shows it, on the nodes of the lab's group ``demo``. The environments that it locks are a copy of
``lab/environments``, which stays in the lab's state.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab import paths
from lab.errors import LabError
from lab.nodes import nodes, ssh
from lab.nodes.nodes import Node
from lab.people import notebook

ROOT = Path(__file__).parents[1]
GROUP = "demo"
SOURCES = ROOT / "lab" / "environments"
ENVIRONMENTS = paths.STATE / GROUP / "environments"
CONSOLE = Console(highlight=False)

_RECAP_LINE = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s", re.MULTILINE)


def main() -> int:
    """Show the demo, and return its exit status."""
    try:
        CONSOLE.rule("Two bare nodes")
        run("lab", "up", GROUP, "--fresh")
        CONSOLE.rule("lock.yml: every environment is solved once, for both nodes")
        copy_environments()
        lock()
        CONSOLE.rule("site.yml: from bare to notebook")
        site()
        CONSOLE.rule("site.yml again: nothing changes")
        require_unchanged(site())
        CONSOLE.rule("site.yml in check mode: nothing would change")
        require_unchanged(site("--check", "--diff"))
        CONSOLE.rule("compare.yml: both nodes have the same")
        compare()
        CONSOLE.rule("minimal gets NumPy: lock, look at what changes, build")
        add_package("minimal", "numpy")
        lock("--diff", "--extra-vars", "lock_env=minimal")
        site("--tags", "conda_environments")
        compare()
        CONSOLE.rule("rollback.yml: one generation back; the repository goes back, too")
        play("playbooks/rollback.yml", "--extra-vars", "rollback_env=minimal rollback_confirm=false")
        remove_package("minimal", "numpy")
        lock("--extra-vars", "lock_env=minimal")
        compare()
        CONSOLE.rule("A cell in every kernel, through the notebook servers")
        run("lab.people.notebook", GROUP)
        *staying, leaving = nodes.find(GROUP)
        CONSOLE.rule(f"remove.yml: {leaving.name} is rid of all of it")
        play("playbooks/remove.yml", "--limit", leaving.name, "--extra-vars", "remove_confirm=false")
        CONSOLE.rule("Open the notebooks")
        tell_how_to_open(staying)
    except LabError as error:
        CONSOLE.print(f"demo: {error}", markup=False, style="red")
        return 1
    return 0


def copy_environments() -> None:
    """Put the lab's environments, without locks, where the demo may change them."""
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)
    shutil.copytree(SOURCES, ENVIRONMENTS)


def add_package(environment: str, package: str) -> None:
    """Append a package to the demo's ``environment.yml``, whose last section lists conda's packages."""
    with (ENVIRONMENTS / environment / "environment.yml").open("a") as file:
        file.write(f"  - {package}\n")


def remove_package(environment: str, package: str) -> None:
    """Take away what ``add_package`` has appended."""
    file = ENVIRONMENTS / environment / "environment.yml"
    file.write_text(file.read_text().removesuffix(f"  - {package}\n"))


def lock(*arguments: str) -> str:
    """Lock the demo's environments; show the output and return it."""
    return play("playbooks/lock.yml", *arguments)


def site(*arguments: str) -> str:
    """Bring the nodes to the declared state; show the output and return it."""
    return play("site.yml", *arguments)


def compare() -> str:
    """Require that the nodes have the same environments, as locked; show the output and return it."""
    return play("playbooks/compare.yml", "--extra-vars", "compare_strict=true")


def play(playbook: str, *arguments: str) -> str:
    """Run a playbook against the demo's nodes, with its environments; show its output and return it."""
    directory = json.dumps({"conda_environments_directory": str(ENVIRONMENTS)})
    return run(
        "ansible", "playbook", "--inventory", f"inventories/{GROUP}", playbook, "--extra-vars", directory, *arguments
    )


def run(module: str, *arguments: str) -> str:
    """Run a Python module's command in the project's root; show its output and return it.

    Raises
    ------
    LabError
        The command failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    shown = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            shown.append(line)
    if process.returncode != 0:
        raise LabError(f"{shlex.join(command)} ended with status {process.returncode}", "read its output above")
    return "".join(shown)


def changes(output: str) -> dict[str, int]:
    """Return how many tasks changed something on each host, from the recap of a playbook run."""
    return {line["host"]: int(line["changed"]) for line in _RECAP_LINE.finditer(output)}


def require_unchanged(output: str) -> None:
    """Refuse a run that changed something.

    Raises
    ------
    LabError
        A host was changed, or the output has no recap.
    """
    found = changes(output)
    changed = [host for host, count in found.items() if count]
    if changed or not found:
        raise LabError(
            f"the run was to change nothing, but changed {', '.join(changed) or 'who knows'}", "read it above"
        )


def tell_how_to_open(of: Sequence[Node]) -> None:
    """Print for each node the command that forwards its notebook server's port, and the address to open."""
    for number, node in enumerate(of):
        port = notebook.PORT + number
        forward = ssh.command(node.address, "-N", "-L", f"{port}:127.0.0.1:{notebook.PORT}")
        print(f"{node.name}: {shlex.join(forward)}")
        print(f"  then http://127.0.0.1:{port}/lab?token={notebook.at(node.address).token}")
    print("make demo-down removes the nodes.")


if __name__ == "__main__":
    sys.exit(main())
