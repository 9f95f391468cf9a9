# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel has the environment that ``conda run`` gives, also where scripts of packages fail."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.variables_in_kernel import DIFFER, SHOW, variables
from testinfra.host import Host

from lab import wait
from lab.nodes import nodes
from lab.people import notebook
from lab.people.notebook import Server

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
KERNEL = "minimal"
LINK = f"/opt/evenkeel/envs/{KERNEL}"
SCRIPTS = f"{LINK}/etc/conda/activate.d"
CONDA = "/opt/miniconda3"
MAIN_PID = "systemctl show --property MainPID --value jupyter@jupyter.service"
PLAYBOOK = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / GROUP / "converge.yml"
#: The first kernel, which the role's own check asks.
FIRST = "/opt/evenkeel/envs/ai-dev"
#: Scripts of packages, as packages write them; ugly ones too.
PACKAGES = {
    "cudaish.sh": 'export CUDA_HOME="$CONDA_PREFIX"\n',
    "projish.sh": """
if [ -n "${PROJ_DATA:-}" ]; then export _CONDA_SET_PROJ_DATA="$PROJ_DATA"; fi
if [ -d "$CONDA_PREFIX/lib" ]; then export PROJ_DATA="$CONDA_PREFIX/share/proj"; fi
""",
    "ugly.sh": """
echo "ugly.sh prints"
read -r answer
export ANSWER="<$answer>" LINES_OF_TEXT="one
two" PATH="$PATH:$CONDA_PREFIX/ugly/bin"
unset LANGUAGE
ugly() { echo "a function"; }
export -f ugly
conda --version >/dev/null || return
export WITH_CONDA=1
""",
}
#: conda sets names in upper case.
VARIABLES = {"DATA_ROOT": "/srv/some data", "tokenizers_parallelism": "false"}
#: jupyter_activation_timeout of the scenario, as kernelspecs have it.
LIMIT = '"120"'


@pytest.fixture
def server(host: Host) -> Server:
    return notebook.at(next(node.address for node in nodes.find(GROUP) if node.name == host.backend.host))


@pytest.fixture(autouse=True)
def _packages(host: Host) -> Iterator[None]:
    """Have an environment with variables, and with packages that bring scripts."""
    state = f"{LINK}/conda-meta/state"
    host.check_output("printf %%s %s >%s", json.dumps({"version": 1, "env_vars": VARIABLES}), state)
    for name, text in PACKAGES.items():
        write_script(host, name, text)
    yield
    host.check_output(f"cd {SCRIPTS} && rm -f {state} broken.sh {' '.join(PACKAGES)}")


def write_script(host: Host, name: str, text: str) -> None:
    host.check_output("printf %%s %s >%s", text, f"{SCRIPTS}/{name}")


def variables_in(server: Server, kernel: str = KERNEL) -> dict[str, str]:
    return variables(json.loads(server.run(kernel, SHOW)))


def variables_of_conda_run(host: Host) -> dict[str, str]:
    """Return what ``conda run`` sets, from the variables that the server has, and ``conda`` found as in terminals."""
    lines = host.file(f"/proc/{host.check_output(MAIN_PID)}/environ").content_string.split("\0")
    given = [f"PATH={CONDA}/condabin:{line[5:]}" if line.startswith("PATH=") else line for line in lines if line]
    call = ["runuser", "-u", "jupyter", "--", "env", "-i", *given, f"{CONDA}/bin/conda", "run", "--name", KERNEL]
    shown = host.check_output(" ".join(["%s"] * (len(call) + 3)), *call, "python", "-c", SHOW)
    return variables(json.loads(shown.splitlines()[-1]))


def test_a_kernel_has_what_conda_run_sets(host: Host, server: Server) -> None:
    generation = host.check_output(f"readlink -f {LINK}")
    base = host.check_output(f"readlink -f {CONDA}")
    run, kernel = variables_of_conda_run(host), variables_in(server)

    def compared(found: dict[str, str]) -> dict[str, str]:
        found["PATH"] = ":".join(dict.fromkeys(found["PATH"].split(":")))
        return {
            # A kernel stays in its generation, and conda may resolve the link to itself or not.
            name: value.replace(LINK, generation).replace(base, CONDA)
            for name, value in found.items()
            if not any(fnmatch(name, pattern) for pattern in DIFFER)
        }

    assert compared(kernel) == compared(run)
    assert kernel["CONDA_DEFAULT_ENV"] == run["CONDA_DEFAULT_ENV"]
    assert kernel["CUDA_HOME"] == kernel["CONDA_PREFIX"] == generation
    assert kernel["PROJ_DATA"] == f"{generation}/share/proj"
    assert (kernel["DATA_ROOT"], kernel["ANSWER"], kernel["WITH_CONDA"]) == (VARIABLES["DATA_ROOT"], "<>", "1")
    assert (kernel["TOKENIZERS_PARALLELISM"], "tokenizers_parallelism" in kernel) == ("false", False)
    host.check_output("journalctl --unit jupyter@jupyter --grep '^ugly.sh prints'")


@pytest.fixture
def impatient(host: Host) -> Iterator[str]:
    """Return the name of a kernel like the node's, whose scripts have a second."""
    kernels = f"{host.user('jupyter').home}/.local/share/jupyter/kernels"
    spec = host.file(f"/usr/local/share/jupyter/kernels/{KERNEL}/kernel.json").content_string
    assert spec.count(LIMIT) == 1
    host.check_output(f"runuser -u jupyter -- mkdir -p {kernels}/impatient")
    host.check_output("printf %%s %s >%s", spec.replace(LIMIT, '"1"'), f"{kernels}/impatient/kernel.json")
    yield "impatient"
    host.check_output(f"rm -r {kernels}/impatient")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param("exit 3", "/broken.sh ended the shell with status 3", id="broken"),
        pytest.param("exec sleep 100000", " did not end within 1 seconds", id="hanging"),
    ],
)
def test_a_kernel_starts_without_scripts_that_fail_and_the_journal_says_so(
    host: Host, server: Server, impatient: str, script: str, why: str
) -> None:
    host.check_output(f"rm {SCRIPTS}/ugly.sh")
    write_script(host, "broken.sh", f"export BROKEN=1\n{script}\n")
    found = variables_in(server, impatient if "within" in why else KERNEL)
    assert not {"BROKEN", "CUDA_HOME", "PROJ_DATA"} & found.keys()
    assert (found["DATA_ROOT"], found["PYTHONNOUSERSITE"]) == (VARIABLES["DATA_ROOT"], "1")
    assert found["CONDA_EXE"] == f"{CONDA}/bin/conda"
    host.check_output(f"journalctl --unit jupyter@jupyter --grep 'Evenkeel: .*{why}'")


@pytest.mark.long
def test_a_kernel_of_a_restarted_server_that_is_not_as_conda_run_is_warned_of(host: Host) -> None:
    script = f"{FIRST}/etc/conda/activate.d/fails_in_kernels.sh"
    text = 'export CUDA_HOME="$CONDA_PREFIX"\n[ -z "${JPY_PARENT_PID:-}" ] || exit 3\n'
    host.check_output("printf %%s %s >%s", text, script)
    try:
        said = run_role(host, {"ServerApp": {"terminals_enabled": False}})
    finally:
        host.check_output("rm %s", script)
    assert "the kernel ai-dev has other variables than `conda run` gives: CUDA_HOME. See" in said
    assert "conda run" not in run_role(host, {})


def run_role(host: Host, settings: dict[str, Any]) -> str:
    """Run the role with settings that restart the server, and return what Ansible says."""
    before = host.check_output(MAIN_PID)
    variables = json.dumps({"jupyter_restart_policy": "now", "jupyter_settings": settings})
    inventory = PLAYBOOK.parents[1] / "inventory"
    call = ["ansible-playbook", f"--inventory={inventory}", f"--limit={host.backend.host}", PLAYBOOK]
    # Ansible breaks warnings into lines of this length.
    environment = {**os.environ, "COLUMNS": "9999"}
    done = subprocess.run(
        [*call, "--extra-vars", variables], check=True, capture_output=True, text=True, env=environment
    )
    assert host.check_output(MAIN_PID) != before
    return done.stdout + done.stderr


def test_an_interrupt_reaches_a_kernel(host: Host, server: Server) -> None:
    cell = """
import os, pathlib, time
print(os.getppid())
try:
    pathlib.Path("~/waiting").expanduser().touch()
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted")
"""
    waiting = host.file(f"{host.user('jupyter').home}/waiting")
    printed: SimpleQueue[str] = SimpleQueue()
    with server.kernel(KERNEL) as kernel:
        running = threading.Thread(target=lambda: printed.put(kernel.run(cell)))
        running.start()
        wait.until(lambda: waiting.exists, "the cell waits", "journalctl --unit jupyter@jupyter", seconds=120)
        server.ask("POST", f"{kernel.path}/interrupt")
        running.join()
    assert printed.get_nowait().split() == [host.check_output(MAIN_PID), "interrupted"]
    host.check_output(f"rm {waiting.path}")


def test_a_kernel_that_a_user_made_of_a_conda_environment_is_activated(host: Host, server: Server) -> None:
    install = f"{LINK}/bin/python -m ipykernel install --user --name own --env PROJ_DATA mine"
    host.check_output("su - jupyter -c %s", install)
    found = variables_in(server, "own")
    assert (found["CONDA_DEFAULT_ENV"], found["DATA_ROOT"]) == (KERNEL, VARIABLES["DATA_ROOT"])
    assert (found["CUDA_HOME"], found["PROJ_DATA"]) == (found["CONDA_PREFIX"], "mine")
    host.check_output(f"rm -r {host.user('jupyter').home}/.local/share/jupyter/kernels/own")
