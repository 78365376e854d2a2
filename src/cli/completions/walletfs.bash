# Completion of walletfs in bash. For ~/.bashrc:
#
#   source <(walletfs completions bash)

_walletfs() {
    local found
    COMPREPLY=()
    while IFS= read -r found; do
        COMPREPLY+=("$found")
    done < <(command walletfs complete --line "${COMP_LINE:0:COMP_POINT}" --fragment "$2" 2> /dev/null)
    # What is to be quoted in a command line, bash quotes as it does the names of files.
    if [[ "${COMPREPLY[*]}" == *[!a-zA-Z0-9\ =_-]* ]] || [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *\ * ]]; then
        compopt -o filenames 2> /dev/null
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2> /dev/null
    fi
}

# Where walletfs knows nothing, bash completes as it does without.
complete -o nosort -o bashdefault -o default -F _walletfs walletfs 2> /dev/null ||
    complete -o bashdefault -o default -F _walletfs walletfs
