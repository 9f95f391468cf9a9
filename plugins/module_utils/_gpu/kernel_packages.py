# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the kernels of a node need of the package manager: their headers where a module is built, else their module.

The package of a kernel is named by its release. What brings that of future kernels is named like the package that
brings these kernels, as far as the repositories have it. A kernel whose package is gone needs a newer one beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted

#: Names of packages that bring newer kernels: no release, nor debugging symbols.
_BRINGS_KERNELS = re.compile(r"linux-image-(?!(?:unsigned-)?\d)(?P<flavour>.+?)(?<!-dbg)$")
#: A kernel of apt's; its release.
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(?P<release>\d.+?)(?<!-dbg)(?<!-unsigned)$")
#: Words of such names that those of headers and modules lack.
_IMAGE_ALONE = re.compile(r"^(?:unsigned|extra)-")


@dataclass(frozen=True)
class Form:
    """How the package that a kernel needs is named.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    modules
        The name of the package with a kernel's module, with ``{kernel}`` for its release; empty where the module is
        built, which needs headers.
    """

    manager: str
    modules: str = ""

    def of(self, release: str) -> str:
        """Return the package for a kernel's release, such as ``6.8.0-90-generic``."""
        if self.modules:
            return self.modules.format(kernel=release)
        if self.manager == "apt":
            return "linux-headers-%s" % release
        plain, variant = _variant(release)
        return "kernel%s-devel-%s" % (variant, plain)

    def of_future(self, installed: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the names that what future kernels lack may have, best first, by the package that brings those."""
        found = {}
        for name in sorted(installed) if self.manager == "apt" else ():
            match = _BRINGS_KERNELS.match(name)
            if match:
                flavour = match["flavour"]
                plain = _IMAGE_ALONE.sub("", flavour)
                # Ubuntu's virtual kernels are the generic ones without some modules.
                names = dict.fromkeys((flavour, plain, plain.replace("virtual", "generic")))
                found[name] = tuple(map(self.of, names))
        return {name: possible for name, possible in found.items() if not set(possible) & set(installed)}


@dataclass(frozen=True)
class Needs:
    """What the kernels of a node need.

    Parameters
    ----------
    wanted
        The packages of the kernels that lack theirs, and what brings those of future kernels.
    lost
        The kernels whose package no repository has, with that package, by release.
    kernel
        What brings a newer kernel; empty where none is installed.
    notes
        What brings newer kernels alone, in words for the report.
    """

    wanted: tuple[Wanted, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    kernel: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()


def lacking(form: Form, kernels: Iterable[Kernel], installed: Collection[str]) -> dict[str, str]:
    """Return the kernels that lack their package, with that package, by release."""
    named = {kernel.release: form.of(kernel.release) for kernel in kernels if form.modules or not kernel.headers}
    return {release: name for release, name in named.items() if name not in installed}


def needs(
    form: Form, lacking: Mapping[str, str], installed: Collection[str], archive: Mapping[str, Sequence[str]]
) -> Needs:
    """Return what the kernels need, by what the repositories have: the versions of each package, newest first."""
    names = [name for name in lacking.values() if archive.get(name)]
    notes = []
    for bringer, possible in form.of_future(installed).items():
        offered = [name for name in possible if archive.get(name)]
        names += offered[:1]
        if not offered:
            notes.append("no repository has %s, which newer kernels of %s need" % (possible[0], bringer))
    return Needs(
        wanted=tuple(map(Wanted, dict.fromkeys(names))),
        lost={release: name for release, name in lacking.items() if not archive.get(name)},
        notes=tuple(notes),
    )


def newest(kernels: Iterable[Kernel]) -> str:
    """Return the release of the newest kernel."""
    return max((kernel.release for kernel in kernels), key=lambda release: list(map(int, re.findall(r"\d+", release))))


def bringers(form: Form, release: str, installed: Iterable[str]) -> tuple[str, ...]:
    """Return the packages that bring newer kernels of the node's flavour.

    Parameters
    ----------
    release
        Of the newest kernel, whose flavour counts where the node has no package that follows one.
    """
    if form.manager != "apt":
        variant = _variant(release)[1]
        return ("kernel%s" % variant, "kernel%s-devel" % variant)
    following = tuple(sorted(filter(_BRINGS_KERNELS.match, installed)))
    return following or ("linux-image-%s" % re.sub(r"^(?:\d[^-]*-)+", "", release),)


def newer(
    form: Form, release: str, installed: Mapping[str, str], archive: Mapping[str, Sequence[str]]
) -> tuple[Wanted, ...]:
    """Return what brings a kernel newer than the newest one; see ``bringers``.

    Raises
    ------
    EvenkeelError
        No repository has one.
    """
    names = bringers(form, release, installed)
    if form.manager == "apt":
        found = [Wanted(name, archive[name][0]) for name in names if archive.get(name)]
        found = [one for one in found if installed.get(one.name) != one.version]
    else:
        both = [version for version in archive.get(names[0], ()) if version in archive.get(names[1], ())]
        is_newer = both and not _variant(release)[0].startswith(both[0].partition(":")[2])
        found = [Wanted(name, both[0]) for name in names] if is_newer else []
    if not found:
        raise EvenkeelError(
            "No repository of the node has a newer kernel than %s, and the package %s is gone"
            % (release, form.of(release)),
            "Nothing was changed. Give the node a repository with newer kernels and all that belongs to them: %s"
            % ", ".join(names),
        )
    return tuple(found)


def coming(steps: Iterable[Step]) -> list[str]:
    """Return the releases of apt's kernels that a transaction brings."""
    found = (_IMAGE.match(step.name) for step in steps if step.after and not step.before)
    return [match["release"] for match in found if match]


def refusal(form: Form, lost: Mapping[str, str]) -> EvenkeelError:
    """Return the error that kernels without their package mean."""
    releases = ", ".join(lost)
    what, ways = "headers, so no module can be built for it", ""
    if form.modules:
        what, ways = "module", " Or have modules built on the node: set nvidia_driver_source of the role to nvidia."
    return EvenkeelError(
        "No repository of the node has the package %s: the kernel %s has no %s"
        % (", ".join(lost.values()), releases, what),
        "Nothing was changed. If the node boots another kernel, remove this one. Otherwise install a newer kernel with"
        " its packages, reboot, and run again; nvidia_driver_kernel of the role set to upgrade does that.%s" % ways,
    )


def of_no_package(releases: Iterable[str], manager: str) -> list[str]:
    """Return the kernels whose image belongs to no package: somebody has built them on their own.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    """
    images = {path: release for release in releases for path in linux_kernels.images(release)}
    owned = {images[path] for path in owners.owned(list(images), manager)}
    return [release for release in dict.fromkeys(images.values()) if release not in owned]


def refusal_of_own(form: Form, releases: Sequence[str]) -> EvenkeelError:
    """Return the error that kernels of no package mean, which lack what a driver needs of them."""
    lacks, way = "has no build tree, so no module can be built for it", ""
    if form.modules:
        lacks, way = (
            "has no module",
            "Set nvidia_driver_source of the role to nvidia, which builds modules. ",
        )
    trees = " and ".join("/lib/modules/%s/build" % release for release in releases)
    return EvenkeelError(
        "The kernel %s is of no package and %s" % (", ".join(releases), lacks),
        "Nothing was changed. %sPut the build tree of that kernel where %s points, or remove that kernel from /boot and"
        " /lib/modules" % (way, trees),
    )


def left_without(lost: Mapping[str, str]) -> list[str]:
    """Return the kernels that stay without a module, in words for the report."""
    return [
        "the kernel %s has no module: no repository has %s. Remove that kernel once another one runs" % one
        for one in lost.items()
    ]


def _variant(release: str) -> tuple[str, str]:
    """Return the release of a kernel of Red Hat's family without its variant, and that, such as ``-rt``.

    >>> _variant("5.14.0-503.el9.aarch64+64k"), _variant("4.18.0-553.rt7.342.el8_10.x86_64")
    (('5.14.0-503.el9.aarch64', '-64k'), ('4.18.0-553.rt7.342.el8_10.x86_64', '-rt'))
    """
    plain, _unused, variant = release.partition("+")
    if not variant and re.search(r"\.rt\d", plain):
        variant = "rt"
    return plain, variant and "-%s" % variant
