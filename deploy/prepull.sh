#!/bin/sh
# Pull the weights of many models onto one volume, before the first job needs them.
set -euf

usage() {
    cat <<'TEXT'
Usage: deploy/prepull.sh [OPTIONS] MODEL[=PROFILE]...

Pulls the weights of each model with `kinomill models pull`, one after the other. Existing files are
kept, and an interrupted pull resumes. If a model cannot be pulled, the script goes on with the next
one. A MODEL may also be the path of a weights.toml.

  --list FILE      more models, one per line; # starts a comment; - is standard input
  --volume FOLDER  the volume (default: KINOMILL_WEIGHTS)
  --adopt FOLDER   take files from here, e.g. another project's ~/.cache/huggingface; repeatable
  --compose        pull in the container `weights` of compose.yaml, onto its volume
  --dry-run        print the commands without running them
  --help           print this text

Example: deploy/prepull.sh --adopt ~/.cache/huggingface musetalk wan2.2-i2v=gguf-q5_0

The environment variables of `kinomill models pull` apply: HF_TOKEN, KINOMILL_ACCEPT_LICENSES, …
Exit code: 0 all pulled, 1 a model could not be pulled, 2 usage error, 130 interrupted.
TEXT
}

newline='
'

usage_error() {
    echo "prepull: $1; see --help" >&2
    exit 2
}

# Print the lines of a list without comments, surrounding blanks and empty lines.
entries() {
    sed -e 's/#.*//' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

# Print a command, quoted for the shell.
print_command() {
    line=
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=@+-]*) word="'$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    printf '%s\n' "${line# }"
}

# Run, or print, the command that pulls MODEL[=PROFILE].
pull() {
    model=$1
    set -- kinomill models pull "${model%=*}"
    case $model in *=*) set -- "$@" --profile "${model##*=}" ;; esac
    if [ -n "$volume" ]; then set -- "$@" --volume "$volume"; fi
    if [ -n "$compose" ]; then in_compose "$@"; else on_this_machine "$@"; fi
}

on_this_machine() {
    for folder in $adopt; do set -- "$@" --adopt "$folder"; done
    run "$@"
}

# The --adopt folders are mounted read-only into the container; `mounts` has one word per line.
in_compose() {
    mounts=
    number=0
    for folder in $adopt; do
        number=$((number + 1))
        mounts="${mounts}--volume$newline$folder:/adopt/$number:ro$newline"
        set -- "$@" --adopt "/adopt/$number"
    done
    # shellcheck disable=SC2086
    run docker compose --project-directory "$root" run --rm --no-deps $mounts weights "$@"
}

run() {
    if [ -n "$dry_run" ]; then
        print_command "$@"
    else
        "$@" < /dev/null
    fi
}

root=$(cd "$(dirname "$0")/.." && pwd)
volume='' compose='' dry_run='' adopt='' models=''
while [ $# -gt 0 ]; do
    case $1 in
        --list | --volume | --adopt) [ $# -gt 1 ] || usage_error "$1 needs a value" ;;
    esac
    case $1 in
        --help | -h) usage; exit 0 ;;
        --list)
            found=$(entries "$2") || exit 2
            models="$models$found$newline"; shift ;;
        --volume) volume=$2; shift ;;
        --adopt)
            case $2 in /*) folder=$2 ;; *) folder=$PWD/$2 ;; esac
            adopt="$adopt$folder$newline"; shift ;;
        --compose) compose=yes ;;
        --dry-run) dry_run=yes ;;
        -*) usage_error "unknown option $1" ;;
        *) models="$models$1$newline" ;;
    esac
    shift
done
[ -n "${models%"$newline"}" ] || usage_error "name the models to pull"
if [ -n "$compose" ] && [ -n "$volume" ]; then usage_error "--compose has its own volume"; fi
PATH=$PATH:$root/.venv/bin
IFS=$newline
trap 'exit 130' INT

failed=
for model in $models; do
    pull "$model" || failed="$failed ${model%=*}"
done
if [ -n "$failed" ]; then
    echo "prepull: could not be pulled:$failed" >&2
    exit 1
fi
