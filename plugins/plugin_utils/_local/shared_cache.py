# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One package cache for all of a user's environments: what is downloaded once is linked into each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import places
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.places import Place


@contextmanager
def shared(place: Place, wait: float) -> Iterator[None]:
    """Have a build at a prefix use the cache in the user's home where its files can be linked from there.

    On another file system, and where the user has put a folder or a link in its place, it has a cache of its own.

    Parameters
    ----------
    wait
        Seconds to wait for another build that uses the cache.
    """
    home = places.home()
    own, cache = os.path.join(place.root, "pkgs"), os.path.join(home, "pkgs")
    if place.root == home:  # whose builds lock it themselves
        yield
        return
    make_directories(place.root)
    _out_of_version_control(place.root)
    make_directories(cache)
    if not os.path.lexists(own) and os.stat(cache).st_dev == os.stat(place.root).st_dev:
        os.symlink(cache, own)
    if os.path.realpath(own) != os.path.realpath(cache):
        yield
        return
    with held(os.path.join(home, "locks", "pkgs"), wait):
        yield


def _out_of_version_control(root: str) -> None:
    """Have Git pass over the builds in a project, as over virtual environments."""
    path = os.path.join(root, ".gitignore")
    if not os.path.lexists(path):
        write_atomically(path, "*\n")
