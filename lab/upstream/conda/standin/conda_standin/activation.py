# SPDX-License-Identifier: GPL-3.0-or-later
"""Activation: the shell code that ``conda activate`` and ``conda deactivate`` evaluate."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from .condarc import Settings
from .environments import Environment, by_name


class Posix:
    """How bash, zsh and dash say it."""

    suffix = ".sh"

    def export(self, name: str, value: str) -> str:
        return f"export {name}={shlex.quote(value)}"

    def unset(self, *names: str) -> str:
        return f"unset {' '.join(names)}"

    def prompt(self, text: str) -> list[str]:
        return [f"PS1={shlex.quote(text)}"]

    def source(self, path: Path) -> str:
        return f". {shlex.quote(str(path))}"


class Fish(Posix):
    """How fish says it, whose prompt is its own."""

    suffix = ".fish"

    def export(self, name: str, value: str) -> str:
        values = value.split(":") if name == "PATH" else [value]
        return f"set -gx {name} {' '.join(map(self._quoted, values))}"

    def unset(self, *names: str) -> str:
        return f"set -e {' '.join(names)}"

    def prompt(self, text: str) -> list[str]:
        return []

    def source(self, path: Path) -> str:
        return f"source {self._quoted(str(path))}"

    @staticmethod
    def _quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"


class Activation:
    """Writes the code that takes a shell from one environment to another.

    Parameters
    ----------
    environ
        The variables of the shell.
    shell
        How it wants things said.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], shell: Posix | None = None) -> None:
        self.settings = settings
        self.environ = environ
        self.shell = shell or Posix()
        self.level = max(int(environ.get("CONDA_SHLVL") or 0), 0)
        self.active = environ.get("CONDA_PREFIX") if self.level else None

    def activate(self, target: str | None, *, stack: bool = False) -> str:
        """Return the code that activates the environment named ``target``, or base."""
        prefix = find(target or str(self.settings.value("default_activation_env")), self.settings).prefix
        if self.active == str(prefix):
            return self.reactivate()
        level = self.level + 1
        code = [] if stack else self._scripts(self.active, "deactivate.d")
        saved = {}
        variables = environment_variables(prefix)
        if self.active:
            saved[f"CONDA_PREFIX_{self.level}"] = self.active
            if stack:
                saved[f"CONDA_STACKED_{level}"] = "true"
            else:
                code += self._unset(name for name in environment_variables(Path(self.active)) if name not in variables)
        for name in variables:
            if name in self.environ:
                saved[f"__CONDA_SHLVL_{self.level}_{name}"] = self.environ[name]
        left = None if stack else self.active
        code += self._enter(prefix, level, self._path(left, str(prefix))) + self._exports(saved | variables)
        return "\n".join([*code, *self._scripts(str(prefix), "activate.d")])

    def deactivate(self) -> str:
        """Return the code that goes back to what was active before."""
        if not self.active:
            return ""
        level = self.level - 1
        variables = environment_variables(Path(self.active))
        code = self._scripts(self.active, "deactivate.d") + self._unset(variables)
        before = self.environ.get(f"CONDA_PREFIX_{level}") if level else None
        back = {name: value for name in variables if (value := self.environ.get(f"__CONDA_SHLVL_{level}_{name}"))}
        code += [self.shell.unset(f"__CONDA_SHLVL_{level}_{name}") for name in back]
        if not before:
            code += [self.shell.unset("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")]
            code += self._exports({"CONDA_SHLVL": "0", "PATH": self._path(self.active, None)} | back)
            return "\n".join([*code, *self._prompt("")])
        stacked = f"CONDA_STACKED_{self.level}"
        path = self._path(self.active, None if stacked in self.environ else before)
        code += [self.shell.unset(f"CONDA_PREFIX_{level}", stacked), *self._enter(Path(before), level, path)]
        code += self._exports(environment_variables(Path(before)) | back)
        return "\n".join([*code, *self._scripts(before, "activate.d")])

    def reactivate(self) -> str:
        """Return the code that runs the scripts of the active environment again."""
        if not self.active:
            return ""
        code = self._scripts(self.active, "deactivate.d")
        code += self._enter(Path(self.active), self.level, self._path(self.active, self.active))
        code += self._exports(environment_variables(Path(self.active)))
        return "\n".join([*code, *self._scripts(self.active, "activate.d")])

    def _enter(self, prefix: Path, level: int, path: str) -> list[str]:
        name = self._called(prefix)
        prompt = str(self.settings.value("env_prompt")).format(
            default_env=name, prefix=str(prefix), name=prefix.name, stacked_env=name
        )
        modifier = prompt if self.settings.value("changeps1") else ""
        exports = {
            "PATH": path,
            "CONDA_PREFIX": str(prefix),
            "CONDA_SHLVL": str(level),
            "CONDA_DEFAULT_ENV": name,
            "CONDA_PROMPT_MODIFIER": modifier,
            "CONDA_EXE": str(self.settings.root_prefix / "bin" / "conda"),
            "CONDA_PYTHON_EXE": str(self.settings.root_prefix / "bin" / "python"),
        }
        return [*self._prompt(modifier), *self._exports(exports)]

    def _called(self, prefix: Path) -> str:
        if Environment(prefix, self.settings).is_base:
            return "base"
        return prefix.name if prefix.parent.name == "envs" else str(prefix)

    def _prompt(self, modifier: str) -> list[str]:
        shown = self.environ.get("PS1", "").removeprefix(self.environ.get("CONDA_PROMPT_MODIFIER", ""))
        return self.shell.prompt(modifier + shown)

    def _path(self, leave: str | None, enter: str | None) -> str:
        folders = [folder for folder in self.environ.get("PATH", "").split(":") if folder]
        added = [f"{enter}/bin"] if enter else []
        if leave and f"{leave}/bin" in folders:
            place = folders.index(f"{leave}/bin")
            return ":".join([*folders[:place], *added, *folders[place + 1 :]])
        return ":".join([*added, *folders])

    def _exports(self, variables: Mapping[str, str]) -> list[str]:
        return [self.shell.export(self._spelled(name), value) for name, value in variables.items()]

    def _unset(self, names: Iterable[str]) -> list[str]:
        return [self.shell.unset(self._spelled(name)) for name in names]

    def _spelled(self, name: str) -> str:
        """Return a variable's name as conda sets it, however an environment writes it."""
        return name.upper() if self.settings.value("envvars_force_uppercase") else name

    def _scripts(self, prefix: str | None, folder: str) -> list[str]:
        if not prefix:
            return []
        scripts = sorted(
            Path(prefix, "etc", "conda", folder).glob(f"*{self.shell.suffix}"), reverse=folder == "deactivate.d"
        )
        return [self.shell.source(script) for script in scripts]


def find(target: str, settings: Settings) -> Environment:
    """Return the environment that a person means by a name or a path."""
    if "/" not in target:
        return by_name(target, settings)
    environment = Environment(settings.expanded(target), settings)
    environment.require_environment()
    return environment


def environment_variables(prefix: Path) -> dict[str, str]:
    """Return the variables that an environment sets: those of its packages, then its own."""
    found: dict[str, str] = {}
    for file in sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")):
        found |= json.loads(file.read_text())
    state = prefix / "conda-meta" / "state"
    if state.is_file():
        found |= json.loads(state.read_text()).get("env_vars", {})
    return {name: str(value) for name, value in found.items() if re.fullmatch(r"[A-Za-z_]\w*", name)}
