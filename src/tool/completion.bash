# SPDX-License-Identifier: MIT
#
# Completion of the command fastalloc in bash, with the package bash-completion or without. A program that `run` starts is
# completed as if it stood alone. A test compares options with `fastalloc help`, settings with the library's table.

# The words of the settings that have words.
_fastalloc_table=(
    'arena_budget='
    'background_thread=off|on'
    'cgroup=auto|off'
    'check=off|on'
    'demand_half_life='
    'foreign=abort|libc'
    'hard_limit='
    'huge=auto|always|never|hugetlb'
    'leak_check=off|exit'
    'leak_exit_code='
    'lease_fund='
    'lease_share='
    'numa=auto|off|interleave|bind:'
    'probes=off|on'
    'slack='
    'slack_share='
    'soft_limit='
    'stats_print=off|exit'
    'stats_signal=off|USR1|USR2'
)

# Reads what is typed into `words`, as they are between blanks; bash has taken them apart at = and : as well. `places` has
# the place of each in COMP_WORDS.
_fastalloc_read()
{
    local rest=$COMP_LINE piece place
    for ((place = 0; place <= COMP_CWORD; place++)); do
        piece=${COMP_WORDS[place]}
        if [[ $place -ne 0 && -n $rest && $rest != [[:blank:]]* ]]; then
            words[-1]+=$piece
        else
            words+=("$piece")
            places+=("$place")
        fi
        rest=${rest#"${rest%%[![:blank:]]*}"}
        rest=${rest#"$piece"}
    done
}

# _fastalloc_offer BEGIN WORD...: those of the words, each behind BEGIN, that go on from the current word.
_fastalloc_offer()
{
    local begin=$1 word
    shift
    for word; do
        [[ $begin$word == "$current"* ]] && COMPREPLY+=("$begin$word")
    done
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2>/dev/null
    return 0
}

# _fastalloc_offer_settings BEGIN: "KEY=", or "KEY=WORD" where the key is there.
_fastalloc_offer_settings()
{
    local setting key choices
    for setting in "${_fastalloc_table[@]}"; do
        key=$1${setting%%=*}=
        if [[ $current == "$key"* ]]; then
            IFS='|' read -ra choices <<<"${setting#*=}"
            _fastalloc_offer "$key" "${choices[@]}"
            return
        fi
    done
    _fastalloc_offer "$1" "${_fastalloc_table[@]/%=*/=}"
}

# Processes on the library; all where none is known.
_fastalloc_offer_processes()
{
    local maps processes
    maps=$(grep -lse 'libfastalloc\.so' -e 'anon:fastalloc' /proc/[0-9]*/maps 2>/dev/null)
    [[ -n $maps ]] || maps=$(printf '%s\n' /proc/[0-9]*/maps)
    read -rd '' -a processes <<<"${maps//[!0-9$'\n']/}"
    _fastalloc_offer '' "${processes[@]}"
}

_fastalloc_offer_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
}

# _fastalloc_offer_program NUMBER: as if the words began with that one.
_fastalloc_offer_program()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "${places[$1]}"
    elif [[ $1 -eq $((${#words[@]} - 1)) && $current != */* ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$current" | sort -u)
    else
        _fastalloc_offer_files
    fi
}

_fastalloc_run()
{
    local number last=$((${#words[@]} - 1)) option=
    for ((number = 2; number < last; number++)); do
        if [[ -n $option ]]; then
            option=
        elif [[ ${words[number]} == -- ]]; then
            _fastalloc_offer_program $((number + 1))
            return
        elif [[ ${words[number]} == --@(set|huge|numa) ]]; then
            option=${words[number]}
        elif [[ ${words[number]} != -* ]]; then
            _fastalloc_offer_program "$number"
            return
        fi
    done
    case $option in
    --set)
        _fastalloc_offer_settings ''
        return
        ;;
    --huge | --numa)
        current=${option#--}=$current
        _fastalloc_offer_settings ''
        COMPREPLY=("${COMPREPLY[@]#"${option#--}="}")
        return
        ;;
    esac
    case $current in
    --set=*) _fastalloc_offer_settings --set= ;;
    --huge=* | --numa=*) _fastalloc_offer_settings -- ;;
    -*) _fastalloc_offer '' --set --huge --numa --stats --valgrind ;;
    *) _fastalloc_offer_program "$last" ;;
    esac
}

_fastalloc()
{
    local words=() places=() current typed
    COMPREPLY=()
    _fastalloc_read
    current=${words[-1]}
    typed=$current
    if [[ ${#words[@]} -eq 2 ]]; then
        _fastalloc_offer '' run conf stat top where map numa help --help --version
        return
    fi
    case ${words[1]} in
    run)
        _fastalloc_run
        ;;
    help)
        _fastalloc_offer '' run conf stat top where map numa
        ;;
    conf)
        _fastalloc_offer '' --json --file
        [[ ${words[-2]} != --file ]] || _fastalloc_offer_files
        ;;
    numa)
        _fastalloc_offer '' --json
        ;;
    top)
        _fastalloc_offer '' --interval
        _fastalloc_offer_processes
        ;;
    stat | where)
        _fastalloc_offer '' --json
        _fastalloc_offer_processes
        _fastalloc_offer_files
        ;;
    map)
        [[ ${words[-2]} == -o ]] || _fastalloc_offer_processes
        _fastalloc_offer '' -o
        _fastalloc_offer_files
        ;;
    esac
    # bash replaces what lies behind the last = or : only.
    COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*[=:]}"}"}")
}

complete -F _fastalloc fastalloc
