# Shell integration of Evenkeel's lab stand-in for conda, for bash, zsh and other POSIX shells.

export CONDA_EXE='@PREFIX@/bin/conda'
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'
export _CE_M=''
export _CE_CONDA=''

__conda_evaluate() {
    local code
    code="$(PS1="${PS1:-}" "${CONDA_EXE}" shell.posix "$@")" || return
    eval "${code}"
    hash -r
}

conda() {
    case "${1:-}" in
        activate | deactivate)
            __conda_evaluate "$@"
            ;;
        install | update | upgrade | remove | uninstall)
            "${CONDA_EXE}" "$@" || return
            __conda_evaluate reactivate
            ;;
        *)
            "${CONDA_EXE}" "$@"
            ;;
    esac
}

if [ -z "${CONDA_SHLVL+x}" ]; then
    export CONDA_SHLVL=0
    export PATH='@PREFIX@/condabin'":${PATH}"
    PS1="${PS1:-}"
fi
