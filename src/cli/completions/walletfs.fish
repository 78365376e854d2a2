# Completion of walletfs in fish. For ~/.config/fish/config.fish:
#
#   walletfs completions fish | source

function __walletfs_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor | string unescape)
    set -l found (command walletfs complete -- $words "$current" 2> /dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        # Where walletfs knows nothing: files.
        __fish_complete_path "$current"
    end
end

complete --command walletfs --no-files --keep-order --arguments '(__walletfs_complete)'
