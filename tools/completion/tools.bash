# SPDX-License-Identifier: MIT
# Completion for bash of forest, objstore and sched, installed once under each name.
#
# Nothing about commands and options stands here: they are read from the tool's own help, so what is
# offered is what that tool takes. `help` gives the commands, `help COMMAND` the options and, by the
# words of its usage and the placeholders of its options, what values are.
#
# Names of stores, pools and objects may be anybody's: they are compared, never given to `compgen -W`,
# which would run a $(command) in them.

# Offer those of the lines on standard input that start as what is being typed.
_objstore_tools_offer() {
    local line
    while IFS= read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done
}

_objstore_tools_files() { # compgen option
    local line
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")
}

# Values of this key in JSON lines.
_objstore_tools_values() {
    sed -n "s/^{\(.*,\)\{0,1\}\"$1\":\"\([^\"\\\\]*\)\".*/\2/p"
}

_objstore_tools_commands() {
    "$tool" help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p'
}

# What the help text $help calls the option's value, nothing if it takes none. Fails if it is no option.
_objstore_tools_placeholder() { # OPTION
    local line row='^  (-(.), |    )--([a-z0-9-]+)( ([^ ]+))?'
    while IFS= read -r line; do
        [[ $line =~ $row ]] || continue
        [[ $1 == "--${BASH_REMATCH[3]}" || (${BASH_REMATCH[2]} && $1 == "-${BASH_REMATCH[2]}") ]] || continue
        echo "${BASH_REMATCH[5]}"
        return 0
    done <<<"$help"
    return 1
}

# What a value or a word can be, by the name that the help has for it.
_objstore_tools_kind() { # NAME STORE
    case $1 in
    FILE* | *.so) _objstore_tools_files -f ;;
    DIR) _objstore_tools_files -d ;;
    STORE*) _objstore_tools_offer < <("$tool" ls --json 2>/dev/null | _objstore_tools_values store) ;;
    POOL*) _objstore_tools_offer < <("$tool" ls --json 2>/dev/null | _objstore_tools_values pool) ;;
    OBJECT*) _objstore_tools_offer < <("$tool" ls --json "$2" 2>/dev/null | _objstore_tools_values name) ;;
    esac
    # of a choice those in small letters are meant as they stand
    [[ $1 == *'|'* ]] && _objstore_tools_offer < <(tr '|' '\n' <<<"$1" | grep '^[a-z]')
    case $1 in STORE*) [[ ${COMPREPLY[*]} ]] || _objstore_tools_files -f ;; esac # a store may be a path
}

# The kinds of the words that are no options, in their order, from the first line of $help.
_objstore_tools_words() {
    local usage word is_value=
    read -r _ _ _ usage <<<"${help%%$'\n'*}"
    for word in $usage; do
        case $word in
        -* | \[-*) is_value=1; continue ;;
        \[options\]) ;;
        *) [[ $is_value ]] || { word=${word#[}; echo "${word/]/}"; } ;;
        esac
        is_value=
    done
}

_objstore_tools() {
    local tool=${1/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
    local before=${COMP_WORDS[COMP_CWORD - 1]} help i kind kinds words=()
    COMPREPLY=()
    if [[ $COMP_CWORD == 1 ]]; then
        _objstore_tools_offer < <(_objstore_tools_commands; printf '%s\n' help --help --version)
        return
    elif [[ $command == help ]]; then
        [[ $COMP_CWORD == 2 ]] && _objstore_tools_offer < <(_objstore_tools_commands)
        return
    fi
    help=$("$tool" help "$command" 2>/dev/null) || return
    # bash makes three words of --name=value
    if [[ $cur == '=' ]]; then
        cur=
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if kind=$(_objstore_tools_placeholder "$before") && [[ $kind ]]; then
        _objstore_tools_kind "$kind"
        return
    fi
    if [[ $cur == -* ]]; then
        _objstore_tools_offer < <(sed -n 's/^  \(-., \|    \)\(--[a-z0-9-]*\).*/\2/p' <<<"$help")
        return
    fi
    # Which word is next: those before that are no option, nor an option's value.
    for ((i = 2; i < COMP_CWORD; i++)); do
        if kind=$(_objstore_tools_placeholder "${COMP_WORDS[i]}"); then
            [[ $kind ]] && ((i++))
            [[ ${COMP_WORDS[i]} == '=' ]] && ((i++))
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    mapfile -t kinds < <(_objstore_tools_words)
    i=${#words[@]}
    # OBJECT... is any number of them
    [[ ${#kinds[@]} -gt 0 && $i -ge ${#kinds[@]} && ${kinds[-1]} == *... ]] && i=$((${#kinds[@]} - 1))
    [[ ${kinds[i]-} ]] && _objstore_tools_kind "${kinds[i]}" "${words[0]-}"
    return 0
}
complete -F _objstore_tools forest objstore sched
