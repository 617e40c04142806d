"""Operators: paused queues, drained workers, maintenance mode, audit log, usage and quotas."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "b7d3a92e5c18"
down_revision = "b7e30c95d214"
branch_labels = None
depends_on = None

ADMIT = """
CREATE FUNCTION admit(name text, wanted bigint, room bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    quota account_quotas%ROWTYPE;
    moment timestamptz := clock_timestamp();
    today date := (moment AT TIME ZONE 'utc')::date;
    midnight float8;
    used_jobs bigint;
    used_seconds float8;
    used_bytes numeric;
    capacity float8;
    filled float8;
    allowed bigint := room;
    refusal text;
    wait float8;
    policies jsonb := '[]';
BEGIN
    SELECT * INTO quota FROM account_quotas WHERE account = name;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    midnight := extract(epoch FROM
        (today + 1)::timestamp AT TIME ZONE 'utc' - moment);
    IF quota.jobs_per_day IS NOT NULL OR quota.gpu_seconds_per_day IS NOT NULL THEN
        SELECT coalesce(sum(submitted), 0), coalesce(sum(gpu_seconds), 0)
        INTO used_jobs, used_seconds
        FROM usage_days WHERE account = name AND day = today;
    END IF;
    IF quota.stored_bytes IS NOT NULL THEN
        SELECT coalesce(sum(stored_bytes), 0) INTO used_bytes FROM jobs
        WHERE account = name AND stored_bytes > 0 AND expired_at IS NULL;
        used_bytes := used_bytes + (
            SELECT coalesce(sum(size_bytes), 0) FROM uploaded_files
            WHERE account = name AND expires_at > moment);
        IF used_bytes >= quota.stored_bytes THEN
            allowed := 0; refusal := 'stored_bytes'; wait := 60;
        END IF;
    END IF;
    IF used_seconds >= quota.gpu_seconds_per_day THEN
        allowed := 0; refusal := 'gpu_seconds_per_day'; wait := midnight;
    END IF;
    IF quota.jobs_per_day IS NOT NULL AND quota.jobs_per_day - used_jobs < allowed THEN
        allowed := greatest(quota.jobs_per_day - used_jobs, 0);
        refusal := 'jobs_per_day'; wait := midnight;
    END IF;
    IF quota.submissions_per_minute IS NOT NULL THEN
        capacity := coalesce(quota.burst, quota.submissions_per_minute);
        filled := least(capacity, coalesce(quota.tokens, capacity) + quota.submissions_per_minute
            * greatest(extract(epoch FROM moment - coalesce(quota.filled_at, moment)), 0) / 60);
        IF floor(filled) < allowed THEN
            allowed := floor(filled); refusal := 'submissions_per_minute';
            wait := (1 - (filled - floor(filled))) * 60 / quota.submissions_per_minute;
        END IF;
        filled := filled - greatest(least(wanted, allowed), 0);
        IF wanted > 0 THEN
            UPDATE account_quotas SET tokens = filled, filled_at = moment WHERE account = name;
        END IF;
        policies := policies || jsonb_build_object(
            'name', 'submissions_per_minute', 'limit', capacity,
            'window', capacity * 60 / quota.submissions_per_minute,
            'left', greatest(floor(filled), 0),
            'reset', (capacity - filled) * 60 / quota.submissions_per_minute);
    END IF;
    IF quota.jobs_per_day IS NOT NULL THEN
        policies := policies || jsonb_build_object(
            'name', 'jobs_per_day', 'limit', quota.jobs_per_day, 'window', 86400,
            'left', greatest(
                quota.jobs_per_day - used_jobs - greatest(least(wanted, allowed), 0), 0),
            'reset', midnight);
    END IF;
    RETURN jsonb_build_object(
        'allowed', allowed, 'refusal', refusal, 'wait', wait, 'policies', policies);
END
$$
"""
"""Volatile, so that it sees what was committed while the statement waited for the account's lock;
called after that. `room`: how many more active jobs the account may have. NULL: no quotas."""

KEEP_AUDIT = """
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < clock_timestamp() - interval '30 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only for 30 days';
END
$$
"""


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    default = None if nullable else sa.text("now()")
    return sa.Column(name, TIMESTAMP(timezone=True), server_default=default, nullable=nullable)


def _count(name: str, kind: type = sa.BigInteger) -> "sa.Column[object]":
    return sa.Column(name, kind(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    op.add_column("workers", _moment("drained_at", nullable=True))
    op.add_column("jobs", _count("stored_bytes"))
    op.create_table(
        "paused_queues",
        sa.Column("model", sa.String(), nullable=False),
        _moment("paused_at"),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_paused_queues")),
    )
    op.create_table(
        "maintenance_mode",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _moment("since"),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("retry_after_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_maintenance_mode_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_mode")),
    )
    _create_audit_log()
    _create_usage()


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        _moment("at"),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("details", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.execute(KEEP_AUDIT)
    op.execute(
        "CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION keep_audit()"
    )


def _create_usage() -> None:
    op.create_table(
        "usage_days",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        *(_count(name) for name in ("submitted", "requeued", "succeeded", "failed", "canceled")),
        _count("gpu_seconds", sa.Double),
        _count("result_bytes"),
        sa.PrimaryKeyConstraint("account", "day", "model", "slot", name=op.f("pk_usage_days")),
    )
    op.create_index("ix_usage_days_day", "usage_days", ["day", "account", "model"])
    op.create_table(
        "account_quotas",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("jobs_per_day", sa.BigInteger(), nullable=True),
        sa.Column("gpu_seconds_per_day", sa.Double(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("submissions_per_minute", sa.Integer(), nullable=True),
        sa.Column("burst", sa.Integer(), nullable=True),
        sa.Column("tokens", sa.Double(), nullable=True),
        _moment("filled_at", nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_quotas")),
    )
    op.execute(ADMIT)


def downgrade() -> None:
    op.execute("DROP FUNCTION admit")
    op.drop_table("account_quotas")
    op.drop_table("usage_days")
    op.drop_table("audit_log")
    op.execute("DROP FUNCTION keep_audit")
    op.drop_table("maintenance_mode")
    op.drop_table("paused_queues")
    op.drop_column("jobs", "stored_bytes")
    op.drop_column("workers", "drained_at")
