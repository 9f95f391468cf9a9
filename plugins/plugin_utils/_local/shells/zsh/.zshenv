# SPDX-License-Identifier: GPL-3.0-or-later
# Read by the zsh of `evenkeel env shell`: the user's own files, wherever they are.
evenkeel_zdotdir=$ZDOTDIR
ZDOTDIR=$EVENKEEL_ZDOTDIR
if [[ -r $ZDOTDIR/.zshenv ]]; then . $ZDOTDIR/.zshenv; fi
EVENKEEL_ZDOTDIR=$ZDOTDIR
ZDOTDIR=$evenkeel_zdotdir
unset evenkeel_zdotdir
