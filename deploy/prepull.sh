#!/bin/sh
# Pull the weights of many models onto one volume, before the first job asks for them.
set -euf

usage() {
    cat <<'TEXT'
Usage: deploy/prepull.sh [OPTIONS] MODEL[=PROFILE]...

Pulls the weights of each model with `kinomill models pull`, one after the other; what is there
already stays, and an interrupted pull goes on where it was. A model that cannot be had does not
keep the next ones away. A MODEL may also be the path of a weights.toml.

  --list FILE      more models, one on a line; # begins a comment; - is standard input
  --volume FOLDER  the volume (default: KINOMILL_WEIGHTS)
  --adopt FOLDER   take files from here, e.g. another project's ~/.cache/huggingface; repeatable
  --compose        pull in the container `weights` of compose.yaml, onto its volume
  --dry-run        print the commands, run none
  --help           this text

Example: deploy/prepull.sh --adopt ~/.cache/huggingface musetalk wan2.2-i2v=gguf-q5_0

The environment of `kinomill models pull` counts: HF_TOKEN, KINOMILL_ACCEPT_LICENSES, …
Exit code: 0 all is there, 1 a model could not be had, 2 usage, 130 interrupted.
TEXT
}

newline='
'

refuse() {
    echo "prepull: $1; see --help" >&2
    exit 2
}

# The lines of a list without comments, blanks and empty lines.
entries() {
    sed -e 's/#.*//' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

# A command as one could type it.
shown() {
    line=
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=@+-]*) word="'$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    printf '%s\n' "${line# }"
}

# Runs the command that pulls MODEL[=PROFILE], or prints it.
pull() {
    model=$1
    set -- kinomill models pull "${model%=*}"
    case $model in *=*) set -- "$@" --profile "${model##*=}" ;; esac
    if [ -n "$volume" ]; then set -- "$@" --volume "$volume"; fi
    if [ -n "$compose" ]; then in_compose "$@"; else on_this_machine "$@"; fi
}

on_this_machine() {
    for folder in $adopt; do set -- "$@" --adopt "$folder"; done
    act "$@"
}

# The folders are mounted, read-only, where the container can see them; `mounts` has a word a line.
in_compose() {
    mounts=
    number=0
    for folder in $adopt; do
        number=$((number + 1))
        mounts="${mounts}--volume$newline$folder:/adopt/$number:ro$newline"
        set -- "$@" --adopt "/adopt/$number"
    done
    # shellcheck disable=SC2086
    act docker compose --project-directory "$root" run --rm --no-deps $mounts weights "$@"
}

act() {
    if [ -n "$dry_run" ]; then
        shown "$@"
    else
        "$@" < /dev/null
    fi
}

root=$(cd "$(dirname "$0")/.." && pwd)
volume='' compose='' dry_run='' adopt='' models=''
while [ $# -gt 0 ]; do
    case $1 in
        --list | --volume | --adopt) [ $# -gt 1 ] || refuse "$1 needs a value" ;;
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
        -*) refuse "there is no option $1" ;;
        *) models="$models$1$newline" ;;
    esac
    shift
done
[ -n "${models%"$newline"}" ] || refuse "name the models to pull"
if [ -n "$compose" ] && [ -n "$volume" ]; then refuse "--compose has a volume of its own"; fi
PATH=$PATH:$root/.venv/bin
IFS=$newline
trap 'exit 130' INT

failed=
for model in $models; do
    pull "$model" || failed="$failed ${model%=*}"
done
if [ -n "$failed" ]; then
    echo "prepull: could not be had:$failed" >&2
    exit 1
fi
