# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file that Evenkeel keeps, in every state that bad luck leaves one in: the next run heals it, or names it.

A kind of file is a function that has a run's own code converge it below a folder, and returns its path and that code.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config, vscode_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import distribution_base as base
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import pip_config, shell_hook, terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.pip_config import Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_toolkits, docker_daemon, driver_request
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import secrets as jupyter_secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.kernelspecs import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.servers import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import (
    kept_files,
    made,
    run_lease,
    sysctl_floor,
    tls_files,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lock as lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import tls_authority
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import wheels

from tests.unit.plugins.certificates import NOW, authority, issued, pem

#: Brings a file to what is wanted, and returns whether that changed anything.
Converge = Callable[[], bool]
Make = Callable[[Path, pytest.MonkeyPatch], "tuple[Path, Converge]"]

NO_FILE = frozenset({"a directory", "a link to nowhere"})
GARBAGE = frozenset({"garbage"})
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Kind:
    """A file of Evenkeel's.

    Parameters
    ----------
    named
        The damages that stop the run, with the file's name and a way out; all others it heals.
    secret
        Whether a new one is as good.
    timeless
        Whether nothing ever looks at its time.
    private
        Whether only its owner ever reads it.
    followed
        Whether it may be a link to where people want it.
    """

    make: Make
    named: frozenset[str] = NO_FILE
    secret: bool = False
    timeless: bool = False
    private: bool = False
    followed: bool = False


def kept(wanted: Callable[[Path], Mapping[str, str | None]], name: str) -> Make:
    """Return how a file is made that needs nothing but its text; ``name`` is where it is."""

    def make(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        def converge() -> bool:
            changes = kept_files.changes(wanted(root))
            kept_files.apply_all(changes)
            return bool(changes)

        return root / name.lstrip("/"), converge

    return make


def below(root: Path, files: Mapping[str, str | None]) -> dict[str, str | None]:
    return {str(root / path.lstrip("/")): text for path, text in files.items()}


DRIVER = driver_request.Desired("open", gpu=True, version="580.1", family=("nvidia-*",))
CUDA = cuda_toolkits.Desired(("12.8",), "12.8")


def of_driver(path: str) -> Make:
    settings = driver_request.nouveau_files(has_dracut=True)
    return kept(lambda root: below(root, {**settings, **driver_request.package_files(DRIVER, "apt")}), path)


def of_cuda(path: str) -> Make:
    return kept(lambda root: below(root, cuda_toolkits.setting_files(CUDA, has_fish=True)), path)


def of_jupyter(name: str) -> Make:
    """Return how a file of the notebook servers is made: of one user, or of all."""

    def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        units, folder = str(root / "systemd"), str(root / "evenkeel")
        for module in (jupyter_server, jupyter_servers):
            monkeypatch.setattr(module, "UNITS", units)
        account = Account("ana", "/home/ana", "/bin/bash", os.geteuid(), os.getegid())
        shared = {
            "jupyter@.service": f"{kept_files.MARK}\n[Service]\n",
            "jupyter.slice": f"{kept_files.MARK}\n[Slice]\n",
        }

        def converge() -> bool:
            token = kept_files.read(f"{folder}/ana/token")
            server = Server(
                account,
                "127.0.0.1",
                8889,
                "/user/ana/",
                "/home/ana",
                jupyter_secrets.token(token.text if token else None, None, "ana"),
                hashed_password="argon2:$argon2id$x",
                certificate="certificate\n",
                key="key\n",
            )
            wanted = jupyter_servers.wanted([server], [], shared, "# settings\n", folder)
            state = State({path: kept_files.read(path) for path in wanted})
            changes = jupyter_servers.plan(state, [server], [], wanted, policy="now", folder=folder).files
            kept_files.apply_all(changes)
            return bool(changes)

        return root / name, converge

    return make


def kernel(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    def converge() -> bool:
        wanted = [Kernel("ai-dev", "/opt/evenkeel/envs/ai-dev", "AI")]
        plan = kernelspecs.plan(kernelspecs.read(str(root)), wanted, str(root), ["launcher"])
        kernelspecs.apply(plan, str(root))
        return plan.changed

    return root / "ai-dev" / "kernel.json", converge


def launcher_of_kernels(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    def converge() -> bool:
        changes = kernelspecs.launcher_file(str(root))
        kept_files.apply_all(changes)
        return bool(changes)

    return root / kernelspecs.LAUNCHER, converge


def of_pip(name: str) -> Make:
    def make(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        path, wanted = str(root / name), Wanted(index="https://pip.example/simple")

        def converge() -> bool:
            file = kept_files.read_shared(path)
            if name == "pip.conf":
                change = pip_config.plan_pip(path, file, wanted.pip())
            else:
                change = pip_config.plan_uv(path, file, wanted.uv())
            if change.changed:
                kept_files.apply(change)
            return change.changed

        return Path(path), converge

    return make


def sysctl(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    path = str(root / "60-evenkeel-inotify.conf")
    live = {"fs.a": 1}

    def converge() -> bool:
        states = {name: sysctl_floor.State(value, writable=True) for name, value in live.items()}
        plan = sysctl_floor.plan(path, kept_files.read(path), {"fs.a": 5}, states, {})
        if plan.file:
            kept_files.apply(plan.file)
        live.update(plan.rise)
        return plan.changed

    return Path(path), converge


def of_certificate(name: str) -> Make:
    def make(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        chain, key = issued(authority())
        return root / name, lambda: bool(tls_files.install(str(root), chain.pem, pem(key).decode(), check_mode=False))

    return make


def of_authority(name: str) -> Make:
    def make(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        def converge() -> bool:
            before = root.exists() and any(root.iterdir())
            tls_authority.ensure(root, Path.read_bytes, 30, NOW)
            return not before

        return root / name, converge

    return make


def of_repository(name: str) -> Make:
    def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        key = root / "upstream.asc"
        key.parent.mkdir(parents=True)
        key.write_text("a key\n")
        monkeypatch.setattr(Repository, "path", property(lambda _: str(root / "evenkeel-x.sources")))
        monkeypatch.setattr(Repository, "key_path", property(lambda _: str(root / "keyrings" / "evenkeel-x.asc")))
        repository = Repository("evenkeel-x", "apt", "https://repo.example", key.as_uri())

        def converge() -> bool:
            if not repositories.changed(repository):
                return False
            with repositories.trial(repository, {}) as trial:
                trial.apply()
                return bool(trial.changes or trial.healed)

        return root / name, converge

    return make


def of_shells(name: str) -> Make:
    def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        for constant, path in (
            ("PROFILE", "evenkeel-conda.sh"),
            ("FISH", "fish/evenkeel-conda.fish"),
            ("ZSH_PROFILE", "zsh/zprofile"),
            ("ZSH", "zsh"),
            ("FISH_SHELL", "fish"),
        ):
            monkeypatch.setattr(shell_hook, constant, str(root / path))
        for folder in ("fish", "zsh"):
            (root / folder).mkdir(parents=True)

        def converge() -> bool:
            plan = shell_hook.plan(shell_hook.read(), "/opt/miniconda3", wanted=True)
            shell_hook.apply(plan)
            return plan.changed

        return root / name, converge

    return make


def of_base(name: str) -> Make:
    def make(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
        (root / "conda-meta").mkdir(parents=True)
        (root / "lib" / "python3.13").mkdir(parents=True)
        (root / "lib" / "python3.13" / "os.py").touch()

        def converge() -> bool:
            before = base.is_protected(str(root))
            base.protect(str(root))
            return not before

        return root / name, converge

    return make


def marker(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    def converge() -> bool:
        if generations.read(str(root)) is not None:
            return False
        generations.write(Generation(str(root), (Package("a", "1", "0", "f" * 64),), created="now"), str(root))
        return True

    return root / generations.MARKER, converge


def stamp(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    server = vscode_server.Server("c" * 40, "d" * 64)
    path = root / ".evenkeel"

    def converge() -> bool:
        if vscode_server.is_there(str(root), server):
            return False
        # As unpacking does, which puts a whole folder in the place of what was there.
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        root.mkdir(exist_ok=True)
        path.write_text(server.stamp)
        return True

    return path, converge


def docker(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    monkeypatch.setattr(docker_daemon, "SETTINGS", str(root / "daemon.json"))

    def converge() -> bool:
        settings = docker_daemon.plan(docker_daemon.read())
        if settings.changed:
            kept_files.apply(settings.file)
        return settings.changed

    return root / "daemon.json", converge


def record(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    monkeypatch.setattr(made, "FOLDER", str(root / "evenkeel"))

    def converge() -> bool:
        changes = made.changes("pip_config", [made.Thing("file", "/etc/pip.conf", made.UNKNOWN)])
        kept_files.apply_all(changes)
        return bool(changes)

    return root / "evenkeel" / "pip_config.json", converge


def accepted_terms(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    monkeypatch.setattr(terms, "SITE", str(root))
    channel = "https://repo.example/main"
    one = terms.Terms(channel, NOW, {"version": NOW.isoformat(), "text": "t", "support": "s"})

    def converge() -> bool:
        plan = terms.plan({channel: one}, {channel: terms.accepted(channel, [str(root)])}, accept=True)
        terms.apply(plan, NOW)
        return plan.changed

    return root / terms.identity(channel) / f"{NOW.timestamp()}.json", converge


def lock_file(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    def converge() -> bool:
        with lock.held(str(root / "locks" / "pkgs"), timeout=1):
            return False

    return root / "locks" / "pkgs", converge


def lease(root: Path, _: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    folder = root / "evenkeel" / "lease"

    def converge() -> bool:
        free = run_lease.in_the_way(str(folder)) is None
        run_lease.take(run_lease.Run("a1", "ana@control1", "site.yml", "", ""), folder=str(folder))
        return free

    return folder / "lease.json", converge


def wheel(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Converge]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))
    name = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl"
    monkeypatch.setattr(wheels, "installed_versions", lambda: {"uv": "0.13.9"})
    runs = iter(range(99))

    def download(_platform: str, _versions: Mapping[str, str], target: Path) -> None:
        with zipfile.ZipFile(target / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("uv"), "two\nlines\n")

    def converge() -> bool:
        runs_own = root / f"run{next(runs)}"
        runs_own.mkdir(parents=True)
        source = wheels.Source("linux-64", None, runs_own)
        if wheels.at_hand(source) is not None:
            return False
        wheels.gather(source, download)
        return True

    return root / "evenkeel" / "wheels" / "linux-64" / name, converge


KINDS: dict[str, Kind] = {
    **{
        f"jupyter: {name}": Kind(of_jupyter(name), named)
        for name, named in (
            ("systemd/jupyter@.service", NO_FILE | GARBAGE),
            ("systemd/jupyter.slice", NO_FILE | GARBAGE),
            ("systemd/jupyter@ana.service.d/evenkeel.conf", NO_FILE),
            ("systemd/jupyter-proxy@ana.socket.d/evenkeel.conf", NO_FILE),
            ("systemd/jupyter-proxy@ana.service.d/evenkeel.conf", NO_FILE),
            ("evenkeel/jupyter_server_config.py", NO_FILE),
            ("evenkeel/servers.json", NO_FILE),
            ("evenkeel/ana/settings.json", NO_FILE),
            ("evenkeel/ana/password", NO_FILE),
            ("evenkeel/ana/certificate.pem", NO_FILE),
            ("evenkeel/ana/key.pem", NO_FILE),
        )
    },
    "jupyter: token": Kind(of_jupyter("evenkeel/ana/token"), secret=True),
    "evenkeel-activated.py": Kind(launcher_of_kernels, timeless=True),
    "kernel.json": Kind(kernel, NO_FILE | {"garbage", "garbage after the first line"}, timeless=True),
    "pip.conf": Kind(
        of_pip("pip.conf"),
        frozenset({"a directory", "garbage", "garbage after the first line"}),
        timeless=True,
        followed=True,
    ),
    "uv.toml": Kind(of_pip("uv.toml"), frozenset({"a directory", "garbage"}), timeless=True, followed=True),
    "record of what was made": Kind(record),
    "sysctl": Kind(sysctl),
    "sshd": Kind(
        kept(
            lambda root: below(
                root, {sshd_config.DROP_IN: sshd_config.render("Group x", {"AllowTcpForwarding": "yes"})}
            ),
            sshd_config.DROP_IN,
        )
    ),
    "nginx": Kind(
        kept(
            lambda root: below(root, {"conf.d/evenkeel-front-door.conf": f"{kept_files.MARK}\nserver {{}}\n"}),
            "conf.d/evenkeel-front-door.conf",
        )
    ),
    "certificate": Kind(of_certificate("certificate.pem")),
    "key of the certificate": Kind(of_certificate("key.pem")),
    "authority": Kind(
        of_authority("ca.pem"),
        NO_FILE | {"truncated", "blank", "garbage", "garbage after the first line"},
        timeless=True,
        private=True,
    ),
    "key of the authority": Kind(
        of_authority("ca-key.pem"),
        NO_FILE | {"truncated", "blank", "garbage", "garbage after the first line"},
        timeless=True,
        private=True,
    ),
    **{
        f"driver: {path}": Kind(of_driver(path))
        for path in (
            driver_request.MODPROBE,
            driver_request.DRACUT,
            driver_request.PREFERENCES,
            driver_request.UNATTENDED,
        )
    },
    **{
        f"cuda: {path}": Kind(of_cuda(path))
        for path in (cuda_toolkits.PROFILE, cuda_toolkits.FISH, cuda_toolkits.LOADER)
    },
    "repository": Kind(of_repository("evenkeel-x.sources")),
    "key of the repository": Kind(of_repository("keyrings/evenkeel-x.asc"), frozenset({"a directory"}), timeless=True),
    "profile.d": Kind(of_shells("evenkeel-conda.sh"), frozenset({"a directory"}), timeless=True),
    "fish": Kind(of_shells("fish/evenkeel-conda.fish"), frozenset({"a directory"}), timeless=True),
    "base: frozen": Kind(of_base("conda-meta/frozen"), frozenset({"a directory"}), timeless=True),
    "base: EXTERNALLY-MANAGED": Kind(
        of_base("lib/python3.13/EXTERNALLY-MANAGED"), frozenset({"a directory"}), timeless=True
    ),
    "marker": Kind(marker, frozenset({"a directory"}), timeless=True, private=True),
    "VS Code's stamp": Kind(stamp, NOTHING, timeless=True, private=True),
    "daemon.json": Kind(
        docker,
        frozenset({"a directory", "blank", "garbage", "garbage after the first line"}),
        timeless=True,
        private=True,
        followed=True,
    ),
    "accepted terms": Kind(accepted_terms, frozenset({"a directory"}), timeless=True),
    "lock": Kind(lock_file, NO_FILE, timeless=True),
    "lease": Kind(lease, frozenset({"a directory"}), secret=True, timeless=True, private=True),
    "wheel": Kind(wheel, frozenset({"a directory"}), timeless=True, private=True),
}


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _after_first_line(path: Path) -> None:
    first, end, _ = path.read_bytes().partition(b"\n")
    path.write_bytes(first + end + b"\xff\xfe\0 garbage\n")


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "truncated": lambda path: path.write_bytes(b""),
    "blank": lambda path: path.write_bytes(bytes(512)),
    "garbage": lambda path: path.write_bytes(b"\xff\xfe\0\x1b[2J garbage\n"),
    "garbage after the first line": _after_first_line,
    "for nobody to read": lambda path: path.chmod(0),
    "read-only": lambda path: path.chmod(0o444),
    "a time to come": lambda path: os.utime(path, (1 << 33, 1 << 33)),
    "a directory": _directory,
    "a link to nowhere": _link,
}
#: Nothing has to be written into it.
UNTOUCHED = ("lock",)
#: That alone does not keep root from reading and replacing a file.
HARMLESS = ("for nobody to read", "read-only")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files of others and read what nobody may")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_healed_or_named(kind: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = KINDS[kind]
    path, converge = what.make(tmp_path / "node", monkeypatch)
    converge()
    assert not converge()
    whole, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    DAMAGES[damage](path)
    damaged = path.lstat()

    healed = _run(converge)
    if isinstance(healed, str):
        assert damage in what.named, healed
        assert str(path) in healed or str(path.parent) in healed
        assert ". " in healed, "no way out"
        assert (path.lstat().st_ino, path.lstat().st_size) == (damaged.st_ino, damaged.st_size)
        # The way out leads out.
        path.rename(path.with_name("moved-away"))
        again = _run(converge)
        assert "Restore" in again if isinstance(again, str) else not converge()
        return

    assert damage not in what.named
    assert path.is_file()
    assert what.followed or not path.is_symlink()
    if not what.secret:
        assert path.read_bytes() == whole
    assert path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == mode or damage in HARMLESS
    assert what.private or stat.S_IMODE(path.stat().st_mode) & 0o400
    if not what.timeless:
        assert healed
        assert path.stat().st_mtime < time.time() + 60
    assert not converge()


def _run(converge: Converge) -> bool | str:
    """Return whether a run changed anything, or what stopped it, as a module or an action would show it."""
    try:
        return converge()
    except EvenkeelError as error:
        return str(error)
    except OSError as error:
        return str(from_os(error))


def _immutable(path: Path) -> bool:
    """Have nothing change a file, not even root; tell whether the file system can do that."""
    return bool(shutil.which("chattr")) and subprocess.run(["chattr", "+i", str(path)], check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_nothing_can_change_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, converge = KINDS[kind].make(tmp_path / "node", monkeypatch)
    converge()
    path.write_bytes(b"")
    if not _immutable(path):
        pytest.skip("the file system has no such attribute")
    try:
        reported = _run(converge)
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert isinstance(reported, str) or kind in UNTOUCHED, "changed or passed over"
    assert not isinstance(reported, str) or str(path) in reported
    assert not isinstance(reported, str) or "chattr -i" in reported or "truncated" in KINDS[kind].named
