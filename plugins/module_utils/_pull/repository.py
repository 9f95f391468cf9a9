# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The node's copy of the git repository: fetched, verified, and put on the disk commit by commit.

Nothing of what was fetched is run or read as configuration by git: the copy is bare, hooks, filters and the
configuration of the system and of users are off, and a commit is put on the disk by itself, beside the copy.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import ENVIRONMENT, Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories, require_space
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import tree
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import COMMIT, TAG, Places, Settings

CANDIDATE = "refs/evenkeel/candidate"
PARTIAL = ".partial-"
#: For what git does on the node's own disk.
LOCAL_SECONDS = 300
#: Files take more room on the disk than they are long.
_TIMES_ITS_SIZE = 2
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_CONFIGURATION: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "fetch.fsckObjects": "true",
    "gc.autoDetach": "false",
    "gpg.format": "ssh",
    "gpg.minTrustLevel": "fully",
    # Only signatures of SSH keys count: other kinds are verified by the keyring of the account that runs git.
    "gpg.openpgp.program": "/bin/false",
    "gpg.x509.program": "/bin/false",
    "http.followRedirects": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "protocol.ssh.allow": "always",
    "protocol.file.allow": "always",
    "safe.directory": "*",
    "submodule.recurse": "false",
}


class Unreachable(EvenkeelError):
    """The remote did not answer, or refused the node."""


class Refused(EvenkeelError):
    """What the remote has is not applied."""


@dataclass(frozen=True)
class Repository:
    """The node's copy of the repository, and what it is fetched with."""

    places: Places
    settings: Settings

    def ensure(self) -> None:
        """Have an empty copy where there is none or it is beyond use, without what a killed run left."""
        path = self.places.repository
        if os.path.lexists(path) and self._git("rev-parse", "--git-dir").status != 0:
            self.discard()
        if not os.path.isdir(path):
            make_directories(os.path.dirname(path), 0o700)
            self._require("init", "--quiet", "--bare", "--template=", path)
        for folder, _folders, files in os.walk(path):
            for name in files:
                if name.endswith(".lock") or name.startswith("tmp_"):
                    os.unlink(os.path.join(folder, name))

    def discard(self) -> None:
        """Remove the copy, so that the next run fetches all of it anew."""
        path = self.places.repository
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def fetch(self) -> str:
        """Fetch what is to be applied, and return its commit.

        Raises
        ------
        Unreachable
            The remote did not answer in time, refused the node, or has no such branch or tag.
        """
        settings = self.settings
        done = self._git(
            *("fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head", "--no-recurse-submodules"),
            *("--", settings.remote, "+%s:%s" % (settings.ref, CANDIDATE)),
            timeout=settings.fetch_timeout,
            extra=self._credentials(),
        )
        if done.status != 0:
            if damaged(done.said):
                self.discard()
            raise Unreachable("%s can't be fetched: %s" % (settings.remote, done.last_words(3)), way_out(done.said))
        return self._object(CANDIDATE + "^{commit}")

    def verify(self) -> None:
        """Require a signature of an allowed signer, where one is asked for.

        Raises
        ------
        Refused
            There is none, or it is somebody else's.
        """
        wanted = self.settings.signed
        if wanted not in (COMMIT, TAG):
            return
        if wanted == TAG and self._require("cat-file", "-t", CANDIDATE).strip() != "tag":
            raise Refused(
                "%s is a plain tag, which can't have a signature" % self.settings.tag, "Make it with `git tag --sign`"
            )
        verb, name = ("verify-tag", CANDIDATE) if wanted == TAG else ("verify-commit", CANDIDATE + "^{commit}")
        # A signature that was good when it was made stays good only as long as the file allows the signer.
        done = self._git(verb, "--raw", name, extra={"GIT_ALLOWED_SIGNERS": self.places.allowed_signers})
        if done.status != 0:
            raise Refused(
                "The %s %s has no signature of an allowed signer: %s"
                % (wanted, self._object(name)[:12], done.last_words(2) if done.said.strip() else "it has none"),
                "Sign it with a key that pull_agent_allowed_signers lists; if nobody of yours made it, find out who "
                "can write to the repository",
            )
        if wanted == TAG and _name_of_tag(self._require("cat-file", "tag", CANDIDATE)) != self.settings.tag:
            raise Refused("The tag %s was signed under another name" % self.settings.tag, "Sign a tag of this name")

    def follows(self, commit: str, earlier: str) -> bool:
        """Whether a commit is an earlier one, or comes after it."""
        return self._git("merge-base", "--is-ancestor", earlier, commit).status == 0

    def check_out(self, commit: str) -> str:
        """Have a commit's files in a folder of their own, and return its path.

        Raises
        ------
        Refused
            The commit has submodules, or links that lead out of it.
        EvenkeelError
            The disk has no room for it.
        """
        entries = tree.parse(self._require("ls-tree", "-r", "-z", "--long", "--full-tree", commit))
        links = {
            entry.path: self._require("cat-file", "blob", entry.name) for entry in entries if entry.mode == tree.LINK
        }
        wrong = tree.problems(entries, links)
        if wrong:
            raise Refused(
                "The commit %s is refused: %s" % (commit[:12], ", ".join(wrong)),
                "Keep files themselves in the repository, and links within it",
            )
        target = os.path.join(self.places.checkouts, commit)
        if os.path.isdir(target):
            return target
        make_directories(self.places.checkouts, 0o700)
        size = sum(entry.size for entry in entries)
        require_space(self.places.checkouts, size * _TIMES_ITS_SIZE, "The commit %s" % commit[:12])
        partial = os.path.join(self.places.checkouts, PARTIAL + commit)
        os.mkdir(partial, 0o700)
        index = {"GIT_INDEX_FILE": os.path.join(self.places.checkouts, PARTIAL + "index")}
        self._require("read-tree", commit, extra=index)
        self._require("checkout-index", "--all", "--force", extra={**index, "GIT_WORK_TREE": partial})
        os.unlink(index["GIT_INDEX_FILE"])
        os.rename(partial, target)
        return target

    def prune(self, keep: Sequence[str]) -> None:
        """Remove all that is checked out but these commits, and what a killed run left."""
        if not os.path.isdir(self.places.checkouts):
            return
        for name in os.listdir(self.places.checkouts):
            path = os.path.join(self.places.checkouts, name)
            if name in keep:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def _object(self, name: str) -> str:
        found = self._require("rev-parse", "--verify", "--end-of-options", name).strip()
        if not _OBJECT.fullmatch(found):
            raise EvenkeelError("git named the commit %r" % found, "Look at git's version on the node")
        return found

    def _credentials(self) -> dict[str, str]:
        """Return what git needs to be let in, for its environment, where root alone can read it."""
        settings, places = self.settings, self.places
        extra = {"GIT_SSH_COMMAND": ssh_command(places, pull_settings.GIT_KEY), "GIT_SSH_VARIANT": "ssh"}
        if os.path.exists(places.certificates):
            extra["GIT_SSL_CAINFO"] = places.certificates
        if pull_settings.over_http(settings.remote):
            token = (pull_settings.secret(places.path(pull_settings.GIT_TOKEN)) or "").strip()
            if token:
                login = token if ":" in token else "token:%s" % token
                extra["HEADER"] = "Authorization: Basic %s" % base64.b64encode(login.encode()).decode()
        return extra

    def _require(self, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        done = self._git(*arguments, extra=extra)
        if done.status != 0:
            raise EvenkeelError(
                "`git %s` ended with status %d: %s" % (arguments[0], done.status, done.last_words()),
                "%s; if the copy is damaged, delete %s" % (way_out(done.said), self.places.repository),
            )
        return done.output

    def _git(self, *arguments: str, timeout: float = LOCAL_SECONDS, extra: Mapping[str, str] | None = None) -> Done:
        given = dict(extra or {})
        configuration = dict(_CONFIGURATION)
        header = given.pop("HEADER", None)
        signers = given.pop("GIT_ALLOWED_SIGNERS", None)
        if header:
            configuration["http.%s.extraHeader" % self.settings.remote] = header
        if signers:
            configuration["gpg.ssh.allowedSignersFile"] = signers
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            **ENVIRONMENT,
            **proxies(os.environ),
            "HOME": self.places.var,
            "GIT_DIR": self.places.repository,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_CONFIG_COUNT": str(len(configuration)),
            **given,
        }
        for number, (key, value) in enumerate(configuration.items()):
            environment["GIT_CONFIG_KEY_%d" % number] = key
            environment["GIT_CONFIG_VALUE_%d" % number] = value
        return bounded(["git", *arguments], environment, timeout)


def bounded(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Done:
    """Run a program; what it has started ends with it, also when it takes longer than it may."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise EvenkeelError("The node has no program %s" % argv[0], "Install it, or check the PATH") from None
    with process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            end(process)
            return Done(124, "", "it did not end within %d seconds" % timeout)
        except BaseException:
            end(process)
            raise
    return Done(process.returncode, output, errors)


def end(process: subprocess.Popen[str]) -> None:
    """End a process with all of its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ssh_command(places: Places, key: str) -> str:
    """Return how ssh is called: with known host keys alone, one key, and without a question to anybody."""
    path = places.path(key)
    options = [
        *("-F", "/dev/null"),
        *("-o", "BatchMode=yes"),
        *("-o", "ConnectTimeout=30"),
        *("-o", "ServerAliveInterval=30"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "UserKnownHostsFile=%s" % places.known_hosts),
        *("-o", "GlobalKnownHostsFile=/dev/null"),
        *(("-o", "IdentitiesOnly=yes", "-i", path) if os.path.exists(path) else ()),
    ]
    return " ".join(["ssh", *options])


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy's variables of an environment."""
    return {
        name: value for name, value in environment.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
    }


def damaged(said: str) -> bool:
    """Whether git says that the node's own copy is damaged."""
    return (
        re.search(r"bad object|corrupt|not a git repository|invalid sha1|is empty|unable to unpack", said) is not None
    )


_WAYS_OUT = (
    (
        "Host key verification failed|HOST IDENTIFICATION HAS CHANGED",
        "The server has another host key than pull_agent_known_hosts lists: ask the people who run it, then correct "
        "the list",
    ),
    (
        r"Permission denied \(",
        "The server does not let the node's key in: see pull_agent_git_key",
    ),
    (
        "Authentication failed|could not read Username|returned error: 40[13]",
        "The server does not let the node in: see whether the token in pull_agent_git_token has expired",
    ),
    (
        "not yet valid|has expired",
        "Compare the node's clock (`timedatectl`) with the dates of the server's certificate",
    ),
    (
        "certificate|SSL",
        "The server's certificate is not trusted: see pull_agent_ca_bundle",
    ),
    ("No space left on device|disk quota", "Free some space on the file system of /var/lib/evenkeel"),
    ("couldn't find remote ref", "See pull_agent_branch and pull_agent_tag, and whether the remote has it"),
)


def way_out(said: str) -> str:
    """Return what to do about what git says."""
    for pattern, remedy in _WAYS_OUT:
        if re.search(pattern, said, re.IGNORECASE):
            return remedy
    return "See whether the server runs and the node reaches it. The node stays as it is, and tries again"


def _name_of_tag(text: str) -> str:
    head = text.partition("\n\n")[0]
    return next((line[4:] for line in head.splitlines() if line.startswith("tag ")), "")
