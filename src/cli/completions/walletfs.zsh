#compdef walletfs
# Completion of walletfs in zsh. For ~/.zshrc, after compinit:
#
#   source <(walletfs completions zsh)

_walletfs() {
    local found value explained
    local -a directories others
    for found in "${(@f)$(command walletfs complete -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2> /dev/null)}"; do
        [[ -n $found ]] || continue
        value=${found%%$'\t'*}
        explained=${${found#$value}/$'\t'/:}
        # A colon is what ends a value for _describe.
        if [[ $value == */ ]]; then
            value=${value%/}
            directories+=("${${value//\\/\\\\}//:/\\:}$explained")
        else
            others+=("${${value//\\/\\\\}//:/\\:}$explained")
        fi
    done
    if (($#directories + $#others)); then
        (($#others)) && _describe -V walletfs others
        (($#directories)) && _describe -V directories directories -S / -r /
    else
        # Where walletfs knows nothing: files.
        _files
    fi
}

# From a directory of $fpath, this file is the function itself.
if [[ ${funcstack[1]} == _walletfs ]]; then
    _walletfs "$@"
else
    compdef _walletfs walletfs
fi
