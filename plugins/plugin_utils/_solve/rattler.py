# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""py-rattler on the control node: how long to wait for a channel, and what to say when it does not answer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.child import has_threads_of_its_own, in_child
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord
    from rattler.networking import Client

#: For one answer of a channel, and for all of them together.
REQUEST_SECONDS = 90
ALL_SECONDS = 300
#: How often py-rattler asks again.
RETRIES = 3
#: Of the time of a preflight that is left, so that one slow channel does not take all of it.
SHARE = 0.5
#: How the names of py-rattler's threads begin.
_THREADS = "tokio-r"

Answer = TypeVar("Answer")


def ask(channels: Iterable[str], question: Callable[[Gateway], Coroutine[None, None, Answer]]) -> Answer:
    """Return what ``question`` finds in the index of ``channels``, in bounded time.

    Raises
    ------
    EvenkeelError
        A channel is not there, does not answer in time or has no index that can be understood.
    """
    import asyncio

    from rattler import Gateway
    from rattler.exceptions import FetchRepoDataError, GatewayError, InvalidChannelError, InvalidUrlError

    seconds = patience.in_all(ALL_SECONDS, SHARE)

    def answer(cache: Path | None) -> Answer:
        gateway = Gateway(cache_dir=cache, client=client())
        with limited(FILE_BYTES):
            return asyncio.run(asyncio.wait_for(question(gateway), seconds))

    names = list(channels)
    try:
        try:
            return answer(None)
        except (FetchRepoDataError, GatewayError) as error:
            if any(words in str(error) for words in ("timed out", "File too large")):
                raise
            # A cached index that the server's answers no longer fit fails for good; an empty cache does not.
            with tempfile.TemporaryDirectory() as empty:
                return answer(Path(empty))
    except (InvalidChannelError, InvalidUrlError) as error:
        raise EvenkeelError(
            f"Not all of the channels {', '.join(names)} can be understood: {error}",
            "Write each as a URL or as the name of a channel",
        ) from error
    except (FetchRepoDataError, GatewayError) as error:
        meant = [name for name in names if name.rstrip("/") in str(error)] or names
        raise EvenkeelError(
            f"The index of {', '.join(meant)} could not be read: {error}",
            "Check the channels' URLs and that the control node reaches them",
        ) from error
    except TimeoutError:
        raise EvenkeelError(
            f"The index of {', '.join(names)} could not be read in {seconds:.0f} seconds",
            "Check that the control node reaches the channels, or choose a nearer mirror",
        ) from None


def isolated(function: Callable[[], Answer], channels: Iterable[str]) -> Answer:
    """Return what a function that asks ``channels`` returns; a py-rattler that runs out of memory ends a child alone.

    Raises
    ------
    EvenkeelError
        Whatever the function raised, or the child was ended.
    """
    if has_threads_of_its_own(_THREADS):  # py-rattler is at work in this process, and would not be in a child
        return function()
    what = "The index of %s could not be read" % ", ".join(channels)
    return in_child(function, what, patience.in_all(2 * ALL_SECONDS + 60, SHARE))


def client() -> Client:
    """Return what py-rattler asks servers with."""
    from rattler.networking import Client

    seconds = max(int(patience.in_all(REQUEST_SECONDS, SHARE)), 1)
    return Client.default_client(max_retries=patience.retries(RETRIES), timeout=seconds)


def package_from(record: RepoDataRecord, mirrors: Mirrors) -> Package:
    """Return a package of an index, at its original URL."""
    return Package(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        sha256=record.sha256.hex() if record.sha256 else "",
        url=mirrors.original(record.url),
        md5=record.md5.hex() if record.md5 else "",
        size=record.size or 0,
        depends=tuple(record.depends),
    )
