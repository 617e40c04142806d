#!/usr/bin/env bash
# Shared by the scripts for Cloud Run, which source it: options, settings, steps, dry run, templates.
set -euo pipefail

if [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
    echo "$(basename "$0"): bash 4 or newer is needed, this is $BASH_VERSION" >&2
    exit 2
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$(basename "$0")
dry_run=''
step='read the settings'

# Name and default of each setting; one without a default must be in the file.
declare -A defaults=(
    [PROJECT]='' [REGION]='' [PREFIX]=kinomill [TAG]=0.1.0 [NETWORK]=default [SUBNET]=default
    [PUBLIC_URL]='' [API_MIN]=0 [API_MAX]=4 [RESULTS_BUCKET]='' [WEIGHTS_BUCKET]=''
    [SQL_VERSION]=POSTGRES_17 [SQL_TIER]=db-custom-1-3840 [REDIS_GB]=1
    [POOLS]=l4 [L4_MODELS]=musetalk [L4_MIN]=0 [L4_MAX]=1
    [RTX_PRO_6000_MODELS]=wan2.2-i2v [RTX_PRO_6000_MIN]=0 [RTX_PRO_6000_MAX]=1
    [ACCEPT_LICENSES]='' [WEIGHTS_PROFILES]='' [IDLE_SECONDS]=600
)
required='PROJECT REGION'

fail() {
    echo "$program: $1" >&2
    exit "${2:-1}"
}

usage_error() {
    fail "$1; see --help" 2
}

# Read the options that all scripts have; the others are left in `rest`.
read_options() {
    settings_file=$here/cloudrun.env
    out=$root/build/cloudrun
    rest=()
    while [ $# -gt 0 ]; do
        case $1 in
            --env | --out) [ $# -gt 1 ] || usage_error "$1 needs a value" ;;
        esac
        case $1 in
            --help | -h) usage; exit 0 ;;
            --dry-run) dry_run=yes ;;
            --env) settings_file=$2; shift ;;
            --out) out=$2; shift ;;
            *) rest+=("$1") ;;
        esac
        shift
    done
    load_settings
}

load_settings() {
    local name line number=0
    [ -f "$settings_file" ] || fail "$settings_file does not exist: copy \
$here/cloudrun.env.example there and fill it in" 2
    for name in "${!defaults[@]}"; do printf -v "$name" %s "${defaults[$name]}"; done
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        load_setting "$line" "$settings_file:$number"
    done < "$settings_file"
    for name in $required; do
        [ -n "${!name}" ] || fail "$settings_file does not set $name" 2
    done
    check_settings
    : "${RESULTS_BUCKET:=$PROJECT-$PREFIX-results}" "${WEIGHTS_BUCKET:=$PROJECT-$PREFIX-weights}"
    # shellcheck disable=SC2034 # the scripts and templates name it
    REGISTRY=$REGION-docker.pkg.dev/$PROJECT/$PREFIX
}

# One line of the file: NAME=VALUE, a comment, or nothing.
load_setting() {
    local line=$1 where=$2
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && return
    [[ $line =~ ^([A-Z][A-Z0-9_]*)=([A-Za-z0-9_./:@,=+-]*)[[:space:]]*(#.*)?$ ]] ||
        fail "$where is not NAME=VALUE, or its value has other signs than letters, digits and _./:@,=+-" 2
    [ -n "${defaults[${BASH_REMATCH[1]}]+known}" ] ||
        fail "$where sets ${BASH_REMATCH[1]}, which is no setting: see cloudrun.env.example" 2
    printf -v "${BASH_REMATCH[1]}" %s "${BASH_REMATCH[2]}"
}

check_settings() {
    local pool min max
    must_match PROJECT '^[a-z][a-z0-9-]{4,28}[a-z0-9]$' 'the id of a project'
    must_match REGION '^[a-z]+-[a-z]+[0-9]+$' 'a region such as europe-west4'
    must_match PREFIX '^[a-z][a-z0-9-]{0,15}$' '1 to 16 small letters, digits and hyphens'
    must_match API_MIN '^[0-9]+$' 'a number'
    must_match API_MAX '^[1-9][0-9]*$' 'a number above 0'
    must_match IDLE_SECONDS '^[1-9][0-9]*$' 'a number of seconds above 0'
    must_match POOLS '^(l4|rtx-pro-6000)(,(l4|rtx-pro-6000))*$' 'l4, rtx-pro-6000, or both with a comma'
    for pool in ${POOLS//,/ }; do
        must_match "$(of_pool "$pool" MODELS)" '^[a-z0-9.-]+(,[a-z0-9.-]+)*$' 'models with commas'
        min=$(of_pool "$pool" MIN)
        max=$(of_pool "$pool" MAX)
        must_match "$min" '^(0|[1-9][0-9]*)$' 'a number'
        must_match "$max" '^[1-9][0-9]*$' 'a number above 0'
        [ "${!min}" -le "${!max}" ] || fail "$min is ${!min}, but $max is ${!max}" 2
    done
}

must_match() {
    [[ ${!1} =~ $2 ]] || fail "$1 is '${!1}': it must be $3" 2
}

# The name of a setting of a pool: `of_pool rtx-pro-6000 MAX` is RTX_PRO_6000_MAX.
of_pool() {
    local name=${1^^}
    echo "${name//-/_}_$2"
}

# Name the step that begins; a failed command names it again.
step() {
    step=$1
    if [ -n "$dry_run" ]; then echo "# $step"; else echo "$program: $step" >&2; fi
}

# A command as a line that a shell can read.
quoted() {
    local word line=
    for word in "$@"; do
        case $word in
            '' | *[!A-Za-z0-9_./:=@+,%-]*) word="'${word//\'/\'\\\'\'}'" ;;
        esac
        line="$line $word"
    done
    printf %s "${line# }"
}

# Run a command, or print it.
run() {
    if [ -n "$dry_run" ]; then
        printf '%s\n' "$(quoted "$@")"
        return
    fi
    local code=0
    "$@" || code=$?
    [ "$code" -eq 0 ] || fail "the step '$step' failed: $(quoted "$@") ended with exit code $code"
}

# `ensure STEP LOOK... -- CREATE...`: create what the first command does not find.
ensure() {
    step "$1"
    shift
    local look=()
    while [ "$1" != -- ]; do look+=("$1"); shift; done
    shift
    if [ -n "$dry_run" ]; then
        printf '%s > /dev/null 2>&1 ||\n    %s\n' "$(quoted "${look[@]}")" "$(quoted "$@")"
    elif ! "${look[@]}" > /dev/null 2>&1; then
        run "$@"
    fi
}

# `remove STEP LOOK... -- DELETE...`: delete what the first command finds.
remove() {
    step "$1"
    shift
    local look=()
    while [ "$1" != -- ]; do look+=("$1"); shift; done
    shift
    if [ -n "$dry_run" ]; then
        printf '%s > /dev/null 2>&1 &&\n    %s\n' "$(quoted "${look[@]}")" "$(quoted "$@")"
    elif "${look[@]}" > /dev/null 2>&1; then
        run "$@"
    fi
}

# `read_into VARIABLE COMMAND...`: its output; in a dry run a reference to the variable.
read_into() {
    local variable=$1 found code=0
    shift
    if [ -n "$dry_run" ]; then
        # shellcheck disable=SC2016 # to be read, not run
        printf '%s=$(%s)\n' "$variable" "$(quoted "$@")"
        printf -v "$variable" '<%s>' "$variable"
        return
    fi
    found=$("$@") || code=$?
    [ "$code" -eq 0 ] || fail "the step '$step' failed: $(quoted "$@") ended with exit code $code"
    printf -v "$variable" %s "$found"
}

# `render TEMPLATE NAME`: write $out/NAME with the settings filled in.
render() {
    local text name
    text=$(< "$here/$1")
    while [[ $text =~ \$\{([A-Z][A-Z0-9_]*)\} ]]; do
        name=${BASH_REMATCH[1]}
        [ -n "${!name+set}" ] || fail "$1 names \${$name}, which has no value"
        text=${text//"\${$name}"/"${!name}"}
    done
    mkdir -p "$out"
    printf '%s\n' "$text" > "$out/$2"
}

account() {
    echo "$PREFIX-$1@$PROJECT.iam.gserviceaccount.com"
}

ensure_bucket() {
    ensure "create the bucket $1" \
        gcloud storage buckets describe "gs://$1" "--project=$PROJECT" \
        -- gcloud storage buckets create "gs://$1" "--location=$REGION" \
        --uniform-bucket-level-access --public-access-prevention "--project=$PROJECT"
}
