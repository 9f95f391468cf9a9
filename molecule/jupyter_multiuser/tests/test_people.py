# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people on one node: what each has, what neither gets of the other's, and what a server costs that nobody uses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import suppress

import pytest
from testinfra.host import Host

from lab import wait
from lab.errors import LabError
from lab.people.notebook import Server

PASSWORD = "correct horse battery staple"  # noqa: S105
FLOOD = """
import http.client, http.cookies, socket, threading
refused = []
def attempt():
  for _ in range(10):
    connection = http.client.HTTPConnection("localhost")
    place = {place!r}
    connection.sock = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
    connection.sock.connect(place)
    connection.request("GET", "/user/ana/login")
    page = connection.getresponse()
    page.read()
    cookie = http.cookies.SimpleCookie(page.headers["Set-Cookie"])["_xsrf"].value
    headers = {{"Content-Type": "application/x-www-form-urlencoded", "Cookie": "_xsrf=" + cookie}}
    connection.request("POST", "/user/ana/login", "password=wrong&_xsrf=" + cookie, headers)
    if connection.getresponse().status == 401:
        refused.append(1)
threads = [threading.Thread(target=attempt) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("refused", len(refused))
"""
IDENTITY = "import os, pwd, sys; print(pwd.getpwuid(os.getuid()).pw_name, os.getcwd())"


def listed(host: Host) -> dict[str, dict[str, object]]:
    """Return what the node says of its servers."""
    servers = json.loads(host.file("/etc/evenkeel/jupyter/servers.json").content_string)["servers"]
    return {server["user"]: server for server in servers}


def is_running(host: Host, user: str) -> bool:
    return bool(host.service(f"jupyter@{user}").is_running)


def test_everybody_computes_as_oneself(ana: Server, bo: Server) -> None:
    assert ana.run("minimal", IDENTITY) == "ana /home/ana\n"
    assert bo.run("minimal", IDENTITY) == "bo /home/bo\n"


def test_nobody_gets_anything_of_another(host: Host, ana: Server, bo: Server) -> None:
    bo.run("minimal", "import pathlib; pathlib.Path('~/diary').expanduser().write_text('secret')")
    theirs = host.check_output("systemctl show --property=MainPID --value jupyter@bo")
    socket = listed(host)["bo"]["socket"]
    cell = f"""
import os, pathlib, socket, urllib.error, urllib.request
def reach():
    if {socket!r}:
        return socket.socket(socket.AF_UNIX).connect({socket!r})
    return urllib.request.urlopen("http://127.0.0.1:{listed(host)["bo"]["port"]}/user/bo/api/kernels")
for what, action in dict(
    home=lambda: os.listdir("/home/bo"),
    diary=lambda: open("/home/bo/diary"),
    token=lambda: open("/etc/evenkeel/jupyter/bo/token"),
    own_socket=lambda: socket.socket(socket.AF_UNIX).connect("/run/jupyter-bo/server.sock"),
    way_in=reach,
    process=lambda: open("/proc/{theirs}/cmdline").read() and open("/proc/{theirs}/environ").read(),
    memory=lambda: open("/proc/{theirs}/mem", "rb"),
    signal=lambda: os.kill({theirs}, 0),
    temporary=lambda: [p for p in pathlib.Path("/tmp").iterdir() if p.owner() != "ana"][0],
).items():
    try:
        action()
    except (OSError, IndexError) as error:
        pass
    else:
        print(what)
"""
    assert ana.run("minimal", cell) == ""
    # All of it is there to get.
    assert {"home", "diary", "token", "own_socket", "process", "signal"} <= set(bo.run("minimal", cell).split())


def test_a_password_opens_its_own_server_alone(host: Host, ana: Server, bo: Server) -> None:
    assert ana.log_in(PASSWORD) == 302
    assert ana.log_in("wrong") == 401
    assert bo.log_in(PASSWORD) == 401
    file = host.file("/etc/evenkeel/jupyter/ana/password")
    assert (file.user, file.mode) == ("ana", 0o600)
    assert file.content_string.startswith("argon2:$argon2id$")


@pytest.mark.usefixtures("one_node")
def test_what_ana_has_installed_for_herself_breaks_neither_server_nor_shared_kernels(host: Host, ana: Server) -> None:
    place = "/home/ana/.local/lib/python3.11/site-packages"
    host.check_output("systemctl stop jupyter@ana")
    host.check_output(f"runuser -u ana -- mkdir -p {place}/tornado")
    host.check_output(f"echo 'raise ImportError(\"an old one\")' | runuser -u ana -- tee {place}/tornado/__init__.py")
    try:
        cell = "import os, tornado; print(tornado.__file__[:13], os.environ['PYTHONNOUSERSITE'])"
        assert ana.run("minimal", cell) == "/opt/evenkeel 1\n"
        environment = host.check_output("tr '\\0' '\\n' </proc/$(systemctl show -P MainPID jupyter@ana)/environ")
        assert "PYTHONNOUSERSITE" not in environment, "terminals are as usual"
        run = "su - ana -c '/opt/miniconda3/bin/conda run --name minimal python -c %s'"
        assert host.check_output(run % '"import tornado; print(tornado.version_info[0] > 5)"') == "True"
    finally:
        host.check_output(f"rm -r {place}/tornado")


@pytest.mark.usefixtures("one_node")
def test_jupyterlab_installs_no_extensions(host: Host, ana: Server) -> None:
    ana.kernels()
    host.check_output("journalctl --unit jupyter@ana --grep \"Extension Manager is 'readonly'\"")
    with pytest.raises(LabError, match="blocked"):
        ana.ask("POST", "lab/api/extensions", json.dumps({"cmd": "install", "extension_name": "jupyterlab-git"}))


@pytest.mark.long
@pytest.mark.usefixtures("one_node")
def test_two_hundred_wrong_passwords_do_not_keep_the_owner_out(host: Host, ana: Server) -> None:
    place = listed(host)["ana"]["socket"] or ("127.0.0.1", listed(host)["ana"]["port"])
    with ana.kernel("minimal") as kernel:  # without one, the server would end soon
        unit = f"flood-{uuid.uuid4().hex}"
        host.check_output(f"systemd-run --unit={unit} --uid=ana -- python3 -c %s", FLOOD.format(place=place))
        assert ana.log_in(PASSWORD) == 302
        assert kernel.run("print(1)") == "1\n"
        assert host.service(unit).is_running
        remedy = f"journalctl --unit {unit}"
        wait.until(lambda: not host.service(unit).is_running, "the flood ends", remedy, seconds=180)
        assert host.check_output(f"journalctl --unit {unit} --output=cat --grep=^refused") == "refused 200"


@pytest.mark.usefixtures("one_node")
def test_a_kernel_out_of_memory_takes_nothing_with_it(host: Host, bo: Server) -> None:
    bo.kernels()
    main = host.check_output("systemctl show --property=MainPID --value jupyter@bo")
    with pytest.raises(LabError, match="the kernel died"):
        bo.run("minimal", "hog = [bytearray(1 << 20) for _ in range(4096)]")
    assert bo.run("minimal", "print(1)") == "1\n"
    assert host.check_output("systemctl show --property=MainPID --value jupyter@bo") == main


@pytest.mark.usefixtures("one_node")
def test_a_kernel_with_a_limit_of_its_own_is_told_and_goes_on(ana: Server) -> None:
    cell = """
import os
try:
    bytearray(1 << 29)
except MemoryError:
    print("too much", len(bytearray(1 << 27)), repr(os.environ["CUDA_VISIBLE_DEVICES"]))
"""
    assert ana.run("small", cell) == "too much 134217728 ''\n"


# What the refusal of pip and uv says to do.
WAYS = {
    "a clone": "conda create --yes --name mine --clone minimal >&2 && conda activate mine",
    "a layer": "/opt/evenkeel/envs/minimal/bin/python -m venv --system-site-packages ~/mine && . ~/mine/bin/activate",
}
PREPARED = "set -e; . /etc/profile; conda activate minimal; {way}; {install}"
INSTALL = "python -m pip install -q humanize==4.9.0; python -m ipykernel install --user --name mine >&2"


@pytest.mark.usefixtures("one_node")
@pytest.mark.parametrize("way", WAYS)
def test_people_have_packages_of_their_own(host: Host, bo: Server, way: str) -> None:
    shell = "su - bo -c %s"
    for program in (
        "pip install humanize",
        "pip install --user humanize",
        "$(ls /opt/evenkeel/runtime/*/bin/uv) pip install humanize",
    ):
        refused = host.run(shell, PREPARED.format(way=":", install=program))
        assert refused.rc != 0
        assert "conda create --name mine --clone minimal" in refused.stderr
        assert "-m venv --system-site-packages ~/mine" in refused.stderr
    try:
        host.check_output(shell, PREPARED.format(way=WAYS[way], install=INSTALL))
        cell = "import humanize, os, sys; print(humanize.__version__, sys.prefix, os.environ.get('CONDA_DEFAULT_ENV'))"
        version, *environment = bo.run("mine", cell).split()
        assert version == "4.9.0"
        # A conda environment is activated; a virtual environment is only called.
        assert environment in (["/home/bo/mine", "None"], ["/home/bo/.conda/envs/mine", "mine"])
        assert host.run("/opt/miniconda3/bin/conda run --name minimal python -c 'import humanize'").rc != 0
    finally:
        host.check_output("rm -rf /home/bo/mine /home/bo/.conda/envs/mine /home/bo/.local/share/jupyter/kernels/mine")


@pytest.mark.long
@pytest.mark.usefixtures("one_node")
def test_who_goes_away_costs_nothing_after_a_while(host: Host, ana: Server) -> None:
    """The tests before it are of Bo alone, so most of the minute that it takes is over."""
    journal = "journalctl --unit jupyter@ana"
    ended = f"{journal} --grep 'No kernels for [0-9]+ seconds; shutting down'"
    if not is_running(host, "ana") and host.run(ended).rc != 0:
        ana.kernels()
    wait.until(
        lambda: not is_running(host, "ana") and host.run(ended).rc == 0, "the unused server ends", journal, seconds=180
    )
    assert ana.run("minimal", "print(1)") == "1\n"


@pytest.mark.usefixtures("one_node")
def test_a_killed_server_is_there_for_the_next_one_who_comes(host: Host, ana: Server) -> None:
    ana.kernels()
    host.check_output("systemctl kill --signal=KILL jupyter@ana")

    def answers() -> bool:
        with suppress(LabError):
            return bool(ana.kernels())
        return False

    wait.until(answers, "the server answers again", "journalctl --unit jupyter@ana", seconds=60)


def test_a_second_run_changes_nothing_and_wakes_nobody(host: Host, role: Callable[..., object]) -> None:
    host.check_output("systemctl stop jupyter@ana jupyter@bo")
    run = role().well()  # type: ignore[attr-defined]
    assert not run.changed, run.output
    assert [user for user in ("ana", "bo") if is_running(host, user)] == []
    assert PASSWORD not in run.output
    tasks = run.output.split("\nTASK [evenkeel.gpu.jupyter : ")[1:]
    assert 0 < len([task for task in tasks if "skipping: [" not in task and not task.startswith("Validating ")]) <= 7
