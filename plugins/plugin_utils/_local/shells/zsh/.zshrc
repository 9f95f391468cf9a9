# SPDX-License-Identifier: GPL-3.0-or-later
# The user's .zshrc may activate another environment.
ZDOTDIR=$EVENKEEL_ZDOTDIR
if [[ -r $ZDOTDIR/.zshrc ]]; then . $ZDOTDIR/.zshrc; fi
eval "$EVENKEEL_ACTIVATION"
unset EVENKEEL_ACTIVATION EVENKEEL_ZDOTDIR
PS1="($CONDA_DEFAULT_ENV) $PS1"
