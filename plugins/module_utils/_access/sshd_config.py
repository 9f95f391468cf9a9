# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""sshd's configuration with a drop-in of ours: tried as a whole, beside the real one, before the drop-in is written."""

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
# A connection from anywhere; the addresses are those reserved for documentation.
_CONNECTION = "host=client.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22"


@dataclass(frozen=True)
class Override:
    """A keyword whose value for a user is not the drop-in's, and the lines that may be the cause."""

    keyword: str
    value: str
    user: str
    lines: tuple[str, ...]


def check(settings: Mapping[str, str]) -> None:
    """Require settings that stay inside a Match block.

    Raises
    ------
    EvenkeelError
        A keyword or a value would end its line or the block.
    """
    for keyword, value in settings.items():
        if not _KEYWORD.fullmatch(keyword) or keyword.lower() in ("match", "include"):
            raise EvenkeelError(
                "settings holds %r, which is not a keyword of a Match block" % keyword, "Remove it; see sshd_config(5)"
            )
        if not _VALUE.fullmatch(value):
            raise EvenkeelError(
                "%s of settings is %r, which is not a value of one line" % (keyword, value),
                "Give a value of one line that ends without a space and holds no #",
            )


def render(criterion: str, settings: Mapping[str, str]) -> str:
    """Return the drop-in's text; its last line ends the block, since sshd reads other files after it."""
    lines = ["    %s %s" % item for item in sorted(settings.items())]
    return "\n".join([MARK, "Match %s" % criterion, *lines, "Match all", ""])


def includes(line: str) -> list[str]:
    """Return the patterns of an Include line, as absolute paths; none for another line."""
    found = _LINE.fullmatch(line)
    if not found or found["keyword"].lower() != "include":
        return []
    return [os.path.join(PLACE, pattern.strip('"')) for pattern in found["value"].split()]


def takes_in(pattern: str, path: str) -> bool:
    """Whether a pattern of an Include line matches a path."""
    return fnmatch.fnmatchcase(path, pattern) and os.path.dirname(path) == os.path.dirname(pattern)


def stage(text: str, drop_in: str, candidate: str | None) -> str:
    """Return the main configuration with ``candidate`` in the drop-in's place, or without either for None.

    Raises
    ------
    EvenkeelError
        It does not include the drop-in.
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
            "drop_in (remote_access_sshd_drop_in of the role) to false and put the settings into %s yourself"
            % (os.path.dirname(drop_in), CONFIG),
        )
    return "".join("%s\n" % line for line in staged)


def parse(shown: str) -> dict[str, str]:
    """Read what ``sshd -T`` prints; a keyword that it prints more than once has its values in order."""
    values: dict[str, str] = {}
    for line in shown.splitlines():
        keyword, _unused, value = line.partition(" ")
        values[keyword] = "\n".join(filter(None, (values.get(keyword), value)))
    return values


def lines_with(keyword: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield, as ``file:line: text``, the lines that give a keyword a value."""
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            found = _LINE.fullmatch(line)
            if found and found["keyword"].lower() == keyword.lower():
                yield "%s:%d: %s" % (path, number, line.strip())


def differences(
    settings: Mapping[str, str],
    wanted: Mapping[str, str],
    actual: Mapping[str, Mapping[str, str]],
    texts: Mapping[str, str],
) -> list[Override]:
    """Return the settings that are not in force.

    Parameters
    ----------
    wanted, actual
        Values by keyword as ``sshd -T`` prints them; the actual ones for each user.
    texts
        Of the files that may hold the lines that prevail, by path.
    """
    return [
        Override(keyword, values.get(keyword.lower(), ""), user, tuple(lines_with(keyword, texts)))
        for user, values in actual.items()
        for keyword in sorted(settings)
        if values.get(keyword.lower()) != wanted.get(keyword.lower())
    ]


class Trial:
    """Configurations in a folder of their own, read by the node's own sshd; the real files are only read."""

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
            sshd's message, with the real names of the files; or the configuration is broken without the drop-in.
        """
        problem = self._problem(self._with_candidate(), drop_in)
        if not problem:
            return
        before = self._problem(self._without_drop_in(), "")
        if before:
            raise EvenkeelError(
                "sshd could not read its configuration even before: %s" % before,
                "Fix that file, check it with `sshd -t` on the node, then run this again",
            )
        raise EvenkeelError(
            "sshd would not start with these settings, and nothing was changed: %s" % problem,
            "Correct settings (remote_access_sshd_settings of the role); see sshd_config(5)",
        )

    def overrides(self, settings: Mapping[str, str], users: Sequence[str], *, dropped_in: bool) -> list[Override]:
        """Return the settings that would not be in force for these users, in whatever groups they are now.

        Parameters
        ----------
        dropped_in
            Whether there is a drop-in; without one the configuration is taken as it is.
        """
        block = render("User %s" % ",".join(users), settings)
        # Of two values the first prevails: as the first file, the block has all that it sets in force.
        as_first = "Include %s\n%s" % (self._candidate, self._without_drop_in())
        in_place = self._with_candidate() if dropped_in else self._without_drop_in()
        wanted = self._in_force(as_first, block, users[0])
        actual = {user: self._in_force(in_place, block, user) for user in users}
        return differences(settings, wanted, actual, self._others())

    def addresses(self) -> list[str]:
        """Return where sshd listens, as ``sshd -T`` prints it."""
        return self._in_force(self._without_drop_in(), "", "root").get("listenaddress", "").splitlines()

    def _with_candidate(self) -> str:
        return stage(self._text, DROP_IN, self._candidate)

    def _without_drop_in(self) -> str:
        return stage(self._text, DROP_IN, None)

    def _problem(self, main: str, candidate: str) -> str:
        """Return why sshd refuses a configuration; empty when it accepts it."""
        done = self._run(main, candidate, "-t")
        return "" if done.status == 0 else self._real_names(done.last_words())

    def _in_force(self, main: str, candidate: str, user: str) -> dict[str, str]:
        """Return the values of a configuration for a connection of a user, by keyword in lower case."""
        done = self._run(main, candidate, "-T", "-C", "user=%s,%s" % (user, _CONNECTION))
        if done.status != 0:
            raise EvenkeelError(
                "sshd can't show its settings for %s: %s" % (user, self._real_names(done.last_words())),
                "Run `sshd -T` on the node, and fix what it reports",
            )
        return parse(done.output)

    def _run(self, main: str, candidate: str, *options: str) -> command.Done:
        for path, text in ((self._main, main), (self._candidate, candidate)):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
        return command.run([self._sshd, "-f", self._main, *options])

    def _others(self) -> dict[str, str]:
        """Return the texts of the files that sshd reads, without the drop-in."""
        patterns = [pattern for line in self._text.splitlines() for pattern in includes(line)]
        files = [file for pattern in patterns for file in sorted(glob.glob(pattern)) if file != DROP_IN]
        return {file: _read(file) for file in [*files, CONFIG]}

    def _real_names(self, text: str) -> str:
        return text.replace(self._candidate, DROP_IN).replace(self._main, CONFIG)


@contextlib.contextmanager
def trial() -> Iterator[Trial]:
    """Yield a trial in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-sshd-") as folder:
        yield Trial(folder)


def described(overrides: Iterable[Override]) -> str:
    """Describe overrides, one phrase for each keyword and value."""
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
