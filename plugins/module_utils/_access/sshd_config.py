# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""sshd's configuration with one file of ours in it: tried as a whole beside the real one, before it is put in place."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK

PLACE = "/etc/ssh"
CONFIG = PLACE + "/sshd_config"
DROP_IN = PLACE + "/sshd_config.d/40-evenkeel-remote-access.conf"

_KEYWORD = re.compile(r"[A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x1f#]*[^\x00-\x20#]")
_LINE = re.compile(r"\s*(?P<keyword>[A-Za-z]+)(?:\s+|\s*=\s*)(?P<value>.*?)\s*")
# Addresses for documentation: what sshd is asked of a connection from anywhere.
_CONNECTION = "host=client.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22"


@dataclass(frozen=True)
class Override:
    """A keyword that has another value than the drop-in wants, for a user, and the lines that may be why."""

    keyword: str
    value: str
    user: str
    lines: tuple[str, ...]


def check(settings: Mapping[str, str]) -> None:
    """Require settings that can be lines of a block.

    Raises
    ------
    EvenkeelError
        A keyword or a value would end the line or the block.
    """
    for keyword, value in settings.items():
        if not _KEYWORD.fullmatch(keyword) or keyword.lower() in ("match", "include"):
            raise EvenkeelError(
                "settings holds %r, which is no keyword of a Match block" % keyword, "Take it out; see sshd_config(5)"
            )
        if not _VALUE.fullmatch(value):
            raise EvenkeelError(
                "%s of settings is %r, which is no value of one line" % (keyword, value), "Give a value of one line"
            )


def render(criterion: str, settings: Mapping[str, str]) -> str:
    """Return the drop-in's text; the last line ends the block for whatever is read next."""
    lines = ["    %s %s" % item for item in sorted(settings.items())]
    return "\n".join([MARK, "Match %s" % criterion, *lines, "Match all", ""])


def includes(line: str) -> list[str]:
    """Return the patterns of an Include line, as absolute paths; none for another line."""
    found = _LINE.fullmatch(line)
    if not found or found["keyword"].lower() != "include":
        return []
    return [os.path.join(PLACE, pattern.strip('"')) for pattern in found["value"].split()]


def takes_in(pattern: str, path: str) -> bool:
    """Tell whether a pattern of an Include line matches a path."""
    return fnmatch.fnmatchcase(path, pattern) and os.path.dirname(path) == os.path.dirname(pattern)


def stage(text: str, drop_in: str, candidate: str | None) -> str:
    """Return a main configuration that reads ``candidate`` in the drop-in's place; None leaves that out.

    Raises
    ------
    EvenkeelError
        It would never read the drop-in.
    """
    staged, found = [], False
    for line in text.splitlines():
        patterns = includes(line)
        if not any(takes_in(pattern, drop_in) for pattern in patterns):
            staged.append(line)
            continue
        found = True
        for pattern in patterns:
            files = set(glob.glob(pattern)) - {drop_in} | ({drop_in} if takes_in(pattern, drop_in) else set())
            real = [candidate if file == drop_in else file for file in sorted(files)]
            staged += ["Include %s" % file for file in real if file]
    if not found and candidate:
        raise EvenkeelError(
            "%s does not include %s, so sshd would never read %s" % (CONFIG, os.path.dirname(drop_in), drop_in),
            "Add `Include %s/*.conf` as its first line (OpenSSH 8.2 and newer know it), or set "
            "remote_access_sshd_drop_in to false and put the settings into %s yourself"
            % (os.path.dirname(drop_in), CONFIG),
        )
    return "".join("%s\n" % line for line in staged)


def parse(shown: str) -> dict[str, str]:
    """Read what ``sshd -T`` prints; a keyword that it prints more than once has its values in order."""
    values: dict[str, str] = {}
    for line in shown.splitlines():
        keyword, _, value = line.partition(" ")
        values[keyword] = "\n".join(filter(None, (values.get(keyword), value)))
    return values


def lines_with(keyword: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield, as ``file:line: text``, the lines that give a keyword a value."""
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            found = _LINE.fullmatch(line)
            if found and found["keyword"].lower() == keyword.lower():
                yield "%s:%d: %s" % (path, number, line.strip())


class Trial:
    """A staged configuration, read by the node's own sshd; nothing real is touched."""

    def __init__(self, folder: str) -> None:
        self._main = os.path.join(folder, "sshd_config")
        self._candidate = os.path.join(folder, os.path.basename(DROP_IN))
        self._sshd = _sshd()
        self._text = _read(CONFIG)

    def require_parsable(self, drop_in: str) -> None:
        """Refuse a drop-in that sshd would not start with.

        Raises
        ------
        EvenkeelError
            sshd's own words, with the real names of the files; or the configuration is broken without it.
        """
        said = self._said(stage(self._text, DROP_IN, self._candidate), drop_in)
        if said is None:
            return
        alone = self._said(stage(self._text, DROP_IN, None), "")
        if alone is not None:
            raise EvenkeelError(
                "sshd could not read its configuration even before: %s" % alone,
                "Fix that file, then run this again; `sshd -t` on the node says whether it is right",
            )
        raise EvenkeelError(
            "sshd would not start with these settings, and nothing was changed: %s" % said,
            "Correct remote_access_sshd_settings; see sshd_config(5)",
        )

    def overrides(self, settings: Mapping[str, str], users: Sequence[str], *, dropped_in: bool) -> list[Override]:
        """Return what would not be in force for these users, whatever groups they are in by now.

        Parameters
        ----------
        dropped_in
            Whether there is a drop-in; without one the configuration is taken as it is.
        """
        block = render("User %s" % ",".join(users), settings)
        self._write("Include %s\n%s" % (self._candidate, stage(self._text, DROP_IN, None)), block)
        wanted = self._in_force(users[0])
        self._write(stage(self._text, DROP_IN, self._candidate if dropped_in else None), block)
        found = []
        for user in users:
            real = self._in_force(user)
            for keyword in sorted(settings):
                if real.get(keyword.lower()) != wanted.get(keyword.lower()):
                    lines = tuple(lines_with(keyword, self._others()))
                    found.append(Override(keyword, real.get(keyword.lower(), ""), user, lines))
        return found

    def addresses(self) -> list[str]:
        """Return where sshd listens."""
        self._write(stage(self._text, DROP_IN, None), "")
        return self._in_force("root").get("listenaddress", "").splitlines()

    def _said(self, main: str, drop_in: str) -> str | None:
        """Return what sshd has against a configuration; None where it has nothing."""
        self._write(main, drop_in)
        done = command.run([self._sshd, "-t", "-f", self._main])
        return None if done.status == 0 else self._real_names(done.last_words())

    def _in_force(self, user: str) -> dict[str, str]:
        argv = [self._sshd, "-T", "-f", self._main, "-C", "user=%s,%s" % (user, _CONNECTION)]
        done = command.run(argv)
        if done.status != 0:
            raise EvenkeelError(
                "sshd does not tell its settings for %s: %s" % (user, self._real_names(done.last_words())),
                "Run `sshd -T` on the node",
            )
        return parse(done.output)

    def _others(self) -> dict[str, str]:
        """Return the texts of the files that sshd reads, the drop-in aside."""
        patterns = [pattern for line in self._text.splitlines() for pattern in includes(line)]
        files = [file for pattern in patterns for file in sorted(glob.glob(pattern)) if file != DROP_IN]
        return {file: _read(file) for file in [*files, CONFIG]}

    def _write(self, main: str, candidate: str) -> None:
        for path, text in ((self._main, main), (self._candidate, candidate)):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)

    def _real_names(self, text: str) -> str:
        return text.replace(self._candidate, DROP_IN).replace(self._main, CONFIG)


@contextlib.contextmanager
def trial() -> Iterator[Trial]:
    """Have a place to try configurations in, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-sshd-") as folder:
        yield Trial(folder)


def tell(overrides: Iterable[Override]) -> str:
    """Return overrides as words, one for each keyword and value."""
    users: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for found in overrides:
        users.setdefault((found.keyword, found.value, found.lines), []).append(found.user)
    return "; ".join(
        "%s is %s for %s%s" % (keyword, value, ", ".join(names), " (%s)" % ", ".join(lines) if lines else "")
        for (keyword, value, lines), names in users.items()
    )


def _sshd() -> str:
    """Return the path of sshd, which does not run by its name alone."""
    found = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if not found:
        raise EvenkeelError("The node has no OpenSSH server: there is no program sshd", "Install openssh-server")
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError as error:
        raise EvenkeelError("%s can't be read: %s" % (path, error.strerror), "Look at it on the node") from error
