# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a node that pulls is set to, and where it keeps what."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, dataclass, fields
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

FORMAT = 1
#: What may be signed.
COMMIT, TAG, NOTHING = "commit", "tag", "nothing"
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?!//)(?P<path>[^\s]+)")
_URL = re.compile(r"(?P<scheme>https|http|ssh)://[^\s]+")
_REF = re.compile(r"[\w][\w./+-]*")
_AGAIN = "Run the role pull_agent on this node from a control node, which writes it"


@dataclass(frozen=True)
class Settings:
    """The settings of a node.

    Parameters
    ----------
    host
        The node's name in the inventory.
    remote
        The URL of the git repository, ``USER@HOST:PATH``, or an absolute path.
    branch, tag
        What of it is applied: one of them is empty.
    signed
        ``commit``, ``tag`` or ``nothing``: what must have a signature of an allowed signer.
    allow_older
        Whether a commit that does not follow the last applied one is applied.
    playbook, inventory
        Their paths within the repository.
    timeout, fetch_timeout
        Seconds that a run of the playbook, and a fetch, may take.
    report_to
        An http or https URL, ``USER@HOST:PATH`` for rsync, an absolute path of a folder, or nothing.
    interval, splay
        Minutes from the end of a run to the next one, and by how many that may be later.
    """

    host: str
    remote: str
    branch: str = "main"
    tag: str = ""
    signed: str = COMMIT
    allow_older: bool = False
    playbook: str = "site.yml"
    inventory: str = ""
    timeout: int = 7200
    fetch_timeout: int = 600
    report_to: str = ""
    interval: int = 30
    splay: int = 30

    @property
    def ref(self) -> str:
        """The full name of what is fetched."""
        return "refs/tags/%s" % self.tag if self.tag else "refs/heads/%s" % self.branch

    def text(self) -> str:
        """Return the settings as their file has them."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Places:
    """The folders of a node that pulls."""

    etc: str = "/etc/evenkeel/pull"
    var: str = "/var/lib/evenkeel/pull"
    lease: str = run_lease.FOLDER

    def path(self, name: str) -> str:
        """Return the path of a secret or another file of the settings."""
        return os.path.join(self.etc, name)

    @property
    def settings(self) -> str:
        return os.path.join(self.etc, "settings.json")

    @property
    def known_hosts(self) -> str:
        return os.path.join(self.etc, "known_hosts")

    @property
    def allowed_signers(self) -> str:
        return os.path.join(self.etc, "allowed_signers")

    @property
    def certificates(self) -> str:
        return os.path.join(self.etc, "ca.pem")

    @property
    def stop(self) -> str:
        """The kill switch: while there is such a file, nothing runs."""
        return os.path.join(self.etc, "stop")

    @property
    def repository(self) -> str:
        return os.path.join(self.var, "repository.git")

    @property
    def checkouts(self) -> str:
        return os.path.join(self.var, "checkouts")

    @property
    def home(self) -> str:
        return os.path.join(self.var, "home")

    @property
    def lock(self) -> str:
        return os.path.join(self.var, "locks", "run")

    @property
    def state(self) -> str:
        return os.path.join(self.var, "state.json")

    @property
    def report(self) -> str:
        return os.path.join(self.var, "report.json")

    @property
    def drift(self) -> str:
        """Where a playbook that includes drift.yml leaves its report."""
        return os.path.join(self.var, "drift")


#: Secrets, by the names of their files.
GIT_KEY, GIT_TOKEN = "git_key", "git_token"
REPORT_KEY, REPORT_TOKEN = "report_key", "report_token"
VAULT_PASSWORD, VARIABLES = "vault_password", "variables.yml"
SECRETS = (GIT_KEY, GIT_TOKEN, REPORT_KEY, REPORT_TOKEN, VAULT_PASSWORD, VARIABLES)


def problems(settings: Settings) -> list[str]:
    """Return what is wrong with settings, each a sentence."""
    found = []
    if not settings.host:
        found.append("The node's name in the inventory is empty.")
    scheme = _URL.fullmatch(settings.remote)
    if not (scheme or _SCP.fullmatch(settings.remote) or _absolute(settings.remote)):
        found.append(
            "pull_agent_remote is %r, which is no https, http or ssh URL, no USER@HOST:PATH and no absolute path."
            % settings.remote
        )
    if scheme and scheme["scheme"] == "http" and settings.signed == NOTHING:
        found.append(
            "pull_agent_remote is plain http, and nothing has to be signed: everybody on the way could run anything "
            "on the node. Use https or ssh, or set pull_agent_signed."
        )
    if bool(settings.branch) == bool(settings.tag):
        found.append("Set one of pull_agent_branch and pull_agent_tag, and leave the other empty.")
    for name, value in (("pull_agent_branch", settings.branch), ("pull_agent_tag", settings.tag)):
        if value and (not _REF.fullmatch(value) or ".." in value or value.endswith((".lock", "/", "."))):
            found.append("%s is %r, which is no name that git knows." % (name, value))
    if settings.signed == TAG and not settings.tag:
        found.append("pull_agent_signed is tag, and pull_agent_tag names none.")
    for name, value in (("pull_agent_playbook", settings.playbook), ("pull_agent_inventory", settings.inventory)):
        if not value or os.path.isabs(value) or ".." in value.split("/") or value.startswith("-"):
            found.append("%s is %r, which is no path within the repository." % (name, value))
    to = settings.report_to
    if to and not (_URL.fullmatch(to) and not to.startswith("ssh:")) and not _SCP.fullmatch(to) and not _absolute(to):
        found.append(
            "pull_agent_report_to is %r, which is no https or http URL, no USER@HOST:PATH and no absolute path." % to
        )
    for name, seconds in (
        ("pull_agent_timeout", settings.timeout),
        ("pull_agent_fetch_timeout", settings.fetch_timeout),
    ):
        if seconds < 1:
            found.append("%s is %d: set it to a number of seconds." % (name, seconds))
    return found


def over_ssh(url: str) -> bool:
    """Whether a remote is reached over SSH."""
    return url.startswith("ssh://") or (not _URL.fullmatch(url) and _SCP.fullmatch(url) is not None)


def over_http(url: str) -> bool:
    """Whether a remote is reached over HTTP, with TLS or without."""
    return url.startswith(("https://", "http://"))


def read(path: str) -> Settings:
    """Return the settings of this node.

    Raises
    ------
    EvenkeelError
        The file is missing, damaged or a newer Evenkeel's.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content: Any = json.load(stream)
    except OSError as error:
        raise from_os(error, path) from error
    except ValueError as error:
        raise EvenkeelError("%s is no JSON: %s" % (path, error), _AGAIN) from error
    require_known(path, content, FORMAT)
    try:
        kinds = {field.name: type(field.default) for field in fields(Settings)}
        # A newer version that could not run has left its settings to this one.
        given = {name: value for name, value in content.items() if name in kinds}
        settings = Settings(**given)
        wrong = [name for name, value in given.items() if not isinstance(value, _kind(kinds[name]))]
    except (AttributeError, TypeError, KeyError) as error:
        raise EvenkeelError("%s has other settings than this Evenkeel's: %s" % (path, error), _AGAIN) from error
    if wrong or problems(settings):
        why = ", ".join(wrong) or " ".join(problems(settings))
        raise EvenkeelError("%s has wrong values: %s" % (path, why), _AGAIN)
    return settings


def secret(path: str) -> str | None:
    """Return a secret; None where there is no such file.

    Raises
    ------
    EvenkeelError
        Others than this user could read or change the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os(error, path) from error
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as stream:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077 or not stat.S_ISREG(found.st_mode):
            raise EvenkeelError(
                "%s is a secret, and others than root can read it" % path,
                "Find out who has, replace the secret, and run `chown root:root %s; chmod 600 %s`" % (path, path),
            )
        return stream.read()


def _absolute(path: str) -> bool:
    return os.path.isabs(path) and os.path.normpath(path) == path


def _kind(default: type) -> type:
    return default if default in (int, bool) else str
