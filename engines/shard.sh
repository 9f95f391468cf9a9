#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a playbook from several control nodes at once, each for its share of the group gpu_nodes:
#
#   engines/shard.sh DIRECTORY PLAYBOOK CONTROL_NODE...
#
# DIRECTORY is a private data directory of ansible-runner. SSH reaches each control node without a password, and finds
# ansible-runner there. Results come back to DIRECTORY/artifacts/CONTROL_NODE. docs/engines.md has an example.
set -euo pipefail

[ $# -ge 3 ] || {
    echo "Usage: engines/shard.sh DIRECTORY PLAYBOOK CONTROL_NODE..." >&2
    exit 64
}
directory=$1 playbook=$2
shift 2

# A dead control node must not be waited for: its SSH session ends after a minute of silence.
connect=(ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4)
shards=$directory/project/shards
rm -rf "$shards" "${@/#/$directory/artifacts/}"
mkdir -p "$shards"
hosts=$(ansible gpu_nodes --inventory "$directory/inventory" --list-hosts | sed -n 's/^    //p')
[ -n "$hosts" ] || {
    echo "The inventory $directory/inventory has no host in the group gpu_nodes. List the nodes there." >&2
    exit 1
}

# Each control node gets every n-th host, so that neighbours in a rack are not all with one.
split --number="r/$#" --elide-empty-files --numeric-suffixes=1 --suffix-length=3 - "$shards/" <<<"$hosts"
number=0
for node; do
    number=$((number + 1))
    share=$shards/$(printf %03d $number)
    [ -e "$share" ] || break
    mv "$share" "$shards/$node"
    ansible-runner transmit "$directory" --playbook "$playbook" --limit "@shards/$node" |
        "${connect[@]}" "$node" ansible-runner worker |
        ansible-runner process "$directory" --ident "$node" &
done
wait

status=0
for share in "$shards"/*; do
    node=${share##*/}
    if [ ! -e "$directory/artifacts/$node/rc" ]; then
        echo "$node did not end. Its hosts are in $share ($(wc -l <"$share")): run them again from another control node." >&2
        status=1
    elif [ "$(cat "$directory/artifacts/$node/rc")" != 0 ]; then
        echo "$node: ansible-playbook ended with status $(cat "$directory/artifacts/$node/rc")" >&2
        [ $status = 1 ] || status=2
    fi
done
exit $status
