#!/usr/bin/env bash
# Build the images and push them to the registry of the project.
usage() {
    cat <<'TEXT'
Usage: deploy/cloudrun/build.sh [OPTIONS]

Builds the images that the pools of the settings need, with Cloud Build or on this machine, and
pushes them to the project's registry under the tag TAG:

  api           the API, maintenance and migrations
  worker        for RTX PRO 6000, whose driver is 580 (torch with CUDA 13.0)
  worker-cu126  for L4, whose driver is 535 (torch with CUDA 12.6)

An image that the registry has under this tag is not built again.

  --local      build with `docker buildx` on this machine
  --force      build all of them again
  --env FILE   the settings (default: deploy/cloudrun/cloudrun.env)
  --dry-run    print every command without running it
  --help       print this text

Exit code: 0 all are there, 1 a step failed (its name is printed), 2 usage error.
TEXT
}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

cuda_126=https://download.pytorch.org/whl/cu126
pypi=https://pypi.org/simple

main() {
    local option
    build=build_in_the_cloud
    force=''
    read_options "$@"
    for option in "${rest[@]}"; do
        case $option in
            --local) build=build_here ;;
            --force) force=yes ;;
            *) usage_error "unknown option $option" ;;
        esac
    done
    [ "$build" = build_in_the_cloud ] || log_in
    image api api api "$pypi"
    case ,$POOLS, in *,rtx-pro-6000,*) image worker worker worker "$pypi" ;; esac
    case ,$POOLS, in *,l4,*) image worker-cu126 worker worker "$cuda_126" ;; esac
}

log_in() {
    step 'let docker push to the registry'
    run gcloud auth configure-docker "$REGION-docker.pkg.dev" --quiet
}

# `image NAME DOCKERFILE TARGET TORCH_INDEX`: build it unless the registry has it.
image() {
    local name=$REGISTRY/$1:$TAG create
    mapfile -t create < <("$build" "$name" "$2.Dockerfile" "$3" "$4")
    if [ -n "$force" ]; then
        step "build the image $1"
        run "${create[@]}"
    else
        ensure "build the image $1" \
            gcloud artifacts docker images describe "$name" "--project=$PROJECT" -- "${create[@]}"
    fi
}

# The words of the command, one a line.
build_in_the_cloud() {
    printf '%s\n' gcloud builds submit "$root" "--config=$here/cloudbuild.yaml" \
        "--region=$REGION" "--project=$PROJECT" \
        "--service-account=projects/$PROJECT/serviceAccounts/$(account build)" \
        "--substitutions=_IMAGE=$1,_DOCKERFILE=$2,_TARGET=$3,_TORCH_INDEX=$4,_VERSION=$TAG"
}

build_here() {
    printf '%s\n' docker buildx build --platform=linux/amd64 --push "--file=$root/docker/$2" \
        "--target=$3" "--build-arg=TORCH_INDEX=$4" "--build-arg=VERSION=$TAG" "--tag=$1" "$root"
}

main "$@"
