#!/usr/bin/env bash
# Delete what deploy.sh created, and with --data what setup.sh created, too.
usage() {
    cat <<'TEXT'
Usage: deploy/cloudrun/teardown.sh [OPTIONS]

Deletes the autoscalers, the workers, maintenance, metrics, the API and the job of the migrations. Jobs,
results, keys and weights stay, and deploy.sh brings the rest back. Cloud SQL and Memorystore
stay, too, and go on costing money.

  --data       also delete the database, the broker, the secrets, both buckets, the registry and
               the accounts: everything that was ever stored. Asks for the id of the project.
  --yes        do not ask
  --env FILE   the settings (default: deploy/cloudrun/cloudrun.env)
  --dry-run    print every command without running it
  --help       print this text

Exit code: 0 deleted, 1 a step failed (its name is printed), 2 usage error.
TEXT
}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

main() {
    local option pool data='' yes=''
    read_options "$@"
    for option in "${rest[@]}"; do
        case $option in
            --data) data=yes ;;
            --yes) yes=yes ;;
            *) usage_error "unknown option $option" ;;
        esac
    done
    [ -z "$data$dry_run" ] || [ -n "$yes$dry_run" ] || ask
    for pool in l4 rtx-pro-6000; do
        remove_autoscaler "$pool"
        remove_run worker-pools "worker-$pool"
    done
    remove_run worker-pools maintenance
    remove_run services metrics
    remove_run services api
    remove_run jobs migrate
    [ -z "$data" ] || remove_data
}

ask() {
    local answer
    echo "This deletes the database, all results and all weights of $PREFIX in $PROJECT." >&2
    read -r -p "Type $PROJECT to go on: " answer || answer=''
    [ "$answer" = "$PROJECT" ] || fail 'nothing was deleted' 2
}

# `remove_run services NAME`
remove_run() {
    local place=("--region=$REGION" "--project=$PROJECT")
    remove "delete $PREFIX-$2" gcloud run "$1" describe "$PREFIX-$2" "${place[@]}" \
        -- gcloud run "$1" delete "$PREFIX-$2" --quiet "${place[@]}"
}

remove_autoscaler() {
    local name=$PREFIX-worker-$1
    local place=(--location=global "--project=$PROJECT")
    local list=(gcloud parametermanager parameters versions list "--parameter=$name"
        '--format=value(name.basename())' "${place[@]}")
    local delete=(gcloud parametermanager parameters versions delete)
    remove_run services "worker-$1-crema"
    step "delete the configurations of $name"
    if [ -n "$dry_run" ]; then
        printf '%s | while read -r version; do\n    %s; done\n' "$(quoted "${list[@]}")" \
            "$(quoted "${delete[@]}") \"\$version\" $(quoted "--parameter=$name" --quiet "${place[@]}")"
    else
        local version versions
        versions=$("${list[@]}" 2> /dev/null) || versions=''
        for version in $versions; do
            run "${delete[@]}" "$version" "--parameter=$name" --quiet "${place[@]}"
        done
    fi
    remove "delete the parameter $name" \
        gcloud parametermanager parameters describe "$name" "${place[@]}" \
        -- gcloud parametermanager parameters delete "$name" --quiet "${place[@]}"
}

remove_data() {
    local name
    local project="--project=$PROJECT" region="--region=$REGION" location="--location=$REGION"
    remove 'allow to delete the database server' \
        gcloud sql instances describe "$PREFIX" "$project" \
        -- gcloud sql instances patch "$PREFIX" --no-deletion-protection --quiet "$project"
    remove 'delete the database server' gcloud sql instances describe "$PREFIX" "$project" \
        -- gcloud sql instances delete "$PREFIX" --quiet "$project"
    remove 'delete the broker' gcloud redis instances describe "$PREFIX" "$region" "$project" \
        -- gcloud redis instances delete "$PREFIX" --quiet "$region" "$project"
    for name in secret-key database-password redis-url; do
        remove "delete the secret $name" gcloud secrets describe "$PREFIX-$name" "$project" \
            -- gcloud secrets delete "$PREFIX-$name" --quiet "$project"
    done
    for name in "$RESULTS_BUCKET" "$WEIGHTS_BUCKET"; do
        remove "delete the bucket $name" gcloud storage buckets describe "gs://$name" "$project" \
            -- gcloud storage rm "gs://$name" --recursive "$project"
    done
    remove 'delete the images' gcloud artifacts repositories describe "$PREFIX" "$location" "$project" \
        -- gcloud artifacts repositories delete "$PREFIX" --quiet "$location" "$project"
    for name in api maintenance worker crema build; do
        remove "delete the account $name" \
            gcloud iam service-accounts describe "$(account "$name")" "$project" \
            -- gcloud iam service-accounts delete "$(account "$name")" --quiet "$project"
    done
    step "keep the range of addresses $PREFIX-services and its connection: others may use it"
}

main "$@"
