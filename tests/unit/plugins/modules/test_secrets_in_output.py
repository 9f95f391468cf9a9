# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that keep a secret show of it, made, changed and removed, with --diff and -vvv: nothing.

And their directories are for everybody to enter, whatever the umask.

Those that need no more than a folder are run by Ansible itself; the others as Ansible calls them, in this process.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_home
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_remote as vscode_logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cdi, container_toolkit, docker_daemon
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_servers as jupyter_logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account, Found
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK
from ansible_collections.evenkeel.gpu.plugins.modules import jupyter_servers, nvidia_container_toolkit, vscode_remote

from tests.unit.plugins.certificates import HOSTS, authority, issued, pem

ROOT = Path(__file__).parents[4]
#: Every secret of these tests but the keys of certificates has this in it.
HUSH = "hush-hush"
#: The same in a play, whose own lines Ansible quotes where a task fails.
TEMPLATED = "{{ hush }}"
SHOWN = {"_ansible_diff": True, "_ansible_verbosity": 3}

#: Runs a program for which this machine's records of what Evenkeel made are those of nobody.
OF_ITS_OWN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /var/lib && exec "$@"', "sh")

Task = dict[str, Any]


def url(name: str) -> str:
    return f"https://me:{TEMPLATED}-{name}@127.0.0.1:1/{name}"


def of_pip(place: Path) -> list[Task]:
    (place / "pip.conf").write_text(f"[global]\nextra-index-url = https://me:{HUSH}@127.0.0.1/extra\n")
    files = {"pip_conf": str(place / "pip.conf"), "uv_toml": str(place / "uv" / "uv.toml")}
    wrong = {"index": f"me:{TEMPLATED}@host"}
    asked = ({"index": url("index"), "proxy": url("proxy")}, {}, {"index": url("other")}, wrong)
    return [{"evenkeel.gpu.pip_config": {**files, **options}} for options in asked]


def of_conda(place: Path) -> list[Task]:
    common = {"path": str(place / "conda-folder" / "condarc"), "users": [], "conda_version": "26.5.0"}
    settings = [
        {"channels": [f"https://127.0.0.1/t/{TEMPLATED}-token/main"], "proxy_servers": {"https": url("proxy")}},
        {"channels": [f"https://127.0.0.1/t/{TEMPLATED}-other/main"], "ssl_verify": True},
    ]
    asked = [{"settings": one, "state": state} for state in ("exact", "merged") for one in settings]
    return [{"evenkeel.gpu.condarc": {**common, **options}} for options in (*asked, {"state": "absent"})] + [
        {
            "evenkeel.gpu.conda_distribution": {
                "url": url("Miniconda3-py313_26.7.1-0-Linux-x86_64.sh"),
                "sha256": "0" * 64,
                "retries": 0,
                "prefix": str(place / "conda"),
                "store": str(place / "store"),
                "shell_hook": False,
            }
        },
        {"evenkeel.gpu.conda_mirror": {"mirrors": [url("mirror")], "timeout": 1}},
    ]


def of_certificates(place: Path) -> tuple[list[Task], list[str]]:
    tasks, secrets = [], []
    for name in ("one", "two"):
        chain, key = issued(authority())
        (place / f"{name}.pem").write_text(chain.pem)
        (place / f"{name}.key").write_bytes(pem(key))
        files = {"certificate": str(place / f"{name}.pem"), "key": str(place / f"{name}.key")}
        tasks.append({"evenkeel.gpu.tls_certificate": {**files, "directory": str(place / "tls"), "hosts": list(HOSTS)}})
        secrets += pem(key).decode().splitlines()[1:-1]
    return tasks, secrets


def test_modules_that_ansible_runs(tmp_path: Path) -> None:
    certificates, keys = of_certificates(tmp_path)
    tasks = [{**task, "ignore_errors": True} for task in (*of_pip(tmp_path), *of_conda(tmp_path), *certificates)]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["vars.yml"], "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "vars.yml").write_text(yaml.safe_dump({"hush": HUSH}))
    done = subprocess.run(
        [
            *OF_ITS_OWN,
            *(sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local"),
            *("--diff", "-vvv", f"--extra-vars=ansible_python_interpreter={sys.executable}", "play.yml"),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=tmp_path,
        umask=0o077,
    )
    said = done.stdout + done.stderr
    assert "failed=0" in said, said
    kept = [(tmp_path / name) for name in ("pip.conf", "tls/key.pem")]
    assert all(path.exists() for path in kept)
    assert not (tmp_path / "conda-folder" / "condarc").exists()
    modes = {path.name: path.stat().st_mode & 0o777 for path in map(tmp_path.joinpath, ("uv", "conda-folder", "tls"))}
    assert modes == {"uv": 0o755, "conda-folder": 0o755, "tls": 0o755}
    assert said.count("changed: [localhost]") >= 3 + 5 + 2
    assert [line for line in said.splitlines() if HUSH in line or any(key in line for key in keys)] == []


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {}, raising=False)

    def run(module: Any, **arguments: Any) -> dict[str, Any]:
        for check_mode in (True, False):
            with (
                patch_module_args({**SHOWN, "_ansible_check_mode": check_mode, **arguments}),
                pytest.raises(SystemExit),
            ):
                module.main()
            said = capfd.readouterr()
            assert HUSH not in said.out + said.err
            result: dict[str, Any] = json.loads(said.out)
            assert result["changed"], result
            assert result["diff"]
        return result

    return run


def test_notebook_servers(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = Account("ana", str(tmp_path), "/bin/sh", os.getuid(), os.getgid())
    monkeypatch.setattr(jupyter_logic, "look_up", lambda names, *_: Found(dict.fromkeys(names, me)))
    monkeypatch.setattr(servers.units, "read", lambda names: {name: servers.Unit(name) for name in names})
    monkeypatch.setattr(servers.command, "run", lambda *_, **__: servers.command.Done(0, "", ""))
    for where in (servers, jupyter_server):
        monkeypatch.setattr(where, "UNITS", str(tmp_path / "units"))
    had: dict[str, int | None] = {}
    monkeypatch.setattr(servers, "known", lambda _: had)
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    common = {
        "environment": "/e",
        "units": {"jupyter@.service": MARK},
        "config": "",
        "directory": str(tmp_path / "evenkeel"),
        "listen": "socket",
        "key": str(key),
        "certificate": str(certificate),
    }
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    for turn in ("first", "second"):
        key.write_text(f"{HUSH} {turn}")
        server = {"name": "ana", "token": f"{HUSH}-token-{turn}" + 40 * "x"}
        run(jupyter_servers, servers=[{**server, "hashed_password": f"argon2:$argon2id${HUSH}{turn}"}], **common)
    assert f"{HUSH}-token-second" in (tmp_path / "evenkeel/ana/token").read_text()
    names = [thing.name.removeprefix(f"{tmp_path}/units/") for thing in made.read("jupyter_servers")]
    assert "jupyter@.service" in names
    had["ana"] = None
    run(jupyter_servers, servers=[], **common)
    assert not (tmp_path / "evenkeel/ana/token").exists()


def test_what_a_user_has_in_the_settings_of_vs_code(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.getuid())
    at_home = pwd.struct_passwd((me.pw_name, "x", me.pw_uid, me.pw_gid, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(vscode_logic.accounts, "account", lambda _: at_home)
    settings = tmp_path / vscode_home.SETTINGS
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"http.proxy": f"http://me:{HUSH}@proxy", "token": HUSH}))
    (tmp_path / "envs/one/conda-meta").mkdir(parents=True)
    floors = {"kernel": "1", "glibc": "1", "libstdcxx": "1", "programs": [], "downloaders": []}
    for value in ("one", "two"):
        asked = {"users": [me.pw_name], "settings": {"a": f"{tmp_path}/envs/{value}"}, "floors": floors}
        run(vscode_remote, environments=str(tmp_path / "envs"), conda=str(tmp_path / "none"), **asked)
        assert json.loads(settings.read_text())["a"].endswith(value)
        assert HUSH in settings.read_text()
    assert [thing.name for thing in made.read("vscode_remote")] == [str(tmp_path / vscode_home.ENVIRONMENTS)]


def test_what_others_have_in_the_settings_of_docker(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "daemon.json"
    settings.write_text(json.dumps({"proxies": {"http-proxy": f"http://me:{HUSH}@proxy"}, "token": HUSH}))
    monkeypatch.setattr(docker_daemon, "SETTINGS", str(settings))
    monkeypatch.setattr(docker_daemon, "ask", lambda: None)
    monkeypatch.setattr(container_toolkit.package_set, "manager_of_node", lambda **_: SimpleNamespace(name="apt"))
    monkeypatch.setattr(
        container_toolkit.package_set, "converge", lambda *_, **__: container_toolkit.package_set.Outcome()
    )
    monkeypatch.setattr(container_toolkit.services, "change", lambda *_, **__: None)
    monkeypatch.setattr(cdi, "why_left", lambda *_: "")
    monkeypatch.setattr(container_toolkit, "_converge_specification", lambda _: None)
    run(nvidia_container_toolkit, engines=["docker"])
    assert [thing.name for thing in made.read("nvidia_container_toolkit")] == [
        str(settings),
        f"{settings} features.cdi",
        f"{settings} runtimes.nvidia",
    ]
    assert "nvidia-container-runtime" in settings.read_text()
    assert HUSH in settings.read_text()
