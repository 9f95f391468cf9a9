# SPDX-License-Identifier: GPL-3.0-or-later
"""conda's errors, by the names and fields that its JSON answers carry."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class CondaError(Exception):
    """An error that conda reports; the keyword arguments become fields of the JSON answer."""

    return_code = 1
    module = "conda.exceptions"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """Return the error object of ``--json``."""
        return {
            "caused_by": "None",
            "error": str(self),
            "exception_name": type(self).__name__,
            "exception_type": f"<class '{self.module}.{type(self).__name__}'>",
            "message": self.message,
        } | self.fields


class CondaMultiError(CondaError):
    """Several errors of one transaction."""

    module = "conda"

    def __init__(self, errors: Sequence[CondaError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, Any]:
        """Return the error object of ``--json``, which has no message of its own."""
        return {
            "error": "Multiple Errors Encountered.",
            "errors": [error.as_json() for error in self.errors],
            "exception_name": "CondaMultiError",
            "exception_type": "<class 'conda.CondaMultiError'>",
        }


class CondaExitZero(CondaError):
    """An early end that is no failure."""

    return_code = 0
    module = "conda"


class DryRunExit(CondaExitZero):
    """The end of a dry run."""

    module = "conda.exceptions"

    def __init__(self) -> None:
        super().__init__("Dry run. Exiting.")


class CondaSystemExit(CondaExitZero):
    """The person said no."""

    module = "conda.exceptions"


class ArgumentError(CondaError):
    """The command line makes no sense."""

    return_code = 2


class TooManyArgumentsError(ArgumentError):
    """More is on the command line than the command takes."""


class CondaValueError(CondaError):
    """A value is not allowed here."""


class CondaEnvironmentError(CondaError):
    """The environment can't be changed in this way."""


class ConfigurationLoadError(CondaError):
    """A condarc file can't be read."""

    module = "conda.common.configuration"


class MultipleKeysError(CondaError):
    """A condarc file gives one parameter under two names."""

    module = "conda.common.configuration"


class InvalidTypeError(CondaError):
    """A parameter has a value of a wrong type."""

    module = "conda.common.configuration"


class OfflineError(CondaError):
    """The network would be needed, but is switched off."""


class ParseError(CondaError):
    """A file can't be understood."""


class InvalidMatchSpec(CondaError):
    """A package specification can't be understood."""


class EnvironmentLocationNotFound(CondaError):
    """No environment at a path."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(f"Not a conda environment: {prefix}", location=str(prefix))


class EnvironmentNameNotFound(CondaError):
    """No environment of a name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Could not find conda environment: {name}\n"
            "You can list all discoverable environments with `conda info --envs`.\n",
            environment_name=name,
        )


class DirectoryNotACondaEnvironmentError(CondaError):
    """A directory without ``conda-meta/history``."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(
            "The target directory exists, but it is not a conda environment.\n"
            "Use 'conda create' to convert the directory to a conda environment.\n"
            f"  target directory: {prefix}\n",
            target_directory=str(prefix),
        )


class EnvironmentIsFrozenError(CondaError):
    """An environment marked by ``conda-meta/frozen``."""

    def __init__(self, prefix: Path, reason: str) -> None:
        because = f"Reason:\n\n    {reason}\n\n" if reason else ""
        super().__init__(
            f"Cannot modify '{prefix}'. The environment is marked as frozen. {because}"
            "You can bypass these protections with the `--override-frozen` flag, at your own risk."
        )


class EnvironmentNotWritableError(CondaError):
    """Somebody else's environment."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(
            "The current user does not have write permissions to the target environment.\n"
            f"  environment location: {prefix}\n  uid: {os.geteuid()}\n  gid: {os.getegid()}\n",
            environment_location=str(prefix),
            uid=os.geteuid(),
            gid=os.getegid(),
        )


class NotWritableError(CondaError):
    """A path that this user may not write."""

    def __init__(self, path: str, errno: int) -> None:
        super().__init__(
            "The current user does not have write permissions to a required path.\n"
            f"  path: {path}\n  uid: {os.geteuid()}\n  gid: {os.getegid()}\n",
            path=path,
            errno=errno,
            uid=os.geteuid(),
            gid=os.getegid(),
        )


class NoWritablePkgsDirError(CondaError):
    """No package cache that this user may write."""

    def __init__(self, folders: Iterable[Path]) -> None:
        names = [str(folder) for folder in folders]
        super().__init__(f"No writeable pkgs directories configured.{dash_list(names)}", pkgs_dirs=names)


class NoWritableEnvsDirError(CondaError):
    """No folder of environments that this user may write."""

    def __init__(self, folders: Iterable[Path]) -> None:
        names = [str(folder) for folder in folders]
        super().__init__(f"No writeable envs directories configured.{dash_list(names)}", envs_dirs=names)


class NoSpaceLeftError(CondaError):
    """A full disk."""

    def __init__(self, cause: str) -> None:
        super().__init__("No space left on devices.", caused_by=cause)


class NoChannelsConfiguredError(CondaError):
    """Packages are asked for, but no channel is configured."""

    def __init__(self, packages: Sequence[str]) -> None:
        names = ", ".join(packages)
        super().__init__(
            f"No channels are configured, so there is nowhere to look for {names}.\n"
            "Name one with `-c CHANNEL`, or list `channels:` in a condarc file.\n",
            packages=list(packages),
            packages_str=names,
        )


class PackagesNotFoundInChannelsError(CondaError):
    """The channels have nothing that a specification asks for."""

    def __init__(self, specs: Sequence[str], channel_urls: Sequence[str], channels: Sequence[dict[str, Any]]) -> None:
        super().__init__(
            f"The following packages are not available from current channels:\n{dash_list(specs)}\n\n"
            f"Current channels:\n{dash_list(channel_urls)}\n\n"
            "To search for alternate channels that may provide the conda package you're\n"
            "looking for, navigate to\n\n    https://anaconda.org\n\n"
            "and use the search bar at the top of the page.\n",
            channel_urls=list(channels),
            channels_formatted=dash_list(channel_urls),
            packages=list(specs),
            packages_formatted=dash_list(specs),
        )


class PackagesNotFoundInPrefixError(CondaError):
    """Packages to remove are not installed."""

    def __init__(self, specs: Sequence[str], prefix: Path) -> None:
        super().__init__(
            "The following packages are missing from the target environment:\n"
            f"  prefix: {prefix}\n{dash_list(specs)}\n",
            package_name=list(specs),
            packages_formatted=dash_list(specs),
            prefix=str(prefix),
        )


class RattlerUnsatisfiableError(CondaError):
    """The solver found no solution, in its own words."""

    module = "conda_rattler_solver.exceptions"

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation, allow_retry=False)


class UnavailableInvalidChannel(CondaError):
    """A channel that answers, but not with an index."""

    def __init__(self, name: str, url: str, status: int, reason: str, details: str, body: dict[str, Any]) -> None:
        path = url.removeprefix("file://")
        advice = (
            "\nAs of conda 4.3, a valid channel must contain a\n`noarch/repodata.json` even if `noarch/repodata.json`"
            f" is\nempty. Use `conda index {path}`, or create `noarch/repodata.json`\n"
            if url.startswith("file:")
            else ""
        )
        super().__init__(
            f"HTTP {status} {reason} for channel {name} <{url}>\n\n"
            "The channel is not accessible or is invalid.\n\n"
            "You will need to adjust your conda configuration to proceed.\n"
            "Use `conda config --show channels` to view your configuration's current state,\n"
            f"and use `conda config --show-sources` to view config file locations.\n{advice}",
            channel_name=name,
            channel_url=url,
            json=body,
            reason=reason,
            response_details=details,
            status_code=status,
        )


class CondaHTTPError(CondaError):
    """A server that can't be reached or says no."""

    def __init__(self, url: str, status: int | str, reason: str) -> None:
        super().__init__(
            f"HTTP {status} {reason} for url <{url}>\nElapsed: -\n\n"
            "An HTTP error occurred when trying to retrieve this URL.\n",
            elapsed_time="-",
            json={},
            reason=reason,
            response_details="",
            status_code=status,
            url=url,
        )


class ChecksumMismatchError(CondaError):
    """A download with another hash than its index or its explicit URL says."""

    def __init__(self, url: str, path: Path, kind: str, expected: str, actual: str) -> None:
        super().__init__(
            "Conda detected a mismatch between the expected content and downloaded content\n"
            f"for url '{url}'.\n  download saved to: {path}\n"
            f"  expected {kind}: {expected}\n  actual {kind}: {actual}\n",
            actual_checksum=actual,
            checksum_type=kind,
            expected_checksum=expected,
            partial_download=False,
            target_full_path=str(path),
            url=url,
        )


def dash_list(words: Iterable[str]) -> str:
    """Return ``words`` as conda lists them in messages."""
    return "".join(f"\n  - {word}" for word in words)
