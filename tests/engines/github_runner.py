# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a workflow of GitHub Actions, step by step in a clean container, as an ordinary user.

GitHub has no runner that works without GitHub. Commands run as they are; actions that check out, cache and hand files
to other jobs are stood in for, and others do nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.nodes import podman

USER = 1001
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_CACHED = "{folder}/caches/{key}"
#: The condition of a step that looks at another one's end.
_SUCCEEDED = "!cancelled() && steps.{}.outcome == 'success'"
#: Where a container has what is below the runner's folder.
_PLACES = {"home": "/home/runner", "temp": "/runner/temp", "work": "/runner/work"}


@dataclass(frozen=True)
class Step:
    """How a step has ended."""

    name: str
    status: int
    output: str


@dataclass
class Runner:
    """What jobs run on; caches stay from one to the next."""

    folder: Path
    image: str
    #: Of podman.
    options: Sequence[str]
    repository: Path
    variables: Mapping[str, str]
    #: Values of what is between ``${{`` and ``}}``, and of conditions.
    known: Mapping[str, str | bool] = field(default_factory=dict)

    def run(self, workflow: Mapping[str, Any], name: str, revision: str) -> list[Step]:
        """Run a job on a fresh machine, and return how its steps have ended; those that are left out are not in it."""
        for place in _PLACES:
            shutil.rmtree(self.folder / place, ignore_errors=True)
            (self.folder / place).mkdir(parents=True)
        files = {file: f"{_PLACES['temp']}/{file}" for file in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files:
            (self.folder / "temp" / file).touch()
        variables = {**self.variables, **workflow.get("env", {}), **files, "RUNNER_TEMP": _PLACES["temp"]}
        ended: list[Step] = []
        kept: dict[str, list[str]] = {}
        known = {**self.known, "runner.temp": _PLACES["temp"]}
        with self._container() as container:
            for number, step in enumerate(workflow["jobs"][name]["steps"]):
                failed, name_of = any(one.status for one in ended), str(step.get("id"))
                known[_SUCCEEDED.format(name_of)] = False
                if not (known[_EXPRESSION.sub(r"\1", step["if"])] if "if" in step else not failed):
                    continue
                action, given = step.get("uses", ""), step.get("with", {})
                if action.startswith("actions/checkout@"):
                    self._check_out(revision, str(given.get("fetch-depth", 1)))
                elif action.startswith("actions/cache@"):
                    key = _expanded(given["key"], known)
                    kept[key] = given["path"].split()
                    self._restore(key, kept[key])
                elif action.startswith("actions/upload-artifact@"):
                    shutil.copytree(self.folder / "work" / given["path"], self.artifact(given["name"]))
                elif action.startswith("actions/download-artifact@"):
                    self._download(given)
                elif not action:
                    (self.folder / "temp" / "step.sh").write_text(step["run"])
                    own = {key: _expanded(value, known) for key, value in step.get("env", {}).items()}
                    ended.append(self._run(container, step.get("name", str(number)), {**variables, **own}))
                    found = dict(line.split("=", 1) for line in self._lines("GITHUB_OUTPUT"))
                    known |= {f"steps.{name_of}.outputs.{key}": value for key, value in found.items()}
                    known[_SUCCEEDED.format(name_of)] = ended[-1].status == 0
        if not any(one.status for one in ended):
            for key, paths in kept.items():
                self._keep(key, paths)
        return ended

    def artifact(self, name: str) -> Path:
        """Return what a job has handed to others."""
        return self.folder / "artifacts" / name

    @property
    def summary(self) -> str:
        """What the last job has written into its summary."""
        return (self.folder / "temp" / "GITHUB_STEP_SUMMARY").read_text()

    @contextmanager
    def _container(self) -> Iterator[str]:
        name = f"evenkeel-ci-{self.folder.name}"
        volumes = [f"--volume={self.folder / place}:{there}" for place, there in _PLACES.items()]
        options = [f"--name={name}", f"--label={podman.LABEL}=ci", f"--network={podman.NETWORK}", *volumes]
        podman.run("run", "--detach", *options, f"--user={USER}", *self.options, self.image, "sleep", "infinity")
        try:
            yield name
        finally:
            podman.run("rm", "--force", "--time=0", name)

    def _run(self, container: str, name: str, variables: Mapping[str, str]) -> Step:
        for place in _PLACES:
            subprocess.run(
                ["chown", "--recursive", "--no-dereference", f"{USER}:{USER}", self.folder / place], check=True
            )
        system = "/usr/local/bin:/usr/bin:/bin"
        given = {**variables, "HOME": _PLACES["home"], "PATH": ":".join([*self._lines("GITHUB_PATH")[::-1], system])}
        options = [f"--env={key}={value}" for key, value in given.items()]
        argv = ["podman", "exec", f"--workdir={_PLACES['work']}", *options, container]
        done = subprocess.run(
            [*argv, "bash", "-e", f"{_PLACES['temp']}/step.sh"],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=podman.environment(),
        )
        return Step(name, done.returncode, done.stdout)

    def _lines(self, file: str) -> list[str]:
        return (self.folder / "temp" / file).read_text().splitlines()

    def _check_out(self, revision: str, depth: str) -> None:
        work = self.folder / "work"
        for arguments in (["init"], ["fetch", f"--depth={depth}", self.repository.as_uri(), revision]):
            subprocess.run(["git", *arguments, "--quiet"], cwd=work, check=True)
        subprocess.run(["git", "checkout", "--quiet", "FETCH_HEAD"], cwd=work, check=True)

    def _restore(self, key: str, paths: Sequence[str]) -> None:
        for number, path in enumerate(paths):
            place = Path(_CACHED.format(folder=self.folder, key=key), str(number))
            if place.exists():
                self._here(path).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "--archive", place, self._here(path)], check=True)

    def _keep(self, key: str, paths: Sequence[str]) -> None:
        place = Path(_CACHED.format(folder=self.folder, key=key))
        if place.exists():
            return
        place.mkdir(parents=True)
        for number, path in enumerate(paths):
            subprocess.run(["cp", "--archive", self._here(path), place / str(number)], check=True)

    def _download(self, given: Mapping[str, str]) -> None:
        """Get one artifact into a folder, or all whose names fit a pattern, each into a folder of its own."""
        place = self.folder / "work" / given["path"]
        if "name" in given:
            shutil.copytree(self.artifact(given["name"]), place)
        else:
            for found in self.artifact("").glob(given["pattern"]):
                shutil.copytree(found, place / found.name)

    def _here(self, path: str) -> Path:
        return self.folder / "home" / path.removeprefix("~/")


def _expanded(text: str, known: Mapping[str, str | bool]) -> str:
    return _EXPRESSION.sub(lambda found: str(known[found[1]]), str(text))
