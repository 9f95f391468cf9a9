# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Make an environment of exact packages at a path that nobody uses yet: with py-rattler or with conda, then with uv."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import IO, Any, NoReturn, Protocol, cast
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import built_wheels, clobbered_files, rattler_worker
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.conda_errors import explain_failure
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import installed
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, in_order
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.watched_run import (
    Seen,
    partial_of_conda,
    run,
    seen_of_conda,
    seen_of_uv,
    unfinished_below,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import disk_full, sha256_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import MOST_BYTES, Pace, most_bytes

RATTLER = "rattler"
CONDA = "conda"
UV = "uv"
AUTO = "auto"
#: White space, control characters, and a variable, whose value uv would put there.
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f]|\$\{")
#: What uv writes of its steps before it fails.
_STEPS_OF_UV = re.compile(
    r"^\s*(Using Python|Resolved|Prepared|Uninstalled|Installed|Audited|Downloading|Building|Built|Updating|Updated)"
    r" .*$",
    re.MULTILINE,
)
_FULL = ("No space left on device", "NoSpaceLeftError", "Disk quota exceeded", "os error 28", "os error 122")


class Progress(Protocol):
    """Where a build reports its progress."""

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Report it."""


@dataclass(frozen=True)
class Tools:
    """What the node has to build with."""

    #: The distribution's command and its Python.
    conda: str
    python: str
    #: The private runtime's directory; empty without one.
    runtime: str

    @property
    def site_packages(self) -> str:
        return os.path.join(self.runtime, "site-packages")

    @property
    def uv(self) -> str:
        return os.path.join(self.runtime, "bin", UV)


@dataclass(frozen=True)
class Job:
    """What to build, and where."""

    name: str
    prefix: str
    packages: tuple[Package, ...]
    #: What was asked for by name, for conda's history; empty when unknown.
    specs: tuple[str, ...]
    #: The directory of the package caches.
    pkgs: str
    #: A lock's descriptor, which every program started here keeps until it ends, whatever becomes of this process.
    lock: int
    #: Seconds that a download may stand still, or be far too slow.
    timeout: float
    #: uv's own configuration counts when empty.
    pip_index: str
    progress: Progress
    #: How many packages may be downloaded at once.
    connections: int = 5
    #: Bytecode that was compiled elsewhere; None where there is none.
    offer: Offer | None = None
    #: The directory that the control node has brought files to.
    brought: str = ""

    @property
    def of_conda(self) -> tuple[Package, ...]:
        return tuple(package for package in self.packages if package.manager != PIP)

    @property
    def of_pip(self) -> tuple[Package, ...]:
        return tuple(package for package in self.packages if package.manager == PIP)


def choose(wanted: str, tools: Tools) -> tuple[str, str]:
    """Return the installer to use and, where ``auto`` could not take the fast one, why.

    Raises
    ------
    EvenkeelError
        The node can't run the installer that is asked for.
    """
    lacking = ""
    if not tools.runtime:
        lacking = "there is no private runtime"
    elif not os.path.isdir(os.path.join(tools.site_packages, "rattler")):
        lacking = "the private runtime %s has no py-rattler" % tools.runtime
    elif not os.access(tools.python, os.X_OK):
        lacking = "%s, which runs py-rattler, is not a program" % tools.python
    if wanted == CONDA or (wanted == AUTO and lacking):
        why = lacking if wanted == AUTO else ""
        if not os.access(tools.conda, os.X_OK):
            raise EvenkeelError(
                "%s, which builds environments, is not a program%s" % (tools.conda, ", and " + why if why else ""),
                "Install the conda distribution first, or set conda to the path of its command",
            )
        return CONDA, why
    if lacking:
        raise EvenkeelError(
            "The installer rattler can't be used: %s" % lacking,
            "Run the role conda_environments, or set installer: auto",
        )
    return RATTLER, ""


def rewritten(packages: Iterable[Package], mirrors: Mapping[str, str]) -> tuple[Package, ...]:
    """Return the packages with the URLs that this node uses; the longest matching prefix counts."""
    prefixes = sorted(mirrors, key=len, reverse=True)

    def rewrite(url: str) -> str:
        for prefix in prefixes:
            base = prefix.rstrip("/")
            if url == base or url.startswith(base + "/"):
                return mirrors[prefix].rstrip("/") + url[len(base) :]
        return url

    return tuple(replace(package, url=rewrite(package.url)) for package in packages)


def install(job: Job, installer: str, tools: Tools) -> None:
    """Make the environment; what fails half-way is left for the caller to remove."""
    check_local_archives(job.of_conda)
    remove_unfinished(job)
    try:
        if installer == RATTLER:
            install_with_rattler(job, tools)
        else:
            install_with_conda(job, tools)
        write_history(job)
        clobbered_files.settle(job.prefix, job.of_conda)
        if job.of_pip:
            install_with_uv(job, tools)
        for package in clobbered_files.later_wheels(job.prefix, job.of_pip):
            install_with_uv(replace(job, packages=(package,)), tools, again=True)
    except EvenkeelError:
        with contextlib.suppress(OSError):
            remove_unfinished(job)
        raise


def remove_unfinished(job: Job) -> None:
    """Remove what killed programs were unpacking into the caches, which nobody else looks at, and what outgrew itself.

    conda goes on with what it has of an archive.
    """
    for cache in (RATTLER, UV):
        for path in unfinished_below(os.path.join(job.pkgs, cache)):
            shutil.rmtree(path)
    for package in job.of_conda:
        path = partial_of_conda(os.path.join(job.pkgs, CONDA), package)
        if os.path.exists(path) and os.path.getsize(path) > (package.size or MOST_BYTES):
            os.unlink(path)


def check_local_archives(packages: Iterable[Package]) -> None:
    """Check the archives that are files; neither conda nor rattler does, and for others both do."""
    for package in packages:
        parts = urlsplit(package.url)
        if parts.scheme != "file":
            continue
        path = unquote(parts.path)
        try:
            found = sha256_of(path)
        except OSError as error:
            raise EvenkeelError(
                "The package %s can't be read from %s: %s" % (package.name, path, error.strerror),
                "Bring the file to the machine, or use a mirror that has it",
            ) from error
        if found != package.sha256:
            raise EvenkeelError(
                "The package %s at %s has the SHA-256 %s, not %s" % (package.name, path, found, package.sha256),
                "Nothing was installed from it; fetch the package again, or correct the lock",
            )


def install_with_rattler(job: Job, tools: Tools) -> None:
    """Let py-rattler link the packages, in a process of its own with the private runtime's libraries."""
    # The cache is believed first, since looking at each of its files costs as much as linking it.
    for validation in ("skip", "fast"):
        error, details = run_worker(job, tools, validation)
        if "failed to link" not in error:
            break
        shutil.rmtree(job.prefix, ignore_errors=True)
    if error:
        fail(job, "py-rattler", error, "", **details)


def run_worker(job: Job, tools: Tools, validation: str) -> tuple[str, dict[str, object]]:
    """Run the worker, and return what went wrong, empty when nothing did, with its last words."""
    request = {
        "site_packages": tools.site_packages,
        "cache": os.path.join(job.pkgs, RATTLER),
        "prefix": job.prefix,
        "packages": [{**asdict(package), "most_bytes": most_bytes(package.size)} for package in job.of_conda],
        "validation": validation,
        "connections": job.connections,
    }
    error = "it ended without a word"
    # What the distribution's site-packages have start with every Python is not wanted, nor is bytecode, which would be
    # files of the runtime that no wheel brought.
    argv = [tools.python, "-I", "-S", "-B", "-c", inspect.getsource(rattler_worker)]
    with started(job, argv, json.dumps(request)) as (process, output):
        for message in messages(job, process):
            if "progress" in message:
                counts = message["progress"]
                job.progress.update(
                    counts["step"], counts["packages"], counts["of"], counts["bytes"], counts["of_bytes"]
                )
            error = "" if "done" in message else message.get("error", error)
        status = process.wait()
        output.seek(0)
        details: dict[str, object] = {"rc": status, "stderr": output.read()}
    if status != 0 and not error:
        error = "it ended with status %d" % status
    return " ".join(error.split()), details


def write_history(job: Job) -> None:
    """Write the history, also in the place of conda's, which takes all of an explicit file for what was asked for."""
    os.makedirs(os.path.join(job.prefix, "conda-meta"), mode=0o755, exist_ok=True)
    with open(os.path.join(job.prefix, "conda-meta", "history"), "w", encoding="utf-8") as stream:
        stream.write(history(job))


def history(job: Job) -> str:
    """Return what conda would have written of the build; ``conda export --from-history`` reads the specs there."""
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), "# cmd: evenkeel conda_environment --name " + job.name]
    lines += ["+%s::%s" % (package.url.rpartition("/")[0], package.stem) for package in sorted(job.of_conda)]
    if job.specs:
        lines.append("# update specs: %r" % list(job.specs))
    return "\n".join(lines) + "\n"


def install_with_conda(job: Job, tools: Tools) -> None:
    """Let the distribution's own command make the environment of an explicit file."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as explicit:
        explicit.write(explicit_file(job.of_conda))
        explicit.flush()
        argv = [tools.conda, "create", "--json", "--yes", "--quiet", "--prefix", job.prefix, "--file", explicit.name]
        variables = {
            "CONDA_PKGS_DIRS": os.path.join(job.pkgs, CONDA),
            "CONDA_REGISTER_ENVS": "false",
            "PYTHONDONTWRITEBYTECODE": "1",  # of the distribution's own modules, which others could not read
            "CONDA_REMOTE_READ_TIMEOUT_SECS": str(job.timeout),
            "CONDA_FETCH_THREADS": str(job.connections),
            # Of packages that bring the same file, the later one wins.
            "CONDA_EXECUTE_THREADS": "1",
            "CONDA_PATH_CONFLICT": "clobber",
        }
        cache = variables["CONDA_PKGS_DIRS"]
        status, out, err = run(argv, variables, job.lock, job.timeout, lambda: seen_of_conda(cache, job.of_conda))
    if status != 0:
        fail(job, "conda", explain_failure(out, err), out, rc=status, stdout=out, stderr=err)
    wrong = {package.identity for package in installed(job.prefix)} ^ {package.identity for package in job.of_conda}
    if wrong:
        fail(job, "conda", "it took other packages than asked for: %s" % ", ".join(sorted(wrong)))


def explicit_file(packages: Iterable[Package]) -> str:
    """Return the text that conda installs without a solve, in the order of its lines; it checks hashes on download."""
    return "@EXPLICIT\n" + "".join("%s#%s\n" % (package.url, package.sha256) for package in in_order(packages))


def install_with_uv(job: Job, tools: Tools, *, again: bool = False) -> None:
    """Put pip's packages on top, with the hashes of the lock and nothing that it does not name.

    Parameters
    ----------
    again
        Whether the packages are installed once more, where they are.
    """
    require_uv(tools)
    job.progress.update("pip", 0, len(job.of_pip), 0, 0)
    cache = os.path.join(job.pkgs, UV)
    variables = {"UV_HTTP_TIMEOUT": str(int(job.timeout) or 1), "UV_CONCURRENT_DOWNLOADS": str(job.connections)}
    built = [package for package in job.of_pip if built_wheels.is_built(package)]
    fetched = [package for package in job.of_pip if package not in built]
    places = [("--find-links", os.path.dirname(built_wheels.place(job.pkgs, package))) for package in built]
    for packages, options in (
        (fetched, []),
        (built, ["--no-index", *(part for place in places for part in place)]),
    ):
        if not packages:
            continue
        # Where everybody may write, uv would share a lock with everybody.
        with (
            work_folder.made("pip") as private,
            open(os.path.join(private, "requirements.txt"), "w", encoding="utf-8") as requirements,
        ):
            variables["TMPDIR"] = private
            requirements.write("".join(map(requirement, packages)))
            requirements.flush()
            argv = [tools.uv, "pip", "install", "--require-hashes", "--no-build", "--no-deps", *options]
            argv += ["--no-progress", "--no-python-downloads"]
            argv += ["--python", os.path.join(job.prefix, "bin", "python")]
            argv += ["--cache-dir", cache, "--requirements", requirements.name]
            argv += ["--reinstall"] if again else []
            if job.pip_index and packages is not built:
                argv += ["--default-index", job.pip_index]
            look = partial(seen_of_uv, cache, packages, job.pip_index) if packages is fetched else Seen
            status, out, err = run(argv, variables, job.lock, job.timeout, look)
        if status != 0:
            fail(job, "uv", why_of_uv(err, packages), err, rc=status, stdout=out, stderr=err)


def why_of_uv(said: str, packages: Iterable[Package]) -> str:
    """Return in one line why uv failed, with the URLs that it does not name."""
    why = " ".join(_STEPS_OF_UV.sub("", said).split())
    concerned = [package for package in packages if package.index and "`%s`" % package.name in why]
    sources = ["%s comes from %s" % (one.name, one.url) for one in concerned if one.url not in why]
    return "; ".join([why, *sources])


def require_uv(tools: Tools) -> None:
    """Refuse a runtime that can't install pip's packages."""
    if not os.access(tools.uv, os.X_OK):
        raise EvenkeelError(
            "%s, which installs the environment's pip packages, is not a program" % tools.uv,
            "Run the role conda_environments, which brings it, or name the runtime that has it",
        )


def requirement(package: Package) -> str:
    """Return the line of a requirements file that means this very package.

    Raises
    ------
    EvenkeelError
        It would be another line, or more than one, or the package has no hash.
    """
    fields = (package.name, package.version, package.index, "" if built_wheels.is_built(package) else package.url)
    if package.name.startswith("-") or any(_UNFIT.search(text) for text in fields):
        raise EvenkeelError(
            "The package %r %r at %r has a name, a version or a URL that none can have"
            % (package.name, package.version, package.url),
            "Restore the lock from version control, or lock again",
        )
    if not package.sha256:
        raise EvenkeelError(
            "%s %s at %s would have to be built, and nodes build nothing"
            % (package.name, package.version, package.url),
            "Lock its environment.yml with lock_build, which has a wheel built once",
        )
    if package.index:
        return "%s @ %s --hash=sha256:%s\n" % (package.name, package.url, package.sha256)
    return "%s==%s --hash=sha256:%s\n" % (package.name, package.version, package.sha256)


def fail(job: Job, program: str, why: str, more: str = "", **details: object) -> NoReturn:
    """Raise the one error of a build that a program could not finish."""
    if any(word in why + more for word in _FULL):
        raise disk_full(os.path.dirname(job.prefix))
    raise EvenkeelError(
        "%s could not build the environment %s: %s" % (program, job.name, why),
        "Nothing was changed; fix the cause and run again",
        **details,
    )


@contextlib.contextmanager
def started(job: Job, argv: Sequence[str], text: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Start a program that reads ``text``; yield it and the file that its standard error goes to."""
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, encoding="utf-8", pass_fds=[job.lock]
        ) as process,
    ):
        try:
            with contextlib.suppress(BrokenPipeError), cast("IO[str]", process.stdin) as stream:
                stream.write(text)
            yield process, output
        except BaseException:
            process.kill()
            raise


def messages(job: Job, process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield what the worker reports; downloads that are too slow for too long end it.

    Raises
    ------
    EvenkeelError
        Nothing, or next to nothing, came for ``job.timeout`` seconds while something was downloading.
    """
    queue: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        for line in cast("IO[str]", process.stdout):
            queue.put(line)
        queue.put(None)

    threading.Thread(target=read, daemon=True).start()
    downloading: list[str] = []
    pace = Pace(job.timeout, time.monotonic())
    while True:
        try:
            line = queue.get(timeout=max(pace.deadline - time.monotonic(), 0) if downloading else None)
        except Empty:
            raise EvenkeelError(
                "The download of %s for the environment %s %s" % (", ".join(downloading), job.name, pace.complaint()),
                "Nothing was changed; check the mirror, or choose another one",
            ) from None
        if line is None:
            return
        try:
            message = json.loads(line)
            progress = message.get("progress", {})
            if not downloading:
                pace.restart(time.monotonic())
            downloading = progress.get("downloading", [])
            pace.note(progress.get("bytes", 0), progress.get("ended", 0), time.monotonic())
        except (ValueError, AttributeError):
            fail(job, "py-rattler", "it printed %r, which is not an answer" % line.strip())
        yield message
