# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that starts kernels: what of conda's activation reaches them, and what becomes of scripts that fail."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activated

SOURCE = Path(activated.__file__)
BASH, SH = "/bin/bash", "/bin/sh"
#: More than a script of a test needs on any machine.
LONG = "120"


@dataclass
class Environment:
    """A conda environment behind a link, as Evenkeel builds one, and a program of its own that shows its variables."""

    folder: Path
    launcher: Path = SOURCE

    @property
    def prefix(self) -> Path:
        return self.folder / "generations" / "vars" / "3b7f"

    @property
    def link(self) -> Path:
        return self.folder / "envs" / "vars"

    @property
    def distribution(self) -> Path:
        return self.folder / "miniconda3"

    def write(self, path: str, text: str, *, mode: int = 0o644) -> Path:
        file = self.prefix / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def script(self, name: str, text: str) -> Path:
        return self.write(f"etc/conda/activate.d/{name}", text)

    def state(self, **variables: object) -> None:
        self.write("conda-meta/state", json.dumps({"version": 1, "env_vars": variables}))

    def call(self, seconds: str = LONG, names: str = "", link: Path | None = None) -> list[str]:
        arguments = [self.distribution, seconds, link or self.link, names, "bin/program", "one", "two words"]
        return [sys.executable, "-I", "-S", str(self.launcher), *map(str, arguments)]

    def start(
        self, seconds: str = LONG, names: str = "", link: Path | None = None, **variables: str
    ) -> tuple[dict[str, str], str]:
        """Return the variables of the program, and what standard error got."""
        given = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **variables}
        call = self.call(seconds, names, link)
        done = subprocess.run(call, check=True, capture_output=True, env=given, timeout=2 * int(LONG))
        entries = [entry.partition("=") for entry in done.stdout.decode().split("\0") if entry]
        return {name: value for name, _sign, value in entries}, done.stderr.decode()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = Environment(tmp_path)
    found.write("bin/program", "#!/bin/sh\nexec /usr/bin/env -0\n", mode=0o755)
    found.write("etc/conda/activate.d/cuda.sh", 'export CUDA_HOME="$CONDA_PREFIX"\n')
    found.link.parent.mkdir()
    found.link.symlink_to(found.prefix)
    return found


@pytest.fixture
def with_conda(environment: Environment) -> Environment:
    """Return the environment where there is a distribution, too."""
    conda, hook = (environment.distribution / path for path in ("bin/conda", "etc/profile.d/conda.sh"))
    for path in (conda, hook):
        path.parent.mkdir(parents=True)
    conda.touch(mode=0o755)
    hook.write_text(f'export CONDA_EXE={conda}\nconda() {{ echo "conda: $*" >&2; }}\n')
    return environment


def test_an_old_environment_s_python_can_run_it() -> None:
    assert ast.parse(SOURCE.read_text(), feature_version=(3, 7))


def test_a_program_gets_the_variables_of_conda(environment: Environment) -> None:
    found, said = environment.start()
    prefix = str(environment.prefix)
    assert said == ""
    assert (found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"], found["CONDA_SHLVL"]) == (prefix, "vars", "1")
    assert (found["CUDA_HOME"], found["PATH"]) == (prefix, f"{prefix}/bin:/usr/bin:/bin")
    assert "CONDA_EXE" not in found


def test_a_shell_leaves_nothing_of_its_own(environment: Environment) -> None:
    own = {"PWD": "/before", "SHLVL": "7"}
    found, _said = environment.start(**own)
    # The program is a script of sh, which has its own PWD.
    assert found["SHLVL"] == "7"
    assert "OLDPWD" not in found
    assert "evenkeel_script" not in found


def test_conda_is_at_hand_where_it_is_installed(with_conda: Environment) -> None:
    with_conda.script("hook.sh", "conda config --show\n")
    found, said = with_conda.start()
    base = with_conda.distribution
    assert said == "conda: config --show\n"
    assert (found["CONDA_EXE"], found["CONDA_PYTHON_EXE"]) == (f"{base}/bin/conda", f"{base}/bin/python")
    assert found["PATH"] == f"{with_conda.prefix}/bin:{base}/condabin:/usr/bin:/bin"
    found, _said = with_conda.start(PATH="/elsewhere/condabin:/bin")
    assert found["PATH"] == f"{with_conda.prefix}/bin:/elsewhere/condabin:/bin"


def test_an_environment_is_called_as_conda_calls_it(with_conda: Environment) -> None:
    assert with_conda.start(link=with_conda.prefix)[0]["CONDA_DEFAULT_ENV"] == str(with_conda.prefix)
    (with_conda.distribution / "bin" / "conda").unlink()
    (with_conda.distribution / "bin" / "program").symlink_to(with_conda.prefix / "bin" / "program")
    assert with_conda.start(link=with_conda.distribution)[0]["CONDA_DEFAULT_ENV"] == "base"


def test_an_environment_s_variables_are_set_as_they_are_written(environment: Environment) -> None:
    environment.state(
        DATA_ROOT='/srv/it\'s "here" $HOME', LINES="a\n\nü", http_proxy="http://p.example", HOME="/new", N=3
    )
    found, said = environment.start(HOME="/old")
    assert said == ""
    assert (found["DATA_ROOT"], found["LINES"]) == ('/srv/it\'s "here" $HOME', "a\n\nü")
    assert (found["HTTP_PROXY"], found["HOME"], found["N"]) == ("http://p.example", "/new", "3")
    assert found["__CONDA_SHLVL_0_HOME"] == "/old"


def test_an_environment_s_variables_come_after_its_packages_and_before_its_scripts(environment: Environment) -> None:
    environment.write("etc/conda/env_vars.d/one.json", '{"OF_PACKAGE": "1", "BOTH": "package", "SCRIPT": "package"}')
    environment.state(BOTH="environment", SCRIPT="environment")
    environment.script("script.sh", 'export SCRIPT="$SCRIPT and script"\n')
    found, _said = environment.start()
    assert (found["OF_PACKAGE"], found["BOTH"], found["SCRIPT"]) == ("1", "environment", "environment and script")


def test_what_conda_does_not_set_is_not_set(environment: Environment) -> None:
    environment.state(PATH="/nowhere", GONE="***unset***", **{"A=B": "1", "": "2", "NUL": "a\0b"})
    found, _said = environment.start(GONE="stays")
    assert found["PATH"] == f"{environment.prefix}/bin:/usr/bin:/bin"
    assert found["GONE"] == "stays"
    assert not {"A", "A=B", "NUL"} & found.keys()


@pytest.mark.parametrize("text", ["{", "[1]", '{"env_vars": [1]}', "\udcff", "[" * 100_000])
def test_variables_that_can_t_be_read_keep_no_kernel_from_starting(environment: Environment, text: str) -> None:
    environment.write("conda-meta/state", "").write_bytes(os.fsencode(text))
    found, said = environment.start()
    assert found["CUDA_HOME"] == str(environment.prefix)
    assert said.startswith(f"Evenkeel: {environment.prefix}/conda-meta/state can't be read") or "env_vars" in text


def test_a_variable_of_the_kernel_keeps_its_value(environment: Environment) -> None:
    environment.state(DATA_ROOT="/srv")
    found, _said = environment.start(names="CUDA_HOME,DATA_ROOT,PATH,UNKNOWN", CUDA_HOME="own", DATA_ROOT="own")
    assert (found["CUDA_HOME"], found["DATA_ROOT"]) == ("own", "own")
    assert found["PATH"] == f"{environment.prefix}/bin:/usr/bin:/bin"
    assert "UNKNOWN" not in found


@pytest.fixture(params=[BASH, SH])
def of_shell(environment: Environment, request: pytest.FixtureRequest) -> Environment:
    """Return the environment on a node that has this shell."""
    if not os.access(request.param, os.X_OK):
        pytest.skip(f"there is no {request.param}")
    environment.launcher = environment.folder / "launcher.py"
    text = SOURCE.read_text()
    assert text.count(f'b"{BASH}"') == 1
    environment.launcher.write_text(text.replace(BASH, request.param))
    return environment


@pytest.mark.parametrize(
    ("script", "expected", "printed"),
    [
        pytest.param('export MINE="a\nb"', {"MINE": "a\nb"}, "", id="several lines"),
        pytest.param("unset THEIRS", {"THEIRS": None}, "", id="unset"),
        pytest.param("echo out; echo err >&2", {}, "out\nerr\n", id="prints"),
        pytest.param('read -r answer; export MINE="<$answer>"', {"MINE": "<>"}, "", id="asks"),
        pytest.param("false", {}, "", id="its last command fails"),
        pytest.param("return 3", {}, "", id="returns"),
        pytest.param("set -- 1 2; export MINE=$#", {"MINE": "2"}, "", id="sets arguments"),
        pytest.param("export MINE=$#", {"MINE": "0"}, "", id="sees no arguments"),
        pytest.param('export PATH="$CONDA_PREFIX/opt:$PATH"', {"PATH": "{0}/opt:{0}/bin:/usr/bin:/bin"}, "", id="PATH"),
        pytest.param("export PATH=/nowhere; trap 'echo bye' EXIT", {"PATH": "/nowhere"}, "", id="no PATH"),
        pytest.param("cd /; export evenkeel_script=x", {}, "", id="goes elsewhere"),
    ],
)
def test_what_scripts_do(of_shell: Environment, script: str, expected: dict[str, str | None], printed: str) -> None:
    of_shell.script("a.sh", f"{script}\n")
    found, said = of_shell.start(THEIRS="yes")
    assert said == printed
    assert found["CUDA_HOME"] == str(of_shell.prefix)
    prefix = str(of_shell.prefix)
    assert {name: found.get(name) for name in expected} == {
        name: value and value.replace("{0}", prefix) for name, value in expected.items()
    }


def test_functions_for_programs_reach_them(environment: Environment) -> None:
    environment.script("function.sh", "mine() { echo 'of mine'; }\nexport -f mine\n")
    environment.write("bin/program", "#!/bin/bash\nprintf 'SAID=%s' \"$(mine)\"\n", mode=0o755)
    assert environment.start()[0] == {"SAID": "of mine"}


@pytest.mark.parametrize(
    ("script", "seconds", "why"),
    [
        pytest.param("exit 3", LONG, "broken.sh ended the shell with status 3", id="exit"),
        pytest.param("exit 0", LONG, "broken.sh ended the shell with status 0", id="good exit"),
        pytest.param("set -e\nfalse", LONG, "broken.sh ended the shell with status 1", id="errors end"),
        pytest.param("exec true", LONG, "broken.sh ended the shell with status 0", id="becomes another program"),
        pytest.param("kill -9 $$", LONG, "broken.sh ended the shell with status 137", id="killed"),
        pytest.param("sleep 1000", "1", "did not end within 1 seconds", id="hangs"),
        pytest.param("trap '' TERM\nwhile :; do :; done", "1", "did not end within 1 seconds", id="does not let go"),
    ],
)
def test_a_kernel_starts_without_scripts_that_fail(of_shell: Environment, script: str, seconds: str, why: str) -> None:
    of_shell.state(DATA_ROOT="/srv")
    of_shell.script("broken.sh", f"export BROKEN=1\n{script}\n")
    of_shell.script("cuda.sh", "export CUDA_HOME=1\n")
    found, said = of_shell.start(seconds)
    scripts = of_shell.prefix / "etc/conda/activate.d"
    assert f"{why}. The kernel starts without the variables that scripts in {scripts} set.\n" in said
    assert (found["DATA_ROOT"], found["CONDA_PREFIX"]) == ("/srv", str(of_shell.prefix))
    assert not {"BROKEN", "CUDA_HOME", "PYTHONNOUSERSITE"} & found.keys()


def test_a_script_with_an_error_takes_nothing_from_the_others(environment: Environment) -> None:
    environment.script("broken.sh", "if [\n")
    found, said = environment.start()
    assert "broken.sh" in said
    assert found["CUDA_HOME"] == str(environment.prefix)


@pytest.mark.parametrize("script", ["", "exit 1\n"])
def test_packages_of_users_are_hidden_as_activation_hides_them(environment: Environment, script: str) -> None:
    environment.write("lib/python3.11/os.py", "")
    prefix = str(environment.prefix)
    activation.apply(prefix, activation.plan(prefix, str(environment.link), user_site=False))
    environment.script("script.sh", script)
    assert environment.start()[0]["PYTHONNOUSERSITE"] == "1"
    activation.apply(prefix, activation.plan(prefix, str(environment.link), user_site=True))
    assert "PYTHONNOUSERSITE" not in environment.start()[0]


def test_much_output_is_cut_and_drained(environment: Environment) -> None:
    environment.script("chatty.sh", f"head -c {3 << 20} /dev/zero | tr '\\0' x\n")
    found, said = environment.start()
    assert found["CUDA_HOME"] == str(environment.prefix)
    assert said.strip("x") == f"\n[{(3 << 20) - (1 << 16)} bytes more]\n"


def test_what_a_script_leaves_running_keeps_no_kernel_waiting(environment: Environment) -> None:
    environment.script("agent.sh", "sleep 1000 &\nexport AGENT=$!\n")
    found, _said = environment.start()
    os.kill(int(found["AGENT"]), signal.SIGTERM)  # it is there still


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("( while :; do sleep 1; done ) &", id="subshell"),
        pytest.param("poll() { while :; do sleep 1; done; }; poll >/dev/null 2>&1 &", id="function"),
        pytest.param("exec 7< <(while :; do sleep 1; done)", id="substitution"),
        pytest.param("yes &", id="chatty"),
    ],
)
def test_a_shell_that_a_script_leaves_behind_keeps_no_kernel_waiting(environment: Environment, script: str) -> None:
    environment.script("agent.sh", f"{script}\nexport LEFT=$!\n")
    found, said = environment.start()
    with contextlib.suppress(ProcessLookupError):  # a chatty one has nobody who listens any more
        os.kill(int(found["LEFT"]), signal.SIGTERM)
    assert found["CUDA_HOME"] == str(environment.prefix)
    assert "Evenkeel" not in said


@pytest.mark.parametrize("stopped", ["$$", "$PPID"])
def test_a_shell_that_is_stopped_is_killed_in_time(environment: Environment, stopped: str) -> None:
    environment.script("stop.sh", f"export STOPPED=1\nkill -STOP {stopped}\n")
    found, said = environment.start("1")
    assert "did not end within 1 seconds. The kernel starts without" in said
    assert found["CONDA_DEFAULT_ENV"] == "vars"
    assert "STOPPED" not in found


def test_functions_named_as_the_shell_s_commands_do_no_harm(environment: Environment) -> None:
    names = ("exec", "printf", "set")
    environment.script("a.sh", "".join(f"{name}() {{ echo faked; }}\n" for name in names))
    found, said = environment.start()
    assert (found["CUDA_HOME"], said) == (str(environment.prefix), "")


@pytest.mark.parametrize("script", ["command() { echo faked; }", "unset CONDA_PREFIX"])
def test_an_answer_that_is_no_environment_s_is_not_taken(environment: Environment, script: str) -> None:
    environment.script("faked.sh", f"{script}\n")
    found, said = environment.start()
    assert "Evenkeel: The shell of the scripts ended" in said
    assert (found["CONDA_PREFIX"], found["PATH"]) == (
        str(environment.prefix),
        f"{environment.prefix}/bin:/usr/bin:/bin",
    )


def test_without_scripts_no_shell_is_missed(environment: Environment) -> None:
    (environment.prefix / "etc/conda/activate.d/cuda.sh").unlink()
    (environment.prefix / "etc/conda/activate.d").rmdir()
    found, said = environment.start()
    assert (found["CONDA_PREFIX"], said) == (str(environment.prefix), "")


def test_a_node_without_the_means_to_run_scripts_runs_kernels(environment: Environment) -> None:
    environment.launcher = environment.folder / "launcher.py"
    environment.launcher.write_text(SOURCE.read_text().replace("/usr/bin/timeout", "/usr/bin/no-timeout"))
    found, said = environment.start()
    assert "/usr/bin/no-timeout: No such file" in said
    assert "The shell of the scripts ended" in said
    assert found["CONDA_DEFAULT_ENV"] == "vars"


def test_the_program_keeps_the_process_and_gets_signals_as_it_would(environment: Environment) -> None:
    signals = ["/bin/grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]
    environment.write(
        "bin/program", f"#!/bin/sh\necho $$ $#\nexec {signals[0]} -E '{signals[2]}' {signals[3]}\n", mode=0o755
    )
    with subprocess.Popen(environment.call(), stdout=subprocess.PIPE, env={"PATH": "/bin"}) as started:
        out = started.communicate()[0].decode()
    assert out == f"{started.pid} 2\n{subprocess.check_output(signals, text=True)}"


def test_an_interrupt_ends_scripts_and_not_the_kernel(environment: Environment) -> None:
    reached = environment.folder / "reached"
    os.mkfifo(reached)
    environment.script("wait.sh", f"echo here >{reached}\nsleep 1000\n")
    # What a shell starts in the background ignores interrupts, these tests too.
    call = ["env", "--default-signal=INT", *environment.call()]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}
    ) as started:
        assert reached.read_text() == "here\n"
        started.send_signal(signal.SIGINT)
        out, said = started.communicate()
    assert b"The scripts were interrupted. The kernel starts" in said
    assert b"CONDA_DEFAULT_ENV=vars" in out
