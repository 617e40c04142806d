#!/usr/bin/env bash
# Fill the weights bucket, from which the workers of the same region pull.
usage() {
    cat <<'TEXT'
Usage: deploy/cloudrun/weights.sh [OPTIONS] [MODEL[=PROFILE]...]

Creates the weights bucket if it does not exist, and copies the weights of each MODEL into it; by
default of the models of all pools. A build of Cloud Build in the same region does the copying
(with a worker's image of build.sh), with --local this machine does. Files that the bucket has are not
sent again.

  --local      copy from this machine, with its `kinomill` and its Google credentials
  --disk GB    disk of the build (default: 200)
  --env FILE   the settings (default: deploy/cloudrun/cloudrun.env)
  --dry-run    print every command without running it
  --help       print this text

Example: deploy/cloudrun/weights.sh musetalk wan2.2-i2v=gguf-q5_0
Exit code: 0 all is there, 1 a step failed (its name is printed), 2 usage error.
TEXT
}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

main() {
    local model copy=copy_in_a_build models=()
    disk=200
    read_options "$@"
    set -- "${rest[@]}"
    while [ $# -gt 0 ]; do
        case $1 in
            --local) copy=copy_from_here ;;
            --disk)
                [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage_error '--disk needs a number of GB'
                disk=$2
                shift ;;
            -*) usage_error "unknown option $1" ;;
            *) models+=("$1") ;;
        esac
        shift
    done
    [ ${#models[@]} -gt 0 ] || mapfile -t models < <(models_of_pools)
    ensure_bucket "$WEIGHTS_BUCKET"
    for model in "${models[@]}"; do "$copy" "$model"; done
}

# The models of all pools that have weights, each with its profile of WEIGHTS_PROFILES.
models_of_pools() {
    local pool model name profile
    for pool in ${POOLS//,/ }; do
        name=$(of_pool "$pool" MODELS)
        for model in ${!name//,/ }; do
            case $model in preview-*) continue ;; esac
            for profile in ${WEIGHTS_PROFILES//,/ }; do
                case $profile in "$model="*) model=$profile ;; esac
            done
            echo "$model"
        done
    done
}

worker_image() {
    case ,$POOLS, in
        *,rtx-pro-6000,*) echo "$REGISTRY/worker:$TAG" ;;
        *) echo "$REGISTRY/worker-cu126:$TAG" ;;
    esac
}

copy_in_a_build() {
    local model=${1%%=*} profile=''
    case $1 in *=*) profile=${1#*=} ;; esac
    step "copy the weights of $1 in a build"
    run gcloud builds submit --no-source "--config=$here/weights.yaml" "--region=$REGION" \
        "--service-account=projects/$PROJECT/serviceAccounts/$(account build)" \
        "--disk-size=${disk}GB" "--project=$PROJECT" \
        "--substitutions=^;^_IMAGE=$(worker_image);_BUCKET=$WEIGHTS_BUCKET;_MODEL=$model;_PROFILE=$profile;_ACCEPT_LICENSES=$ACCEPT_LICENSES"
}

copy_from_here() {
    local model=${1%%=*} profile=()
    case $1 in *=*) profile=(--profile "${1#*=}") ;; esac
    step "copy the weights of $1 from this machine"
    run env "KINOMILL_ACCEPT_LICENSES=$ACCEPT_LICENSES" kinomill models pull "$model" "${profile[@]}"
    run kinomill models push "$model" "gs://$WEIGHTS_BUCKET/weights" "${profile[@]}"
}

main "$@"
