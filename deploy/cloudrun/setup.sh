#!/usr/bin/env bash
# Create what the services need: accounts, registry, buckets, database, broker, secrets.
usage() {
    cat <<'TEXT'
Usage: deploy/cloudrun/setup.sh [OPTIONS]

Creates, in this order and only what does not exist: the APIs, the service accounts and their
roles, the image registry, the two buckets, the private network range, Cloud SQL, Memorystore and
the secrets. A second run creates nothing. Cloud SQL and Memorystore cost money from here on.

  --env FILE   the settings (default: deploy/cloudrun/cloudrun.env)
  --dry-run    print every command without running it
  --help       print this text

Exit code: 0 all is there, 1 a step failed (its name is printed), 2 usage error.
TEXT
}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

apis=(
    run sqladmin redis artifactregistry cloudbuild secretmanager parametermanager servicenetworking
    compute iam iamcredentials storage monitoring
)

main() {
    read_options "$@"
    [ ${#rest[@]} -eq 0 ] || usage_error "unknown option ${rest[0]}"
    enable_apis
    create_accounts
    create_registry
    create_buckets
    create_network_range
    create_database
    create_broker
    create_secrets
    grant_roles
}

enable_apis() {
    step 'enable the APIs'
    run gcloud services enable "${apis[@]/%/.googleapis.com}" "--project=$PROJECT"
}

create_accounts() {
    local name
    for name in api maintenance worker crema build; do
        ensure "create the service account $PREFIX-$name" \
            gcloud iam service-accounts describe "$(account "$name")" "--project=$PROJECT" \
            -- gcloud iam service-accounts create "$PREFIX-$name" "--project=$PROJECT"
    done
}

create_registry() {
    ensure 'create the image registry' \
        gcloud artifacts repositories describe "$PREFIX" "--location=$REGION" "--project=$PROJECT" \
        -- gcloud artifacts repositories create "$PREFIX" --repository-format=docker \
        "--location=$REGION" "--project=$PROJECT"
}

create_buckets() {
    local bucket
    for bucket in "$RESULTS_BUCKET" "$WEIGHTS_BUCKET"; do ensure_bucket "$bucket"; done
}

# Cloud SQL and Memorystore get addresses of this range; nothing of them is reachable from outside.
create_network_range() {
    ensure 'reserve a range of private addresses' \
        gcloud compute addresses describe "$PREFIX-services" --global "--project=$PROJECT" \
        -- gcloud compute addresses create "$PREFIX-services" --global --purpose=VPC_PEERING \
        --prefix-length=20 "--network=$NETWORK" "--project=$PROJECT"
    local list=(gcloud services vpc-peerings list --service=servicenetworking.googleapis.com
        "--network=$NETWORK" '--format=value(peering)' "--project=$PROJECT")
    local connect=(gcloud services vpc-peerings connect --service=servicenetworking.googleapis.com
        "--ranges=$PREFIX-services" "--network=$NETWORK" "--project=$PROJECT")
    step 'connect the range with the services'
    if [ -n "$dry_run" ]; then
        printf '%s | grep -q . ||\n    %s\n' "$(quoted "${list[@]}")" "$(quoted "${connect[@]}")"
    elif ! "${list[@]}" | grep -q .; then
        run "${connect[@]}"
    fi
}

create_database() {
    ensure 'create the database server' \
        gcloud sql instances describe "$PREFIX" "--project=$PROJECT" \
        -- gcloud sql instances create "$PREFIX" "--database-version=$SQL_VERSION" \
        --edition=enterprise "--tier=$SQL_TIER" "--region=$REGION" \
        "--network=projects/$PROJECT/global/networks/$NETWORK" --no-assign-ip \
        --ssl-mode=ENCRYPTED_ONLY --database-flags=max_connections=250 \
        --storage-auto-increase --backup-start-time=03:00 \
        --deletion-protection "--project=$PROJECT"
    ensure 'create the database' \
        gcloud sql databases describe kinomill "--instance=$PREFIX" "--project=$PROJECT" \
        -- gcloud sql databases create kinomill "--instance=$PREFIX" --charset=UTF8 \
        "--project=$PROJECT"
}

create_broker() {
    ensure 'create the broker' \
        gcloud redis instances describe "$PREFIX" "--region=$REGION" "--project=$PROJECT" \
        -- gcloud redis instances create "$PREFIX" "--size=$REDIS_GB" "--region=$REGION" \
        --tier=basic --redis-version=redis_7_2 --redis-config=maxmemory-policy=noeviction \
        --connect-mode=private-service-access "--network=$NETWORK" --enable-auth \
        "--project=$PROJECT"
}

create_secrets() {
    secret_from 'create the secret that signs links and webhooks' secret-key random_hex 32
    secret_from 'create the password of the database' database-password random_hex 24
    create_database_user
    secret_from 'create the address of the broker' redis-url broker_url
}

# `secret_from STEP NAME COMMAND...`: a secret with the output of a command, unless it exists.
secret_from() {
    local secret=$PREFIX-$2
    step "$1"
    shift 2
    local look=(gcloud secrets describe "$secret" "--project=$PROJECT")
    local create=(gcloud secrets create "$secret" --replication-policy=automatic --data-file=-
        "--project=$PROJECT")
    if [ -n "$dry_run" ]; then
        printf '%s > /dev/null 2>&1 ||\n    %s | %s\n' "$(quoted "${look[@]}")" "$("$@")" \
            "$(quoted "${create[@]}")"
    elif ! "${look[@]}" > /dev/null 2>&1; then
        local content
        content=$("$@") || fail "the step '$step' failed"
        run "${create[@]}" <<< "$content"
    fi
}

# So many random bytes, in hexadecimal digits.
random_hex() {
    if [ -n "$dry_run" ]; then
        printf "od -An -N%s -tx1 /dev/urandom | tr -d ' %s'\n" "$1" '\n'
    else
        od -An "-N$1" -tx1 /dev/urandom | tr -d ' \n'
    fi
}

broker_url() {
    local host password
    local address=(gcloud redis instances describe "$PREFIX" "--region=$REGION"
        '--format=value(host)' "--project=$PROJECT")
    local key=(gcloud redis instances get-auth-string "$PREFIX" "--region=$REGION"
        '--format=value(authString)' "--project=$PROJECT")
    if [ -n "$dry_run" ]; then
        echo "echo redis://:\$($(quoted "${key[@]}"))@\$($(quoted "${address[@]}")):6379/0"
        return
    fi
    host=$("${address[@]}") || return
    password=$("${key[@]}") || return
    echo "redis://:$password@$host:6379/0"
}

# The password goes to gcloud in a file, not as an argument, which other users of this machine see.
create_database_user() {
    local file
    local look=(gcloud sql users describe kinomill "--instance=$PREFIX" "--project=$PROJECT")
    local password=(gcloud secrets versions access latest "--secret=$PREFIX-database-password"
        "--project=$PROJECT")
    local create=(gcloud sql users create kinomill "--instance=$PREFIX" "--project=$PROJECT")
    step 'create the user of the database'
    if [ -n "$dry_run" ]; then
        # shellcheck disable=SC2016 # to be read, not run
        printf '%s > /dev/null 2>&1 ||\n    %s --flags-file=<(echo "--password: $(%s)")\n' \
            "$(quoted "${look[@]}")" "$(quoted "${create[@]}")" "$(quoted "${password[@]}")"
    elif ! "${look[@]}" > /dev/null 2>&1; then
        file=$(mktemp)
        # shellcheck disable=SC2064 # the name of now
        trap "rm -f '$file'" EXIT
        printf -- '--password: "%s"\n' "$("${password[@]}")" > "$file"
        run "${create[@]}" "--flags-file=$file"
    fi
}

# Each program may do what it does, and no more. To grant a role twice changes nothing.
grant_roles() {
    local name
    step 'grant the roles'
    for name in api maintenance worker; do
        on_bucket "$RESULTS_BUCKET" "$name" objectUser
        on_secret secret-key "$name"
        on_secret database-password "$name"
        on_secret redis-url "$name"
    done
    on_bucket "$WEIGHTS_BUCKET" worker objectViewer
    on_bucket "$WEIGHTS_BUCKET" build objectUser
    # Links to results are signed by the account itself.
    run gcloud iam service-accounts add-iam-policy-binding "$(account api)" \
        "--member=serviceAccount:$(account api)" --role=roles/iam.serviceAccountTokenCreator \
        "--project=$PROJECT"
    # The autoscaler sets the number of instances that run as this account.
    run gcloud iam service-accounts add-iam-policy-binding "$(account worker)" \
        "--member=serviceAccount:$(account crema)" --role=roles/iam.serviceAccountUser \
        "--project=$PROJECT"
    on_project crema parametermanager.parameterViewer
    on_project build cloudbuild.builds.builder
    on_project maintenance monitoring.metricWriter
    on_project crema monitoring.viewer
}

on_bucket() {
    run gcloud storage buckets add-iam-policy-binding "gs://$1" \
        "--member=serviceAccount:$(account "$2")" "--role=roles/storage.$3" "--project=$PROJECT"
}

on_secret() {
    run gcloud secrets add-iam-policy-binding "$PREFIX-$1" \
        "--member=serviceAccount:$(account "$2")" --role=roles/secretmanager.secretAccessor \
        "--project=$PROJECT"
}

on_project() {
    run gcloud projects add-iam-policy-binding "$PROJECT" \
        "--member=serviceAccount:$(account "$1")" "--role=roles/$2" --condition=None
}

main "$@"
