"""The statement that inserts a batch of submissions: locks, limits, replays, rows, events."""

from jobs.rows import COLUMNS
from jobs.usage.counters import TODAY, add_to_usage

_COUNTED = add_to_usage("submitted").format(
    rows=f"""
    SELECT account, {TODAY}, model, 0, count(*) FROM inserted
    GROUP BY account, model ORDER BY account, model"""  # noqa: S608 - constants
)

INSERT = f"""
WITH submitted AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(submissions)s::json) AS submitted (
        id text, account text, model text, queue text, input jsonb, labels jsonb, webhook_url text,
        webhook_events jsonb, files jsonb, stored_bytes bigint, start_within float8,
        generated jsonb, retry_of text, pinned_weights text, traceparent text, tracestate text,
        priority smallint, idempotency_key text, body_hash text, ttl_seconds float8, check_only bool
    )
), existing AS MATERIALIZED (
    SELECT submitted.id AS submission, jobs.id FROM submitted JOIN jobs ON jobs.id = submitted.id
    UNION
    SELECT submitted.id, jobs.id FROM submitted JOIN jobs USING (account, idempotency_key)
    WHERE submitted.idempotency_key IS NOT NULL
), active AS MATERIALIZED (
    SELECT account, counted.active AS count, counted.submitted
    FROM json_to_recordset(%(accounts)s::json)
            AS known (account text, jobs bigint, submitted bigint, since date),
        lock_and_bound_active(account, known.jobs, known.submitted, since, %(max_active)s)
            AS counted
), gone AS MATERIALIZED (
    SELECT found.file FROM (
        SELECT array_agg(DISTINCT file) AS files
        FROM submitted, jsonb_array_elements_text(submitted.files) AS named (file)
    ) AS named, lock_and_find_gone(named.files, (SELECT count(*) FROM active)) AS found (file)
    WHERE named.files IS NOT NULL
), numbered AS MATERIALIZED (
    SELECT *, CASE WHEN check_only THEN 1
        ELSE count(*) FILTER (WHERE NOT check_only) OVER (PARTITION BY account ORDER BY id)
    END AS number
    FROM submitted
    WHERE id NOT IN (SELECT submission FROM existing)
), admitted AS MATERIALIZED (
    SELECT account, admit(account, (
        SELECT count(*) FROM numbered WHERE numbered.account = active.account AND NOT check_only
    ), %(max_active)s - active.count) AS answer
    FROM active
), closed AS MATERIALIZED (
    SELECT jsonb_build_object('reason', reason, 'retry_after', retry_after_seconds) AS answer
    FROM maintenance_mode
), inserted AS (
    INSERT INTO jobs (
        id, account, model, queue, input, labels, webhook_url, webhook_events, state, priority,
        idempotency_key, body_hash, ttl, stored_bytes, start_by, generated, retry_of,
        pinned_weights, traceparent, tracestate, attempt, worker_losses, retries
    )
    SELECT id, account, model, queue, input, labels, webhook_url, webhook_events, 'queued',
        priority, idempotency_key, body_hash, make_interval(secs => ttl_seconds), stored_bytes,
        now() + make_interval(secs => start_within), generated, retry_of, pinned_weights,
        traceparent, tracestate, 0, 0, 0
    FROM numbered JOIN active USING (account) JOIN admitted USING (account)
    WHERE active.count + number <= %(max_active)s AND NOT check_only
        AND number <= coalesce((admitted.answer ->> 'allowed')::bigint, number)
        AND NOT EXISTS (SELECT FROM closed)
        AND NOT EXISTS (SELECT FROM gone WHERE numbered.files ? gone.file)
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id, created_at, account, model, input, labels
), counted AS (
    {_COUNTED}
), recorded AS (
    INSERT INTO events (job_id, kind, details)
    SELECT id, 'submitted', jsonb_build_object('model', model) FROM inserted ORDER BY id
)
SELECT submitted.id, active.count, active.submitted, coalesce(number, 0), inserted.created_at,
    inserted.input, inserted.labels,
    (SELECT min(file) FROM gone WHERE submitted.files ? file),
    admitted.answer, (SELECT answer FROM closed), {COLUMNS}
FROM submitted
    JOIN active USING (account)
    JOIN admitted USING (account)
    LEFT JOIN numbered ON numbered.id = submitted.id
    LEFT JOIN inserted ON inserted.id = submitted.id
    LEFT JOIN existing ON existing.submission = submitted.id
    LEFT JOIN jobs ON jobs.id = existing.id
"""  # noqa: S608 - constants
"""A row for each submission: its id, the active jobs of its account before it, or a bound of them,
what the account has submitted in the days of that bound, its number among those to insert, when it
was inserted, its input and labels as they are stored, a file that it names and no kept job has,
what the quotas of its account allow (null: it has none), the maintenance mode, and the job that
existed before.

The files that it names are locked until its commit, so that a deletion of the last job that has one
comes before, and the submission is refused, or after, and the file stays."""
