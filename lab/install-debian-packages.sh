#!/bin/sh
# Install the Debian packages that the lab needs and that are missing here; report them, or, without root, the command.
set -eu
cd "$(dirname "$0")"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "The control node needs Python 3.11 or newer as python3; this one is $(python3 --version)." >&2
    exit 1
}

missing=
python3 -c 'import ensurepip' 2>/dev/null || missing=python3-venv
while read -r package probe; do
    case $package in
    '' | '#'*) continue ;;
    esac
    case $probe in
    /*) [ -e "$probe" ] || missing="$missing $package" ;;
    *) command -v "$probe" >/dev/null || missing="$missing $package" ;;
    esac
done <debian-packages.txt
[ -n "$missing" ] || exit 0

command="apt-get install --yes --no-install-recommends $missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing. Install them: sudo $command" >&2
    exit 1
fi
echo "Installing the Debian packages that are missing: $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
exec $command --quiet=2 >/dev/null
