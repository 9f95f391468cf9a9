# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What Evenkeel adds to a build: activation hides ``~/.local``, and pip and uv say where to install instead.

conda sources ``etc/conda/activate.d`` and ``deactivate.d`` in every shell and for ``conda run``. pip and uv look for
``EXTERNALLY-MANAGED`` (PEP 668). It is a link into ``conda-meta``, which ``conda create --clone`` does not copy: in a
clone the link leads nowhere, and pip installs there.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK

#: Where pip and uv look, in the directory of the standard library.
MANAGED = "EXTERNALLY-MANAGED"
MESSAGE = os.path.join("conda-meta", "evenkeel-externally-managed")
#: Sourced at activation; where it is, packages below ``~/.local`` are out of sight.
ISOLATION = os.path.join("etc", "conda", "activate.d", "evenkeel_user_site.sh")

# CONDA_SHLVL is the environment's own level both when it is activated and when it is left, so that environments may be
# stacked. What is kept already stays: conda sources the scripts of an environment again when one above it is left.
_ACTIVATE = {
    ".sh": r"""
eval "export EVENKEEL_NOUSERSITE_${CONDA_SHLVL-}=\"\${EVENKEEL_NOUSERSITE_${CONDA_SHLVL-}-\${PYTHONNOUSERSITE-}}\""
export PYTHONNOUSERSITE=1
""",
    ".fish": r"""
set -q "EVENKEEL_NOUSERSITE_$CONDA_SHLVL"; or set -gx "EVENKEEL_NOUSERSITE_$CONDA_SHLVL" "$PYTHONNOUSERSITE"
set -gx PYTHONNOUSERSITE 1
""",
    ".csh": r"""
if ( ! $?PYTHONNOUSERSITE ) setenv PYTHONNOUSERSITE ""
eval 'set evenkeel_kept = $?EVENKEEL_NOUSERSITE_'"$CONDA_SHLVL"
if ( ! $evenkeel_kept ) setenv EVENKEEL_NOUSERSITE_${CONDA_SHLVL} "$PYTHONNOUSERSITE"
unset evenkeel_kept
setenv PYTHONNOUSERSITE 1
""",
}
_DEACTIVATE = {
    ".sh": r"""
if eval "[ -n \"\${EVENKEEL_NOUSERSITE_${CONDA_SHLVL-}+kept}\" ]"; then
    eval "export PYTHONNOUSERSITE=\"\${EVENKEEL_NOUSERSITE_${CONDA_SHLVL-}}\""
    unset "EVENKEEL_NOUSERSITE_${CONDA_SHLVL-}"
    [ -n "${PYTHONNOUSERSITE}" ] || unset PYTHONNOUSERSITE
fi
""",
    ".fish": r"""
set -l evenkeel_kept "EVENKEEL_NOUSERSITE_$CONDA_SHLVL"
if set -q $evenkeel_kept
    set -gx PYTHONNOUSERSITE "$$evenkeel_kept"
    set -e $evenkeel_kept
    test -n "$PYTHONNOUSERSITE"; or set -e PYTHONNOUSERSITE
end
""",
    ".csh": r"""
eval 'set evenkeel_kept = $?EVENKEEL_NOUSERSITE_'"$CONDA_SHLVL"
if ( $evenkeel_kept ) eval 'setenv PYTHONNOUSERSITE "$EVENKEEL_NOUSERSITE_'"$CONDA_SHLVL"'"'
if ( $evenkeel_kept ) unsetenv EVENKEEL_NOUSERSITE_${CONDA_SHLVL}
unset evenkeel_kept
if ( $?PYTHONNOUSERSITE ) then
    if ( "$PYTHONNOUSERSITE" == "" ) unsetenv PYTHONNOUSERSITE
endif
""",
}
_SCRIPTS = {
    os.path.join("etc", "conda", folder, "evenkeel_user_site" + suffix): MARK + text
    for folder, texts in (("activate.d", _ACTIVATE), ("deactivate.d", _DEACTIVATE))
    for suffix, text in texts.items()
}
_MESSAGE = """\
[externally-managed]
Error=The environment %(name)s is shared and the same on every node, so packages of your own go into an environment of
 your own. Make one in a terminal, in one of two ways.

 A copy that you can change:

     conda create --name mine --clone %(name)s
     conda activate mine

 A layer on top of the shared environment, which stays as it is:

     %(link)s/bin/python -m venv --system-site-packages ~/mine
     source ~/mine/bin/activate

 Then install into it, and add it to JupyterLab's kernels:

     python -m pip install PACKAGE
     python -m ipykernel install --user --name mine
"""


class File(NamedTuple):
    """A file as it is or is to be: its text, or the target of a symbolic link."""

    text: str
    link: bool = False


def plan(prefix: str, link: str, *, user_site: bool) -> dict[str, File | None]:
    """Return what must change, by path relative to the build; None is to be removed.

    Parameters
    ----------
    prefix
        The build.
    link
        Where users find the environment.
    user_site
        Whether its Python sees what users have below ``~/.local``.
    """
    libraries = _libraries(prefix)
    scripts: Mapping[str, str] = _SCRIPTS if libraries else {}
    wanted: dict[str, File | None] = {path: None if user_site else File(text) for path, text in scripts.items()}
    if libraries:
        wanted[MESSAGE] = File(_MESSAGE % {"name": os.path.basename(link), "link": link})
    for library in libraries:
        found = _read(prefix, os.path.join(library, MANAGED))
        # A package's own file there refuses as well, in its own words.
        if found is None or found.link or not found.text:
            wanted[os.path.join(library, MANAGED)] = _managed(library)
    return {path: file for path, file in wanted.items() if _read(prefix, path) != file}


def apply(prefix: str, changes: Mapping[str, File | None]) -> None:
    """Bring a build's files to what ``plan`` returned."""
    for path, file in changes.items():
        place = os.path.join(prefix, path)
        if file is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
            continue
        os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
        if file.link:
            link_atomically(place, file.text)
        else:
            write_atomically(place, file.text)


def isolates(prefix: str) -> bool:
    """Whether activating the build hides what users have below ``~/.local``."""
    return os.path.lexists(os.path.join(prefix, ISOLATION))


def files(prefix: str) -> Iterable[InstalledFile]:
    """Yield the files of a build that are Evenkeel's own, those in ``conda-meta`` aside, as they are to be."""
    for path, text in _SCRIPTS.items():
        if os.path.lexists(os.path.join(prefix, path)):
            yield InstalledFile(path, hashlib.sha256(text.encode()).hexdigest())
    for library in _libraries(prefix):
        if _is_link(prefix, library):
            target = _managed(library).text
            yield InstalledFile(os.path.join(library, MANAGED), hashlib.sha256(target.encode()).hexdigest(), link=True)


def _libraries(prefix: str) -> list[str]:
    """Return the directories, relative to the build, of its Pythons' standard libraries."""
    found = glob.glob(os.path.join(glob.escape(prefix), "lib", "python3*", "os.py"))
    # conda-forge's Python has a link python3.1 to python3.10 and the like.
    places = (os.path.dirname(path) for path in found)
    return sorted(os.path.relpath(place, prefix) for place in places if not os.path.islink(place))


def _managed(library: str) -> File:
    return File(os.path.relpath(MESSAGE, library), link=True)


def _is_link(prefix: str, library: str) -> bool:
    return os.path.islink(os.path.join(prefix, library, MANAGED))


def _read(prefix: str, path: str) -> File | None:
    """Return a file as it is; a directory counts as a file without text."""
    place = os.path.join(prefix, path)
    if os.path.islink(place):
        return File(os.readlink(place), link=True)
    try:
        with open(place, encoding="utf-8", errors="surrogateescape") as stream:
            return File(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return File("")
