#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run in a container of a distribution: gives it a Python that runs the roles' code, and has that ask the package manager.
set -eu

suits() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))'
}

if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # Images forget what apt has read; here it is read again and again.
    rm -f /etc/apt/apt.conf.d/docker-clean
    # Debian's own driver is in these.
    sources=/etc/apt/sources.list.d/debian.sources
    [ ! -f $sources ] || sed -i 's/^Components: main$/Components: main contrib non-free non-free-firmware/' $sources
    apt-get --quiet=2 update
    suits python3 && [ -d /etc/ssl/certs ] ||
        apt-get --quiet=2 --yes --no-install-recommends install ca-certificates python3 >/dev/null
else
    suits python3 || dnf --quiet --assumeyes install python3.12 || dnf --quiet --assumeyes install python39
fi
for python in python3 python3.12 python3.9; do
    if suits $python; then
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/srv/evenkeel exec $python /srv/reality/inside.py /srv/asked.json /srv/answers/answers.jsonl
    fi
done
echo 'There is no Python of version 3.9 or newer' >&2
exit 1
