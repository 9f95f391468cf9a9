# SPDX-License-Identifier: GPL-3.0-or-later
"""A pyinfra deploy that asserts what site.yml asserts on a node; bench/noop.py puts the files beside it first."""

from __future__ import annotations

import os
from pathlib import Path

from pyinfra.operations import files, server, systemd

STATE = Path(os.environ["EVENKEEL_BENCH_STATE"])
TOKEN_FILE = "/etc/evenkeel/jupyter/jupyter/token"  # noqa: S105
ASK = (
    "import http.client; "
    "connection = http.client.HTTPConnection('127.0.0.1', 8888, timeout=10); "
    f"token = open('{TOKEN_FILE}').read(); "
    "connection.request('GET', '/api/status', headers={'Authorization': 'token ' + token}); "
    "assert connection.getresponse().status == 200"
)

for line in (STATE / "links").read_text().splitlines():
    link, target = line.split()
    files.link(name=f"Link {link}", path=link, target=target)

for source in sorted(path for path in (STATE / "files").rglob("*") if path.is_file()):
    destination = f"/{source.relative_to(STATE / 'files')}"
    files.put(name=f"Write {destination}", src=str(source), dest=destination, user="root", group="root", mode="644")

server.user(name="Create the user", user="jupyter", home="/var/lib/jupyter", shell="/bin/bash", system=True)  # noqa: S604
files.file(name="Keep the token", path=TOKEN_FILE, user="jupyter", mode="600")
systemd.service(name="Run the service", service="jupyter@jupyter.service", running=True, enabled=True)
server.shell(name="Ask the server", commands=[f'python3 -c "{ASK}"'])
