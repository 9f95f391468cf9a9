# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images of the nodes: a bare Debian with systemd and an SSH server, nothing else."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab import locks, paths
from lab.errors import LabError
from lab.images import official
from lab.nodes import podman, ssh
from lab.upstream.debian import apt_sources

if TYPE_CHECKING:
    from rich.progress import Progress

SUITES = {"debian12": "bookworm", "debian13": "trixie"}
PACKAGES = (
    "ca-certificates",
    "dbus",
    "fish",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
    "zsh",
)
#: Rocky Linux as nodes can have it here: its package manager and its name, on files of Debian.
ENTERPRISE_SUITE, ENTERPRISE = "bookworm", ("rocky8", "rocky9", "rocky10")
ENTERPRISE_PACKAGES = (
    *(package for package in PACKAGES if package != "python3-apt"),
    "cpio",
    "dkms",
    "dnf",
    "dnf-plugins-core",
    "dracut-core",
    "gcc",
    "kmod",
    "make",
    "mokutil",
    "openssl",
    "pciutils",
    "rpm",
)
ENTERPRISE_SCRIPT = Path(__file__).with_name("customize_enterprise.sh")
#: Ubuntu by its names and settings, on files of the Debian whose apt and DKMS are closest to its own.
UBUNTU = {"ubuntu2204": "bookworm", "ubuntu2404": "bookworm", "ubuntu2604": "trixie"}
UBUNTU_SCRIPT = Path(__file__).with_name("customize_ubuntu.sh")
#: What official images of Rocky Linux and AlmaLinux lack.
OFFICIAL_ENTERPRISE_PACKAGES = (
    *("ca-certificates", "cpio", "dbus", "dkms", "dnf-plugins-core", "dracut", "fish", "gcc", "iproute", "kmod"),
    *("make", "mokutil", "openssh-server", "openssl", "pciutils", "procps-ng", "python3", "sudo", "systemd", "zsh"),
)
#: What the tags of images begin with that are made of official ones.
_OFFICIAL = ":official-"
OFFICIAL_SCRIPT = Path(__file__).with_name("customize_official.sh")
#: Shell scripts that make a fresh Debian a node, and a node one that boots in a container.
NODE, CONTAINER = (Path(__file__).with_name(f"customize_{kind}.sh") for kind in ("node", "container"))

#: For what mounts and forks: in name spaces of its own all of that ends with it, and it ends with this process.
CONFINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def build(release: str, progress: Progress) -> str:
    """Make the base image of ``release`` where it is missing, and return its name.

    Raises
    ------
    LabError
        The release is not known, or mmdebstrap failed.
    """
    name = name_of(release)
    public_key = ssh.public_key()
    make = _make_of_official if release in official.chosen() else _make
    with locks.held(f"image-{release}", progress=progress):
        if not podman.succeeds("image", "exists", name):
            task = progress.add_task(f"{release} image", total=None)
            make(release, name, public_key, lambda line: progress.update(task, description=f"{release} image: {line}"))
            progress.update(task, description=f"{release} image", total=1, completed=1)
            _drop_older(release, name)
    return name


def name_of(release: str) -> str:
    """Return the name that the image of ``release`` has once it is made.

    Raises
    ------
    LabError
        The release is not known.
    """
    if own := official.chosen().get(release):
        scripts_of_all = "".join(path.read_text() for path in (OFFICIAL_SCRIPT, NODE, CONTAINER))
        key = content_key(own, of_official(release), scripts_of_all, ssh.public_key())
        return f"localhost/evenkeel/{release}{_OFFICIAL}{key}"
    known = (*SUITES, *ENTERPRISE, *UBUNTU)
    if release not in known:
        raise LabError(f"there is no release {release}", f"choose from {', '.join(known)}")
    customize = "".join(path.read_text() for path in scripts(release))
    key = content_key(release, packages(release), customize, ssh.public_key())
    return f"localhost/evenkeel/{release}:{key}"


def of_official(release: str) -> tuple[str, ...]:
    """Return what a release's official image lacks to be a node."""
    return PACKAGES if official.of_lab(release).distribution in ("Debian", "Ubuntu") else OFFICIAL_ENTERPRISE_PACKAGES


def packages(release: str) -> tuple[str, ...]:
    """Return the Debian packages of a release's image."""
    return ENTERPRISE_PACKAGES if release in ENTERPRISE else PACKAGES


def scripts(release: str) -> tuple[Path, ...]:
    """Return the scripts that make a fresh Debian a node of a release."""
    extra = (ENTERPRISE_SCRIPT,) if release in ENTERPRISE else (UBUNTU_SCRIPT,) if release in UBUNTU else ()
    return (NODE, CONTAINER, *extra)


def suite(release: str) -> str:
    """Return the Debian suite that a release is made of."""
    return {**SUITES, **UBUNTU}.get(release, ENTERPRISE_SUITE)


def content_key(release: str, packages: Sequence[str], customize: str, public_key: str) -> str:
    """Return a short name for everything that decides what is in an image."""
    parts = [release, *packages, customize, public_key]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _make(release: str, name: str, public_key: str, say: Callable[[str], None]) -> None:
    """Bootstrap and import the image, in a folder that goes away even if an earlier run left it."""
    folder = paths.BUILD / f"image-{release}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tar = folder / "root.tar"
    bootstrap(suite(release), tar, packages(release), scripts(release), public_key, say, {"EVENKEEL_RELEASE": release})
    say("importing")
    podman.run("import", "--quiet", f"--change=LABEL {podman.LABEL}=_image", str(tar), name)
    shutil.rmtree(folder)


def _make_of_official(release: str, name: str, public_key: str, say: Callable[[str], None]) -> None:
    """Build the image on the distribution's official one, which podman fetches."""
    folder = paths.BUILD / f"image-{release}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for script in (OFFICIAL_SCRIPT, NODE, CONTAINER):
        shutil.copyfile(script, folder / script.name)
    steps = [
        f"sh {OFFICIAL_SCRIPT.name} {' '.join(of_official(release))}",
        *(f"sh {one.name} /" for one in (NODE, CONTAINER)),
    ]
    (folder / "Containerfile").write_text(
        f"FROM {official.chosen()[release]}\n"
        f"ENV EVENKEEL_PUBLIC_KEY={shlex.quote(public_key.strip())}\n"
        "COPY *.sh /evenkeel-lab/\nWORKDIR /evenkeel-lab\n"
        f"RUN {' && '.join(steps)} && rm -r /evenkeel-lab\nWORKDIR /\n"
    )
    say("building")
    podman.run("build", "--quiet", "--network=host", f"--label={podman.LABEL}=_image", f"--tag={name}", str(folder))
    shutil.rmtree(folder)


def bootstrap(
    suite: str,
    target: Path,
    packages: Sequence[str],
    scripts: Iterable[Path],
    public_key: str,
    say: Callable[[str], None],
    settings: Mapping[str, str] | None = None,
) -> None:
    """Have mmdebstrap make ``target``, a file ``.tar`` or a folder, and run shell scripts with its tree.

    ``settings`` are variables that the scripts read.

    Raises
    ------
    LabError
        mmdebstrap failed.
    """
    options = ['APT::Sandbox::User "root";', *apt_sources.transport_options()]
    argv = [
        *CONFINED,
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", f"--keyring={apt_sources.KEYRING}"),
        *(f"--aptopt={option}" for option in options),
        *(f'--customize-hook=sh {shlex.quote(str(script))} "$1"' for script in scripts),
        *(suite, str(target), apt_sources.mirror()),
    ]
    heard: list[str] = []
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={
            **os.environ,
            **(settings or {}),
            "EVENKEEL_PUBLIC_KEY": public_key,
            "TMPDIR": str(target.parent),
        },
    ) as mmdebstrap:
        try:
            for line in mmdebstrap.stderr or ():
                heard.append(line)
                if line.startswith("I: "):
                    say(line[3:].strip()[:60].rstrip("."))
        except BaseException:
            mmdebstrap.kill()
            raise
    if mmdebstrap.returncode != 0:
        raise LabError(
            f"mmdebstrap ended with status {mmdebstrap.returncode}:\n{''.join(heard[-12:]).strip()}",
            f"does `apt-get update` work here? Another archive: export {apt_sources.VARIABLE}=http://<mirror>/debian",
        )


def _drop_older(release: str, name: str) -> None:
    """Remove the release's earlier images of the same kind, except those that a container still uses."""
    for image in podman.images():
        is_alike = (_OFFICIAL in image) == (_OFFICIAL in name)
        if image.startswith(f"localhost/evenkeel/{release}:") and image != name and is_alike:
            podman.succeeds("image", "rm", image)
