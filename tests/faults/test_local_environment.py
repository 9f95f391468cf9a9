# SPDX-License-Identifier: GPL-3.0-or-later
"""``evenkeel env`` with the mirror's packages, as a user of this machine whose Python has what it needs and no more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import uv
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes, store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.hashes import Hashes, OfPlatform
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, explicit_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ANACONDA, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

from lab.upstream import mirror

ROOT = Path(__file__).parents[2]
STANDIN = ROOT / "lab" / "upstream" / "conda" / "standin"
#: Nobody's id on this machine.
USER = 54321
MODULES = ("_yaml", "packaging", "rattler", "yaml")
VARIABLES = {"OMP_NUM_THREADS": "8"}
PYC = "lib/python3.11/site-packages/__pycache__/six.cpython-311.pyc"


@dataclass(frozen=True)
class User:
    """A user with a home, an installed collection and a lock."""

    folder: Path
    packages: tuple[Package, ...]

    @property
    def lock(self) -> Path:
        return self.folder / "environments" / "ai-dev" / "conda-lock.yml"

    @property
    def home(self) -> Path:
        return self.folder / "Ünï cödé"

    def evenkeel(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the command, with this Python's packages out of sight."""
        python = shutil.which("python3", path="/usr/bin:/bin") if os.geteuid() == 0 else sys.executable
        program = self.folder / "ansible_collections" / "evenkeel" / "gpu" / "bin" / "evenkeel"
        return subprocess.run(
            [str(python), "-S", "-B", str(program), "env", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "PATH": f"{self.folder}/bin:/usr/bin:/bin",
                "PYTHONPATH": str(self.folder / "site"),
                "UV_NO_CONFIG": "1",
                "no_proxy": "*",
            },
            **({"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}),
        )

    def sync(self, *arguments: object) -> dict[str, Any]:
        """Build, and return the answer."""
        sources = ("--mirror", f"{mirror.url()}/anaconda", "--pip-index", f"{mirror.url()}/pypi/simple/")
        done = self.evenkeel("sync", "--lock", self.lock, "--json", *sources, *arguments)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @property
    def digest(self) -> str:
        """The digest by the code of nodes, on one that has nothing yet."""
        specification = {**conda_environment.ARGUMENT_SPEC, **conda_environment.FROM_ACTION}
        options = {name: about.get("default") for name, about in specification.items()}
        options.update(root=str(self.folder / "node"), name="ai-dev", variables=VARIABLES)
        options["resolved"] = [asdict(package) for package in self.packages]
        _state, plan = conda_environment.decide(options, conda_environment.desired_by(options))
        assert plan.target
        return plan.target.digest


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """Make one, and a lock with packages of conda and of pip, and a variable."""
    problem = Problem(
        packages=("python=3.11", "six"),
        channels=(f"{ANACONDA}/pkgs/main",),
        platform="linux-64",
        virtual_packages=(("__glibc", "2.36"), ("__linux", "5.10")),
        pip=("humanize",),
        mirrors=mirrors_from({ANACONDA: f"{mirror.url()}/anaconda"}),
        pip_index=f"{mirror.url()}/pypi/simple/",
    )
    with TemporaryDirectory(dir="/var/tmp", prefix="evenkeel-user-") as name:
        made = User(Path(name), tuple(resolve(problem)))
        made.folder.chmod(0o755)
        for place in (made.home, made.lock.parent, made.folder / "site", made.folder / "bin"):
            place.mkdir(parents=True)
        for module in MODULES:
            found = find_spec(module)
            assert found
            assert found.origin
            shutil.copytree(Path(found.origin).parent, made.folder / "site" / module)
        shutil.copy(uv.find_uv_bin(), made.folder / "bin" / "uv")
        for part in ("bin", "plugins/module_utils", "plugins/plugin_utils"):
            shutil.copytree(ROOT / part, made.folder / "ansible_collections" / "evenkeel" / "gpu" / part)
        on_linux = {"linux-64": made.packages}
        assumed = {"linux-64": dict(problem.virtual_packages)}
        lock = Lock(problem.channels, ("environment.yml",), on_linux, {"linux-64": "aa" * 32}, assumed, VARIABLES)
        made.lock.write_text(conda_lock.render(lock, "ai-dev"))
        os.chown(made.home, *((USER, USER) if os.geteuid() == 0 else (-1, -1)))
        yield made


def test_a_user_has_the_environment_of_nodes(user: User) -> None:
    built = user.sync()
    prefix = user.home / ".local/share/evenkeel/envs/ai-dev"
    assert built["prefix"] == str(prefix)
    assert built["digest"] == user.digest == digest(user.packages, VARIABLES)
    assert prefix.resolve().stat().st_uid == (USER if os.geteuid() == 0 else os.geteuid())
    same = user.sync()
    assert (same["changed"], same["plan"], same["digest"]) == (False, [], built["digest"])

    code = "import humanize, os, six, sys; print(sys.prefix, os.environ['OMP_NUM_THREADS'])"
    done = user.evenkeel("shell", "--lock", user.lock, "--", "python", "-c", code)
    assert done.stdout == f"{prefix.resolve()} 8\n", done.stderr
    assert user.evenkeel("diff", "--lock", user.lock, "--files").returncode == 0
    (prefix / "lib/python3.11/site-packages/six.py").unlink()
    done = user.evenkeel("diff", "--lock", user.lock, "--files")
    assert done.returncode == 1
    assert "~ missing lib/python3.11/site-packages/six.py" in done.stdout.splitlines()


@pytest.mark.long
def test_a_long_prefix_has_the_same_digest_and_working_programs(user: User) -> None:
    prefix = user.home / "/".join(["a rather long name"] * 8) / "ai-dev"
    prefix = prefix.with_name(f"ai-dev{'x' * (201 - len(str(prefix)))}")
    assert len(str(prefix)) > 200
    assert user.sync("--prefix", prefix)["digest"] == user.digest
    done = user.evenkeel("shell", "--prefix", prefix, "--", "pip", "--version")
    assert f"from {prefix.resolve()}/lib" in done.stdout, done.stderr


@pytest.mark.long
def test_bytecode_beside_the_lock_is_used(user: User) -> None:
    first = user.sync("--prefix", user.home / "one" / "ai-dev")
    content = (user.home / "one" / "ai-dev" / PYC).read_bytes()
    packed = store.packed({PYC: content})
    store.add(user.lock.parent / "bytecode", [packed])
    python, six = (next(one for one in user.packages if one.name == name) for name in ("python", "six"))
    compiled = OfPlatform(
        python.sha256, "cpython-311", content[:4].hex(), {six.sha256: store.archive_of(packed)}, {six.sha256: "six"}
    )
    path = user.lock.with_name("conda-bytecode.json")
    path.write_text(hashes.render(Hashes("bytecode", {"linux-64": compiled})))
    shutil.rmtree(user.home / ".local/share/evenkeel/pkgs/bytecode")
    try:
        second = user.sync("--prefix", user.home / "two" / "ai-dev")
    finally:
        path.unlink()
    assert second["bytecode"]["received"] == 1
    assert second["digest"] == first["digest"]


def test_what_conda_and_pip_make_of_the_explicit_file_is_equal(user: User) -> None:
    """As docs/laptop.md has it; the lab's conda has no ``env config vars``, so the file of the real one is written."""
    place = user.folder / "plain"
    place.mkdir()
    text = explicit_file.render("linux-64", user.packages).replace(ANACONDA, f"{mirror.url()}/anaconda")
    (place / "explicit.txt").write_text(text)
    wheels = [one for one in user.packages if one.manager == PIP]
    lines = [f"{one.name} @ {one.url} --hash=sha256:{one.sha256}\n" for one in wheels]
    (place / "requirements.txt").write_text("".join(lines))
    prefix = place / "env"
    variables = {"HOME": str(place), "CONDA_ROOT_PREFIX": str(place / "root"), "PYTHONPATH": str(STANDIN)}
    create = [sys.executable, "-m", "conda_standin", "create", "--yes", "--prefix", prefix, "--file", "explicit.txt"]
    subprocess.run(create, check=True, capture_output=True, cwd=place, env={**os.environ, **variables})
    pip = [prefix / "bin" / "python", "-m", "pip", "install", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, "--requirement", "requirements.txt"], check=True, capture_output=True, cwd=place)
    done = user.evenkeel("diff", "--lock", user.lock, "--prefix", prefix, "--files")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "~ variable OMP_NUM_THREADS is not set"), done.stderr
    (prefix / "conda-meta" / "state").write_text(json.dumps({"version": 1, "env_vars": VARIABLES}))
    done = user.evenkeel("diff", "--lock", user.lock, "--prefix", prefix, "--files")
    assert done.stdout.splitlines() == [f"{prefix} equals {user.lock}", f"digest {user.digest}"], done.stderr
