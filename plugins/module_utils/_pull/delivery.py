# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A node's report, brought to where those of all nodes are: by HTTP PUT, by rsync over SSH, or into a folder."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import ENVIRONMENT
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.repository import bounded, proxies, ssh_command
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

SECONDS = 60


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A report and its token go where they were sent, and nowhere else."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def deliver(settings: Settings, places: Places, text: str) -> None:
    """Deliver a report as ``HOST.json``.

    Raises
    ------
    EvenkeelError
        It could not be delivered; the node keeps it, and delivers the next one.
    """
    to, name = settings.report_to, "%s.json" % settings.host
    if not to:
        return
    if pull_settings.over_http(to):
        _put("%s/%s" % (to.rstrip("/"), quote(name)), places, text)
    elif os.path.isabs(to):
        _keep(to, name, text)
    else:
        _rsync("%s/%s" % (to.rstrip("/"), name), places, text)


def _put(url: str, places: Places, text: str) -> None:
    token = (pull_settings.secret(places.path(pull_settings.REPORT_TOKEN)) or "").strip()
    request = urllib.request.Request(url, text.encode(), method="PUT")  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_unredirected_header("Authorization", "Bearer %s" % token)
    certificates = places.certificates if os.path.exists(places.certificates) else None
    try:
        context = ssl.create_default_context(cafile=certificates)
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=SECONDS):
            pass
    except urllib.error.HTTPError as error:
        remedy = (
            "See whether pull_agent_report_token has expired" if error.code in (401, 403) else "See the server's log"
        )
        raise EvenkeelError("The report can't be put to %s: status %d" % (url, error.code), remedy) from error
    except (OSError, HTTPException, ValueError) as error:
        raise EvenkeelError(
            "The report can't be put to %s: %s" % (url, getattr(error, "reason", None) or error),
            "See whether the server runs and the node reaches it",
        ) from error


def _keep(folder: str, name: str, text: str) -> None:
    if not os.path.isdir(folder):
        raise EvenkeelError("The folder of reports %s is not there" % folder, "Mount it, or see pull_agent_report_to")
    try:
        write_atomically(os.path.join(folder, name), text)
    except OSError as error:
        raise from_os(error, os.path.join(folder, name)) from error


def _rsync(to: str, places: Places, text: str) -> None:
    source = places.report + ".out"
    write_atomically(source, text)
    argv = ["rsync", "--timeout=%d" % SECONDS, "--chmod=F644", "--rsh", ssh_command(places, pull_settings.REPORT_KEY)]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **ENVIRONMENT, **proxies(os.environ)}
    done = bounded([*argv, "--", source, to], environment, SECONDS * 2)
    if done.status != 0:
        raise EvenkeelError(
            "The report can't be brought to %s: %s" % (to, done.last_words(2)),
            "See pull_agent_report_to, pull_agent_report_key and pull_agent_known_hosts",
        )
