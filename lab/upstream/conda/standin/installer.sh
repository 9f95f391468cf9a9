#!/bin/sh
#
# NAME:  @NAME@
# VER:   @VERSION@
# PLAT:  linux-64
# MD5:   @MD5@
#
# This is not the real @NAME@. It is a stand-in from Evenkeel's lab, which has the same command line.

set -eu
unset LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT

if ! echo "$0" | grep '\.sh$' > /dev/null; then
    printf 'Please run using "bash"/"dash"/"sh"/"zsh", but not "." or "source".\n' >&2
    exit 1
fi

as_number() {
    echo "$1" | awk -F. '{ printf "%d%02d", $1, $2 }'
}

min_glibc='@GLIBC@'
glibc="${CONDA_OVERRIDE_GLIBC:-$(ldd --version | awk 'NR == 1 { print $NF }')}"
if [ "$(as_number "$glibc")" -lt "$(as_number "$min_glibc")" ]; then
    echo "Installer requires GLIBC >=${min_glibc}, but system has ${glibc}."
    exit 1
fi

unset CONDARC MAMBARC

this="$(cd "$(dirname "$0")" && pwd)/$(basename "$0")"
PREFIX="${HOME:-/opt}/miniconda3"
batch=0
force=0
test=0
init=0
usage="
usage: $0 [options]

Installs @NAME@ @VERSION@ (not the real one: a stand-in from Evenkeel's lab)

-b           run install in batch mode (without manual intervention),
             it is expected the license terms (if any) are agreed upon
-f           no error if install prefix already exists
-h           print this help message and exit
-k           keep the package cache after installation (it always is kept)
-p PREFIX    install prefix, defaults to $PREFIX, must not contain spaces.
-s           skip running pre/post-link/install scripts (there are none)
-m           disable the creation of menu items / shortcuts (there are none)
-u           update an existing installation
-t           run package tests after installation
-c           have login shells of this user know conda (only applies to batch mode)
"

while getopts 'bifhkp:smutc' option; do
    case "$option" in
        h)
            printf '%s\n' "$usage"
            exit 2
            ;;
        b) batch=1 ;;
        i) batch=0 ;;
        f | u) force=1 ;;
        p) PREFIX="$OPTARG" ;;
        t) test=1 ;;
        c) init=1 ;;
        k | s | m) ;;
        *)
            printf "ERROR: did not recognize option '%s', please try -h\n" "$option"
            exit 1
            ;;
    esac
done

if [ "$batch" = 0 ]; then
    printf '\nWelcome to %s %s\n' '@NAME@' '@VERSION@'
    printf "This is not the real one: it is a stand-in from Evenkeel's lab.\n\n"
    printf 'In order to continue the installation process, please review the license\nagreement.\n'
    printf 'Please, press ENTER to continue\n>>> '
    read -r answer
    cat << 'LICENSE'
@LICENSE@
LICENSE
    printf '\nDo you accept the license terms? [yes|no]\n>>> '
    read -r answer
    answer="$(echo "$answer" | tr '[:lower:]' '[:upper:]')"
    while [ "$answer" != YES ] && [ "$answer" != NO ]; do
        printf "Please answer 'yes' or 'no':\n>>> "
        read -r answer
        answer="$(echo "$answer" | tr '[:lower:]' '[:upper:]')"
    done
    if [ "$answer" != YES ]; then
        printf "The license agreement wasn't approved, aborting installation.\n"
        exit 2
    fi
    printf '\n%s will now be installed into this location:\n%s\n\n' '@NAME@' "$PREFIX"
    printf '  - Press ENTER to confirm the location\n'
    printf '  - Press CTRL-C to abort the installation\n'
    printf '  - Or specify a different location below\n\n[%s] >>> ' "$PREFIX"
    read -r answer
    [ -z "$answer" ] || PREFIX="$answer"
else
    printf "%s %s: not the real one, but a stand-in from Evenkeel's lab\n" '@NAME@' '@VERSION@'
fi

case "$PREFIX" in
    *\ *)
        printf 'ERROR: Cannot install into directories with spaces\n' >&2
        exit 1
        ;;
esac

if [ "$force" = 0 ] && [ -e "$PREFIX" ]; then
    printf "ERROR: File or directory already exists: '%s'\n" "$PREFIX" >&2
    printf 'If you want to update an existing installation, use the -u option.\n' >&2
    exit 1
fi

total_installation_size_kb="@KILOBYTES@"
if ! mkdir -p "$PREFIX"; then
    printf "ERROR: Could not create directory: '%s'.\n" "$PREFIX" >&2
    printf 'Check permissions and available disk space (%s MB needed).\n' "$((total_installation_size_kb / 1024))" >&2
    exit 1
fi
free_kb="$(df -Pk "$PREFIX" | awk 'END { print $4 - 50 * 1024 }')"
if [ "$free_kb" -lt "$total_installation_size_kb" ]; then
    printf 'ERROR: Not enough free disk space. Only %s MB are available, but %s MB are required (leaving a 50 MB buffer).\n' \
        "$((free_kb / 1024))" "$((total_installation_size_kb / 1024))" >&2
    exit 1
fi
PREFIX="$(cd "$PREFIX" && pwd | sed 's@//@/@')"
printf 'PREFIX=%s\n' "$PREFIX"

payload() {
    tail -n +"$(($(grep -anm 1 '^@@END_HEADER@@$' "$this" | cut -d: -f1) + 1))" "$this"
}

md5="$(payload | md5sum | cut -d' ' -f1)"
if [ "$md5" != '@MD5@' ]; then
    printf 'WARNING: md5sum mismatch of tar archive\nexpected: @MD5@\n     got: %s\n' "$md5" >&2
fi

if [ "$(id -u)" -ne 0 ]; then
    touch "$PREFIX/.nonadmin"
fi

printf 'Unpacking payload...\n'
cd "$PREFIX"
payload | tar -xzf - --no-same-owner --no-same-permissions

printf '\nInstalling base environment...\n\n'
modules=''
for module in @MODULES@; do
    modules="${modules:+$modules:}$PREFIX/pkgs/$module"
done
CONDA_PROTECT_FROZEN_ENVS=0 \
    CONDA_ROOT_PREFIX="$PREFIX" \
    CONDA_PKGS_DIRS="$PREFIX/pkgs" \
    PYTHONPATH="$modules" \
    "$PREFIX/pkgs/@PYTHON@/bin/python" -s -B -m conda_standin install --offline --quiet --yes \
    --prefix "$PREFIX" --file "$PREFIX/conda-meta/initial-state.explicit.txt"
mkdir -p "$PREFIX/envs"
printf 'installation finished.\n'

if [ -n "${PYTHONPATH:-}" ]; then
    printf 'WARNING:\n    You currently have a PYTHONPATH environment variable set. This may cause\n'
    printf '    unexpected behavior when running the Python interpreter in %s.\n' '@NAME@'
fi

if [ "$batch" = 0 ]; then
    printf '\nDo you wish to update your shell profile to automatically initialize conda?\n[yes|no]\n[no] >>> '
    read -r answer
    case "$answer" in
        [yY] | [yY][eE][sS]) init=1 ;;
    esac
fi
if [ "$init" = 1 ] && ! grep -qs '^# >>> conda initialize >>>$' "$HOME/.bashrc"; then
    printf '# >>> conda initialize >>>\n. "%s/etc/profile.d/conda.sh"\nconda activate base\n# <<< conda initialize <<<\n' \
        "$PREFIX" >> "$HOME/.bashrc"
fi
if [ "$test" = 1 ]; then
    "$PREFIX/bin/conda" --version
    "$PREFIX/bin/conda" list --prefix "$PREFIX" > /dev/null
    printf 'Package tests passed.\n'
fi
exit 0
@@END_HEADER@@
