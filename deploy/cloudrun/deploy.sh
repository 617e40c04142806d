#!/usr/bin/env bash
# Deploy the programs: migrations, then the API, metrics, maintenance, workers and autoscalers.
usage() {
    cat <<'TEXT'
Usage: deploy/cloudrun/deploy.sh [OPTIONS]

Fills the settings into the files of this folder (into build/cloudrun), upgrades the database, and
deploys the API, maintenance and the workers of each pool. A pool with a fixed number of instances
(its MIN is its MAX) has no autoscaler; the others get one each, and the metrics that it reads, and
keep the number of instances that they have. Run setup.sh, build.sh and weights.sh before. A second
run with the same settings leaves everything as it is.

  --out FOLDER  for the files with the settings filled in (default: build/cloudrun)
  --env FILE    the settings (default: deploy/cloudrun/cloudrun.env)
  --dry-run     fill in the files and print every command without running it
  --help        print this text

Exit code: 0 deployed, 1 a step failed (its name is printed), 2 usage error.
TEXT
}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

crema=us-central1-docker.pkg.dev/cloud-run-oss-images/crema-v1/autoscaler:1.2
java=us-central1-docker.pkg.dev/serverless-runtimes/google-24/runtimes/java25

main() {
    local pool metrics=''
    read_options "$@"
    [ ${#rest[@]} -eq 0 ] || usage_error "unknown option ${rest[0]}"
    look_up
    migrate
    deploy_service api
    deploy_pool maintenance 1
    for pool in ${POOLS//,/ }; do
        if is_fixed "$pool"; then deploy_fixed "$pool"; else deploy_scaled "$pool"; fi
    done
    [ -n "$dry_run" ] || echo "$program: deployed at $PUBLIC_URL"
}

# What the files need beside the settings.
look_up() {
    local pool name
    step 'look up the address of the database'
    read_into DATABASE_ADDRESS gcloud sql instances describe "$PREFIX" \
        '--format=value(ipAddresses[0].ipAddress)' "--project=$PROJECT"
    if [ -z "$PUBLIC_URL" ]; then
        step 'look up the number of the project'
        read_into PROJECT_NUMBER gcloud projects describe "$PROJECT" \
            '--format=value(projectNumber)'
        PUBLIC_URL=https://$PREFIX-api-$PROJECT_NUMBER.$REGION.run.app
    fi
    ALL_MODELS=''
    for pool in ${POOLS//,/ }; do
        name=$(of_pool "$pool" MODELS)
        ALL_MODELS=$ALL_MODELS${ALL_MODELS:+,}${!name}
    done
}

migrate() {
    render migrate.yaml migrate.yaml
    step 'upgrade the database'
    run gcloud run jobs replace "$out/migrate.yaml" "--region=$REGION" "--project=$PROJECT"
    run gcloud run jobs execute "$PREFIX-migrate" --wait "--region=$REGION" "--project=$PROJECT"
}

deploy_service() {
    render "$1.yaml" "$1.yaml"
    step "deploy $1"
    run gcloud run services replace "$out/$1.yaml" "--region=$REGION" "--project=$PROJECT"
}

# `deploy_pool NAME INSTANCES`
deploy_pool() {
    INSTANCES=$2
    render "$1.yaml" "$1.yaml"
    step "deploy $1"
    # It has no --region: the region is a label in the file.
    run gcloud run worker-pools replace "$out/$1.yaml" "--project=$PROJECT"
}

# A pool whose least and greatest number are the same needs no autoscaler.
is_fixed() {
    local min max
    min=$(of_pool "$1" MIN)
    max=$(of_pool "$1" MAX)
    [ "${!min}" -eq "${!max}" ]
}

deploy_fixed() {
    local max name=$PREFIX-worker-$1-crema place=("--region=$REGION" "--project=$PROJECT")
    max=$(of_pool "$1" MAX)
    remove "delete the autoscaler of worker-$1" gcloud run services describe "$name" "${place[@]}" \
        -- gcloud run services delete "$name" --quiet "${place[@]}"
    deploy_pool "worker-$1" "${!max}"
}

deploy_scaled() {
    [ -n "$metrics" ] || deploy_service metrics
    metrics=deployed
    deploy_workers "$1"
    deploy_autoscaler "$1"
}

deploy_workers() {
    local name=worker-$1
    step "look up the instances of $name"
    if [ -n "$dry_run" ] || pool_exists "$name"; then
        read_into INSTANCES gcloud run worker-pools describe "$PREFIX-$name" \
            '--format=value(metadata.annotations.[run.googleapis.com/manualInstanceCount])' \
            "--region=$REGION" "--project=$PROJECT"
    else
        INSTANCES=0
    fi
    deploy_pool "$name" "${INSTANCES:-0}"
}

pool_exists() {
    gcloud run worker-pools describe "$PREFIX-$1" "--region=$REGION" "--project=$PROJECT" \
        > /dev/null 2>&1
}

# One autoscaler a pool. The version of its configuration is a digest of its content.
deploy_autoscaler() {
    local name=$PREFIX-worker-$1 models min max version parameter
    models=$(of_pool "$1" MODELS)
    min=$(of_pool "$1" MIN)
    max=$(of_pool "$1" MAX)
    # shellcheck disable=SC2034 # the template names them
    POOL=worker-$1 POOL_MIN=${!min} POOL_MAX=${!max} POOL_PATTERN=${!models//,/|}
    render crema.yaml "crema-$1.yaml"
    version=v-$(cksum < "$out/crema-$1.yaml" | tr ' ' -)
    parameter=(--parameter="$name" --location=global "--project=$PROJECT")
    step "allow the autoscaler to set the instances of worker-$1"
    run gcloud beta run worker-pools add-iam-policy-binding "$name" \
        "--member=serviceAccount:$(account crema)" --role=roles/run.developer \
        "--region=$REGION" "--project=$PROJECT"
    ensure "create the parameter $name" \
        gcloud parametermanager parameters describe "$name" "${parameter[@]:1}" \
        -- gcloud parametermanager parameters create "$name" --parameter-format=YAML \
        "${parameter[@]:1}"
    ensure "store the configuration of the autoscaler of worker-$1" \
        gcloud parametermanager parameters versions describe "$version" "${parameter[@]}" \
        -- gcloud parametermanager parameters versions create "$version" "${parameter[@]}" \
        "--payload-data-from-file=$out/crema-$1.yaml"
    step "deploy the autoscaler of worker-$1"
    run gcloud run deploy "$name-crema" "--image=$crema" "--base-image=$java" \
        "--service-account=$(account crema)" --no-allow-unauthenticated --no-cpu-throttling \
        --scaling=1 --labels=created-by=crema "--region=$REGION" "--project=$PROJECT" \
        "--set-env-vars=CREMA_CONFIG=projects/$PROJECT/locations/global/parameters/$name/versions/$version"
}

main "$@"
