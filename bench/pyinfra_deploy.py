# SPDX-License-Identifier: GPL-3.0-or-later
"""A pyinfra deploy that asserts what site.yml asserts on a node, from the folder that bench/asserted_state.py fills."""

from __future__ import annotations

import os
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import Directory
from pyinfra.operations import files, server, systemd

from bench import asserted_state

STATE = Path(os.environ[asserted_state.FOLDER])
CONDA = "/opt/miniconda3/bin/conda"
TOKEN_FILE = "/etc/evenkeel/jupyter/jupyter/token"  # noqa: S105
ASK = (
    "import http.client; "
    "connection = http.client.HTTPConnection('127.0.0.1', 8888, timeout=10); "
    f"token = open('{TOKEN_FILE}').read(); "
    "connection.request('GET', '/api/status', headers={'Authorization': 'token ' + token}); "
    "assert connection.getresponse().status == 200"
)

builds = STATE / asserted_state.BUILDS
for line in builds.read_text().splitlines() if builds.exists() else ():
    prefix, listed = line.split()
    if not host.get_fact(Directory, path=prefix):
        remote = f"/var/tmp/{listed}"  # noqa: S108
        files.put(name=f"List the packages of {prefix}", src=str(STATE / listed), dest=remote)
        create = f"{CONDA} create --quiet --yes --prefix {prefix} --file {remote}"
        server.shell(name=f"Make {prefix}", commands=[create])

for line in (STATE / asserted_state.LINKS).read_text().splitlines():
    link, target = line.split()
    files.link(name=f"Link {link}", path=link, target=target)

for source in sorted(path for path in (STATE / "files").rglob("*") if path.is_file()):
    destination = f"/{source.relative_to(STATE / 'files')}"
    files.put(name=f"Write {destination}", src=str(source), dest=destination, user="root", group="root", mode="644")

server.user(name="Create the user", user="jupyter", home="/var/lib/jupyter", shell="/bin/bash", system=True)  # noqa: S604
files.file(name="Keep the token", path=TOKEN_FILE, user="jupyter", mode="600")
systemd.service(name="Run the service", service="jupyter@jupyter.service", running=True, enabled=True)
server.shell(name="Ask the server", commands=[f'python3 -c "{ASK}"'])
