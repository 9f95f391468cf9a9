# Shell integration of Evenkeel's lab stand-in for conda, for fish.

set -gx CONDA_EXE '@PREFIX@/bin/conda'
set -gx CONDA_PYTHON_EXE '@PREFIX@/bin/python'

function conda
    switch "$argv[1]"
        case activate deactivate
            set -l code ($CONDA_EXE shell.fish $argv)
            or return
            string join \n -- $code | source
        case install update upgrade remove uninstall
            $CONDA_EXE $argv
            or return
            $CONDA_EXE shell.fish reactivate | source
        case '*'
            $CONDA_EXE $argv
    end
end

if not set -q CONDA_SHLVL
    set -gx CONDA_SHLVL 0
    set -gx PATH '@PREFIX@/condabin' $PATH
end
