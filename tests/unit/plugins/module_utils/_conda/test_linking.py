# SPDX-License-Identifier: GPL-3.0-or-later
"""The installers with programs that are small shell scripts."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import linking as installer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools, choose, rewritten
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MAIN = "https://mirror.example/pkgs/main"
NUMPY = Package("numpy", "2.3.1", "0", "cd" * 32, url=f"{MAIN}/linux-64/numpy-2.3.1-0.conda", size=7)
PYTHON = Package("python", "3.11.2", "1_cpython", "ab" * 32, url=f"{MAIN}/linux-64/python-3.11.2-1_cpython.conda")
SIX = Package("six", "1.17.0", "py_0", "ef" * 32, url="https://other.example/conda-forge/noarch/six-1.17.0-py_0.conda")
EINOPS, TRL = Package("einops", "0.8.1", "", "12" * 32, PIP), Package("trl", "0.9", "", "34" * 32, PIP)
BUILT = Package("tool", "1.0", "", "56" * 32, PIP, "tool-1.0-py3-none-any.whl")
COMMIT = Package("tools", "1.0", "", "", PIP, f"git+https://git.example/tools@{'ab' * 20}")


def say(**message: object) -> str:
    """Return what a fake worker does to tell something."""
    return f"printf '%s\\n' '{json.dumps(message)}'"


def progress(*downloading: Package, packages: int = 1) -> str:
    """Return what a fake worker does to tell its progress."""
    counts = {"step": "fetch", "packages": packages, "of": 2, "bytes": 5, "of_bytes": 7}
    return say(progress={**counts, "downloading": [package.url for package in downloading], "ended": 0})


def worker(*steps: str) -> str:
    """Return a fake worker."""
    return "; ".join(("cat >{here}/file", *steps))


DONE = say(done=True)

#: What a fake conda does: a record for each line of the explicit file.
RECORDS = """\
cat "$8" >{here}/file; mkdir -p "$6/conda-meta"
tail -n +2 "$8" | while IFS='#' read -r url sha256; do
    stem=$(basename "$url" .conda); rest=${stem%-*}
    printf '{"name": "%s", "version": "%s", "build": "%s", "sha256": "%s"}' \\
        "${rest%-*}" "${rest##*-}" "${stem##*-}" "$sha256" >"$6/conda-meta/$stem.json"
done"""

Update = tuple[str, int, int, int, int]


class Progress:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        self.updates.append((step, packages, of, bytes_, of_bytes))


class Node:
    """A node whose conda, Python and uv do as a test says, and write down how they were called."""

    def __init__(self, directory: Path, lock: int) -> None:
        self.directory = directory
        self.prefix = directory / "generations" / "ai-dev" / "0123456789abcdef"
        self.prefix.parent.mkdir(parents=True)
        self.runtime = directory / "runtime"
        (self.runtime / "site-packages" / "rattler").mkdir(parents=True)
        (self.runtime / "bin").mkdir()
        self.tools = Tools(str(directory / "conda"), str(directory / "python"), str(self.runtime))
        self.progress = Progress()
        self.job = Job(
            name="ai-dev",
            prefix=str(self.prefix),
            packages=(NUMPY, PYTHON),
            specs=("numpy", "python=3.11"),
            pkgs=str(directory / "pkgs"),
            lock=lock,
            timeout=60,
            pip_index="",
            progress=self.progress,
        )
        self.install("conda", RECORDS)
        self.install("python", worker(DONE))
        self.install("uv", 'while [ "$1" != --requirements ]; do shift; done; cat "$2" >>{here}/file')

    def install(self, program: str, then: str) -> None:
        """Make a program that does ``then``, in which ``{here}`` is the directory that its records are in."""
        here = self.directory / f"{program}-calls"
        here.mkdir(exist_ok=True)
        path = Path(self.tools.uv) if program == "uv" else self.directory / program
        record = 'printf "%s\\n" "$@" >>{here}/argv; env >{here}/env; readlink /proc/self/fd/LOCK >{here}/lock'
        record = record.replace("LOCK", str(self.job.lock))
        path.write_text("\n".join(("#!/bin/sh", record, then, "")).replace("{here}", str(here)))
        path.chmod(0o755)

    def record(self, program: str, name: str) -> str:
        """Return what a program wrote down; nothing when it was not called."""
        path = self.directory / f"{program}-calls" / name
        return path.read_text() if path.exists() else ""

    def called(self) -> set[str]:
        return {program for program in ("conda", "python", "uv") if self.record(program, "argv")}


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """Return the processes that a test has started."""
    started: list[subprocess.Popen[str]] = []

    class Kept(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Kept)
    return started


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    yield Node(tmp_path, descriptor)
    os.close(descriptor)


# choose


NO_RUNTIME, NO_RATTLER, NO_PYTHON = (
    "there is no private runtime",
    "has no py-rattler",
    "which runs py-rattler, is not a",
)


@pytest.mark.parametrize(
    ("lacking", "wanted", "chosen", "why"),
    [
        ((), "auto", "rattler", ""),
        ((), "rattler", "rattler", ""),
        ((), "conda", "conda", ""),
        (("conda",), "auto", "rattler", ""),
        (("runtime",), "auto", "conda", NO_RUNTIME),
        (("rattler",), "auto", "conda", NO_RATTLER),
        (("python",), "auto", "conda", NO_PYTHON),
        (("runtime",), "conda", "conda", ""),
    ],
)
def test_choose(node: Node, lacking: tuple[str, ...], wanted: str, chosen: str, why: str) -> None:
    found, reason = choose(wanted, without(node, lacking))
    assert found == chosen
    assert why in reason
    assert bool(reason) == bool(why)


@pytest.mark.parametrize(
    ("lacking", "wanted", "message"),
    [
        (("conda",), "conda", "conda, which builds environments, is not a program. Install the conda distribution"),
        (("conda", "runtime"), "conda", r"conda, which builds environments, is not a program\. Install"),
        (("runtime",), "rattler", f"The installer rattler can't be used: {NO_RUNTIME}. Run the role"),
        (("rattler",), "rattler", f"The installer rattler can't be used: the private runtime .* {NO_RATTLER}"),
        (("python",), "rattler", f"The installer rattler can't be used: .*python, {NO_PYTHON} program"),
        (("runtime", "conda"), "auto", f"conda, which builds environments, is not a program, and {NO_RUNTIME}"),
    ],
)
def test_what_the_node_cannot_run_is_told(node: Node, lacking: tuple[str, ...], wanted: str, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        choose(wanted, without(node, lacking))


@pytest.mark.parametrize("program", ["conda", "python"])
def test_a_file_that_is_not_executable_is_no_program(node: Node, program: str) -> None:
    (node.directory / program).chmod(0o644)
    with pytest.raises(EvenkeelError, match="is not a program"):
        choose("conda" if program == "conda" else "rattler", node.tools)


def without(node: Node, lacking: tuple[str, ...]) -> Tools:
    """Return the node's tools after some of them went."""
    for thing in lacking:
        if thing == "rattler":
            (node.runtime / "site-packages" / "rattler").rmdir()
        elif thing != "runtime":
            (node.directory / thing).unlink()
    return replace(node.tools, runtime="") if "runtime" in lacking else node.tools


# rewritten


@pytest.mark.parametrize(
    ("mirrors", "url", "expected"),
    [
        ({}, "https://a.example/main/x.conda", "https://a.example/main/x.conda"),
        ({"https://a.example": "http://m/a"}, "https://a.example/main/x.conda", "http://m/a/main/x.conda"),
        ({"https://a.example/": "http://m/a"}, "https://a.example/main/x.conda", "http://m/a/main/x.conda"),
        ({"https://a.example": "http://m/a/"}, "https://a.example/main/x.conda", "http://m/a/main/x.conda"),
        ({"https://a.example": "http://m"}, "https://a.example.org/x.conda", "https://a.example.org/x.conda"),
        ({"https://a.example/ma": "http://m"}, "https://a.example/main/x.conda", "https://a.example/main/x.conda"),
        ({"https://b.example": "http://m"}, "https://a.example/main/x.conda", "https://a.example/main/x.conda"),
        (
            {"https://a.example": "http://short", "https://a.example/main": "http://long"},
            "https://a.example/main/x.conda",
            "http://long/x.conda",
        ),
        (
            {"https://a.example/main": "http://long", "https://a.example": "http://short"},
            "https://a.example/r/x.conda",
            "http://short/r/x.conda",
        ),
        ({"https://a.example/x.conda": "file:///srv/x.conda"}, "https://a.example/x.conda", "file:///srv/x.conda"),
        ({"https://a.example": "http://m", "http://m": "http://n"}, "https://a.example/x", "http://m/x"),
    ],
)
def test_rewritten(mirrors: dict[str, str], url: str, expected: str) -> None:
    (found,) = rewritten([replace(NUMPY, url=url)], mirrors)
    assert found.url == expected
    assert found == NUMPY


# check_local_archives


def archive(directory: Path, content: bytes, name: str = "numpy 2.3.1.conda") -> Package:
    path = directory / name
    path.write_bytes(content)
    return replace(NUMPY, url=path.as_uri(), sha256=hashlib.sha256(content).hexdigest())


def test_archives_that_are_as_the_lock_says_pass(tmp_path: Path) -> None:
    installer.check_local_archives([archive(tmp_path, b"good"), NUMPY, replace(NUMPY, url="")])


@pytest.mark.parametrize("content", [b"", b"goo", b"good ", b"b" * (1 << 20) + b"ad"], ids=len)
def test_another_content_is_refused(tmp_path: Path, content: bytes) -> None:
    package = archive(tmp_path, b"good")
    (tmp_path / "numpy 2.3.1.conda").write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    message = rf"^The package numpy at {tmp_path}/numpy 2\.3\.1\.conda has the SHA-256 {found}, not {package.sha256}\."
    with pytest.raises(EvenkeelError, match=message):
        installer.check_local_archives([package])


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    package = archive(tmp_path, b"good")
    (tmp_path / "numpy 2.3.1.conda").unlink()
    with pytest.raises(EvenkeelError, match=rf"^The package numpy can't be read from {tmp_path}/.*: No such file"):
        installer.check_local_archives([package])


@pytest.mark.parametrize("kind", ["rattler", "conda"])
def test_nothing_is_started_before_the_archives_are_checked(node: Node, kind: str) -> None:
    wrong = replace(archive(node.directory, b"good"), sha256="00" * 32)
    with pytest.raises(EvenkeelError, match="has the SHA-256"):
        installer.install(replace(node.job, packages=(PYTHON, wrong, EINOPS)), kind, node.tools)
    assert node.called() == set()


# texts


def test_explicit_file_is_in_the_order_of_dependencies() -> None:
    numpy = replace(NUMPY, depends=("six >=1.16", "python >=3.11,<3.12.0a0"))
    lines = [f"{package.url}#{package.sha256}\n" for package in (SIX, PYTHON, numpy)]
    assert installer.explicit_file([numpy, PYTHON, SIX]) == "".join(["@EXPLICIT\n", *lines])


def test_history(node: Node) -> None:
    lines = installer.history(replace(node.job, packages=(SIX, NUMPY, EINOPS))).splitlines()
    assert lines[0].startswith("==> 2")
    assert lines[1:] == [
        "# cmd: evenkeel conda_environment --name ai-dev",
        f"+{MAIN}/linux-64::numpy-2.3.1-0",
        "+https://other.example/conda-forge/noarch::six-1.17.0-py_0",
        "# update specs: ['numpy', 'python=3.11']",
    ]


@pytest.mark.parametrize("program", ["conda", "rattler"])
def test_each_installer_leaves_the_same_history(node: Node, program: str) -> None:
    history = 'mkdir -p "$6/conda-meta"; echo "# update specs: [pins]" >"$6/conda-meta/history"'
    node.install("conda", f"{RECORDS}\n{history}")
    installer.install(node.job, program, node.tools)
    written = (node.prefix / "conda-meta" / "history").read_text()
    assert written.splitlines()[1:] == installer.history(node.job).splitlines()[1:]


def test_a_history_tells_no_specs_that_nobody_knows(node: Node) -> None:
    assert "specs" not in installer.history(replace(node.job, specs=()))


@pytest.mark.parametrize(
    ("package", "line"),
    [
        (EINOPS, f"einops==0.8.1 --hash=sha256:{'12' * 32}\n"),
        (
            replace(EINOPS, url="https://wheels.example/einops-0.8.1.whl", index="https://wheels.example"),
            f"einops @ https://wheels.example/einops-0.8.1.whl --hash=sha256:{'12' * 32}\n",
        ),
    ],
)
def test_requirement(package: Package, line: str) -> None:
    assert installer.requirement(package) == line


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a\n-r x"},
        {"name": "-r"},
        {"version": "1 --x"},
        {"url": "https://h/a\n.whl"},
        {"url": "https://h/${SECRET}.whl"},
        {"index": "https://h/\tx"},
    ],
)
def test_a_package_that_would_be_another_line_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(EvenkeelError, match="that none can have"):
        installer.requirement(replace(EINOPS, **fields))


# install


@pytest.mark.parametrize(
    ("kind", "packages", "called"),
    [
        ("rattler", (NUMPY,), {"python"}),
        ("rattler", (NUMPY, EINOPS), {"python", "uv"}),
        ("conda", (NUMPY,), {"conda"}),
        ("conda", (NUMPY, EINOPS), {"conda", "uv"}),
    ],
)
def test_install(node: Node, kind: str, packages: tuple[Package, ...], called: set[str]) -> None:
    installer.install(replace(node.job, packages=packages), kind, node.tools)
    assert node.called() == called


@pytest.mark.parametrize("kind", ["rattler", "conda"])
def test_pip_comes_last(node: Node, kind: str) -> None:
    node.install("conda" if kind == "conda" else "python", "cat >/dev/null; exit 1")
    with pytest.raises(EvenkeelError, match="could not build the environment ai-dev"):
        installer.install(replace(node.job, packages=(NUMPY, EINOPS)), kind, node.tools)
    assert "uv" not in node.called()


@pytest.mark.parametrize(("kind", "program"), [("rattler", "python"), ("conda", "conda"), ("conda", "uv")])
def test_every_program_inherits_the_lock(node: Node, kind: str, program: str) -> None:
    installer.install(replace(node.job, packages=(NUMPY, EINOPS)), kind, node.tools)
    assert node.record(program, "lock") == f"{node.directory}/lock\n"


@pytest.mark.parametrize("kind", ["rattler", "conda"])
def test_what_killed_runs_left_in_the_caches_is_removed(node: Node, kind: str) -> None:
    rattler, uv = Path(node.job.pkgs, "rattler"), Path(node.job.pkgs, "uv")
    for unfinished in (rattler / ".idna-3.20-py_0x3bZUe", uv / ".tmpx3bZUe"):
        unfinished.joinpath("info").mkdir(parents=True)
    for whole in (rattler / "idna-3.20-py_0", uv / "archive-v0"):
        whole.joinpath(".hidden").mkdir(parents=True)
    for file in (rattler / ".cache.lock", uv / ".lock"):
        file.touch()
    installer.install(node.job, kind, node.tools)
    assert {path.name for path in rattler.iterdir()} == {"idna-3.20-py_0", ".cache.lock"}
    assert {path.name for path in uv.iterdir()} == {"archive-v0", ".lock"}
    assert Path(uv, "archive-v0", ".hidden").exists()


# conda


def test_conda_is_called_for_an_explicit_file_with_caches_of_our_own(node: Node) -> None:
    installer.install(node.job, "conda", node.tools)
    *argv, explicit = node.record("conda", "argv").splitlines()
    assert argv == ["create", "--json", "--yes", "--quiet", "--prefix", str(node.prefix), "--file"]
    assert explicit.endswith(".txt")
    assert not Path(explicit).exists()
    assert node.record("conda", "file") == installer.explicit_file([NUMPY, PYTHON])
    variables = node.record("conda", "env").splitlines()
    assert f"CONDA_PKGS_DIRS={node.job.pkgs}/conda" in variables
    assert "CONDA_REGISTER_ENVS=false" in variables
    assert f"CONDA_REMOTE_READ_TIMEOUT_SECS={node.job.timeout}" in variables
    assert f"CONDA_FETCH_THREADS={node.job.connections}" in variables


@pytest.mark.parametrize(
    ("then", "wrong"),
    [
        (f'{RECORDS}; rm "$6/conda-meta/numpy-2.3.1-0.json"', "numpy=2.3.1=0=cd"),
        (f'{RECORDS}; sed -i s/cdcd/0000/ "$6/conda-meta/numpy-2.3.1-0.json"', "numpy=2.3.1=0=00.*, numpy=2.3.1=0=cd"),
        ("true", "numpy=2.3.1=0=cd.*, python=3.11.2=1_cpython=ab"),
    ],
    ids=["missing", "another archive", "nothing"],
)
def test_what_conda_took_is_compared_with_what_it_was_asked_for(node: Node, then: str, wrong: str) -> None:
    node.install("conda", then)
    with pytest.raises(
        EvenkeelError, match=f"^conda could not build .*: it took other packages than asked for: {wrong}"
    ):
        installer.install(node.job, "conda", node.tools)


CONDA_REFUSES = json.dumps({"exception_name": "ChecksumMismatchError", "message": "expected and\ndownloaded content"})
CONDA_SAYS_FULL = json.dumps({"exception_name": "NoSpaceLeftError", "message": "nothing left on devices."})
FULL = "^No space left on the file system of "


@pytest.mark.parametrize(
    ("program", "then", "message"),
    [
        (
            "conda",
            f"printf '%s' '{CONDA_REFUSES}'; exit 1",
            "^conda could not build the environment ai-dev: expected and down",
        ),
        ("conda", "kill -KILL $$", "^conda could not build the environment ai-dev: it printed nothing. Nothing was "),
        ("conda", f"printf '%s' '{CONDA_SAYS_FULL}'; exit 1", FULL),
        ("conda", "echo '[Errno 28] No space left on device' >&2; exit 1", FULL),
        ("conda", "echo '[Errno 122] Disk quota exceeded' >&2; exit 1", FULL),
        (
            "uv",
            "echo 'Hash mismatch\n  for einops' >&2; exit 1",
            "^uv could not build the environment ai-dev: Hash mis",
        ),
        ("uv", "echo 'failed to write: No space left on device (os error 28)' >&2; exit 2", FULL),
    ],
)
def test_a_program_that_fails_is_told_in_its_own_words(node: Node, program: str, then: str, message: str) -> None:
    node.install(program, then)
    with pytest.raises(EvenkeelError, match=message):
        installer.install(replace(node.job, packages=(NUMPY, EINOPS)), "conda", node.tools)


@pytest.mark.parametrize("program", ["conda", "uv"])
def test_the_details_of_a_failure_are_all_that_was_said(node: Node, program: str) -> None:
    node.install(program, "echo out; echo err >&2; exit 3")
    with pytest.raises(EvenkeelError) as raised:
        installer.install(replace(node.job, packages=(NUMPY, EINOPS)), "conda", node.tools)
    assert raised.value.details == {"rc": 3, "stdout": "out\n", "stderr": "err\n"}


# uv


def calls(node: Node) -> list[list[str]]:
    """Return the command lines of uv."""
    found: list[list[str]] = []
    for word in node.record("uv", "argv").splitlines():
        if word == "pip":
            found.append([])
        found[-1].append(word)
    return found


def test_uv_is_called_with_hashes_and_without_dependencies(node: Node) -> None:
    installer.install(replace(node.job, packages=(NUMPY, EINOPS, TRL)), "conda", node.tools)
    (argv,) = calls(node)
    assert argv[:2] == ["pip", "install"]
    assert {"--require-hashes", "--no-build", "--no-deps"} <= set(argv)
    assert argv[argv.index("--python") + 1] == f"{node.prefix}/bin/python"
    assert argv[argv.index("--cache-dir") + 1] == f"{node.job.pkgs}/uv"
    assert "--default-index" not in argv
    assert node.record("uv", "file") == installer.requirement(EINOPS) + installer.requirement(TRL)
    assert {"UV_HTTP_TIMEOUT=60", "UV_CONCURRENT_DOWNLOADS=5"} <= set(node.record("uv", "env").splitlines())
    assert node.progress.updates == [("pip", 0, 2, 0, 0)]


def test_wheels_of_the_control_node_are_installed_from_where_the_node_has_them_and_no_index(node: Node) -> None:
    job = replace(node.job, packages=(NUMPY, BUILT, EINOPS), pip_index="http://index.example/simple")
    installer.install(job, "conda", node.tools)
    of_index, built = calls(node)
    assert "--no-index" not in of_index
    assert built[built.index("--find-links") + 1] == f"{job.pkgs}/wheels/{BUILT.sha256}"
    assert {"--require-hashes", "--no-index", "--no-build"} <= set(built)
    assert "--default-index" not in built
    assert node.record("uv", "file") == installer.requirement(EINOPS) + installer.requirement(BUILT)


def test_nothing_is_built_on_a_node(node: Node) -> None:
    installer.install(replace(node.job, packages=(NUMPY, BUILT, EINOPS)), "conda", node.tools)
    assert ["--no-build" in argv for argv in calls(node)] == [True, True]
    with pytest.raises(EvenkeelError, match=r"tools 1\.0 at git\+https://\S+ would have to be built, .* lock_build"):
        installer.install(replace(node.job, packages=(NUMPY, COMMIT)), "conda", node.tools)


def test_uv_takes_the_configured_index(node: Node) -> None:
    job = replace(node.job, packages=(EINOPS,), pip_index="http://index.example/simple")
    installer.install(job, "conda", node.tools)
    (argv,) = calls(node)
    assert argv[argv.index("--default-index") + 1] == "http://index.example/simple"


@pytest.mark.parametrize("kind", ["absent", "not executable", "no runtime"])
def test_without_uv_the_error_says_who_brings_it(node: Node, kind: str) -> None:
    tools = replace(node.tools, runtime="") if kind == "no runtime" else node.tools
    if kind == "absent":
        Path(node.tools.uv).unlink()
    else:
        Path(node.tools.uv).chmod(0o644)
    with pytest.raises(
        EvenkeelError, match=r"bin/uv, which installs the environment's pip packages, is not a program\."
    ):
        installer.install(replace(node.job, packages=(NUMPY, EINOPS)), "conda", tools)


# rattler


def test_the_worker_gets_all_that_it_needs(node: Node) -> None:
    job = replace(node.job, packages=(NUMPY, PYTHON, EINOPS), connections=3)
    installer.install(job, "rattler", node.tools)
    argv = node.record("python", "argv")
    assert argv.startswith("-I\n-S\n-B\n-c\n# SPDX")
    assert "asyncio.run(install(request))" in argv
    request = json.loads(node.record("python", "file"))
    packages = request.pop("packages")
    assert [(package["name"], package["sha256"], package["url"]) for package in packages] == [
        (package.name, package.sha256, package.url) for package in (NUMPY, PYTHON)
    ]
    assert request == {
        "site_packages": f"{node.runtime}/site-packages",
        "cache": f"{node.job.pkgs}/rattler",
        "prefix": str(node.prefix),
        "validation": "skip",
        "connections": 3,
    }


def test_a_cache_that_was_believed_wrongly_is_looked_at(node: Node) -> None:
    believed = node.directory / "believed"
    node.install(
        "python",
        f"""cat >>{{here}}/file; echo >>{{here}}/file
        if [ -e {believed} ]; then [ ! -e {node.prefix} ] && {DONE}; exit; fi
        touch {believed}; mkdir {node.prefix}; {say(error="failed to link numpy")}; exit 1""",
    )
    installer.install(node.job, "rattler", node.tools)
    requests = [json.loads(line) for line in node.record("python", "file").splitlines()]
    assert [request.pop("validation") for request in requests] == ["skip", "fast"]
    assert requests[0] == requests[1]


def test_what_cannot_be_linked_at_all_is_given_up(node: Node) -> None:
    node.install("python", f"cat >>{{here}}/file; echo >>{{here}}/file; {say(error='failed to link numpy')}; exit 1")
    with pytest.raises(EvenkeelError, match="could not build the environment ai-dev: failed to link numpy"):
        installer.install(node.job, "rattler", node.tools)
    requests = [json.loads(line) for line in node.record("python", "file").splitlines()]
    assert [request["validation"] for request in requests] == ["skip", "fast"]


def test_what_the_worker_tells_reaches_the_progress_and_then_history_is_written(node: Node) -> None:
    node.install("python", worker(progress(NUMPY, packages=0), progress(), DONE))
    installer.install(node.job, "rattler", node.tools)
    assert node.progress.updates == [("fetch", 0, 2, 5, 7), ("fetch", 1, 2, 5, 7)]
    history = (node.prefix / "conda-meta" / "history").read_text().splitlines()
    assert history[1:] == installer.history(node.job).splitlines()[1:]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([say(error="failed to fetch\n  numpy"), "exit 1"], "ai-dev: failed to fetch numpy. Nothing was"),
        (["exit 1"], "ai-dev: it ended without a word"),
        (["exit 0"], "ai-dev: it ended without a word"),
        (["kill -SEGV $$"], "ai-dev: it ended without a word"),
        ([progress()], "ai-dev: it ended without a word"),
        ([DONE, "exit 134"], "ai-dev: it ended with status 134"),
        (
            ["echo Welcome to this node", DONE],
            "^py-rattler could not build the environment ai-dev: it printed 'Welcome to ",
        ),
        (["echo '[]'", DONE], r"^py-rattler could not build the environment ai-dev: it printed '\[\]'"),
        ([say(error="failed to link: No space left on device (os error 28)"), "exit 1"], FULL),
        ([say(error="failed to link: something (os error 122)"), "exit 1"], FULL),
    ],
)
def test_a_worker_that_fails_is_told_in_its_own_words(node: Node, steps: list[str], message: str) -> None:
    node.install("python", worker(*steps))
    with pytest.raises(EvenkeelError, match=message):
        installer.install(node.job, "rattler", node.tools)
    assert not (node.prefix / "conda-meta" / "history").exists()


def test_a_worker_that_does_not_even_read_is_told(node: Node) -> None:
    node.install("python", "exec <&-; echo cannot start >&2; exit 127")
    many = tuple(replace(NUMPY, name=f"package-{number}") for number in range(2000))
    with pytest.raises(EvenkeelError, match="it ended without a word") as raised:
        installer.install(replace(node.job, packages=many), "rattler", node.tools)
    assert raised.value.details == {"rc": 127, "stderr": "cannot start\n"}


def test_a_download_that_stands_still_is_given_up_and_the_worker_ended(
    node: Node, processes: list[subprocess.Popen[str]]
) -> None:
    node.install("python", worker(progress(), progress(NUMPY, SIX), "exec sleep 20"))
    job = replace(node.job, packages=(NUMPY, SIX), timeout=0.1)
    with pytest.raises(
        EvenkeelError, match=f"^The download of {NUMPY.url}, {SIX.url} for the environment ai-dev stood still for "
    ):
        installer.install(job, "rattler", node.tools)
    assert [process.returncode for process in processes] == [-signal.SIGKILL]


def test_work_without_a_download_may_take_its_time(node: Node) -> None:
    node.install("python", worker(progress(), "/bin/true", DONE))
    installer.install(replace(node.job, timeout=0), "rattler", node.tools)
    assert len(node.progress.updates) == 1


def test_an_interrupted_module_ends_the_worker(
    node: Node, processes: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.install("python", worker(progress(), "exec sleep 20"))

    def stop(*_counts: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(node.progress, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        installer.install(node.job, "rattler", node.tools)
    assert [process.returncode for process in processes] == [-signal.SIGKILL]
