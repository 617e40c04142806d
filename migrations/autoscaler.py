"""The database role of autoscalers, such as KEDA. It may read the view `queue_depth`, nothing else.

Roles belong to the whole server, and creating one needs a privilege that the owner of a database
may lack. So a migration creates it where it can, `kinomill migrate` tries again each time, and says
what an administrator has to do otherwise. Nothing but an autoscaler needs the role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROLE = "kinomill_autoscaler"

_GRANT = """
DO $$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kinomill_autoscaler') THEN
            CREATE ROLE kinomill_autoscaler NOLOGIN;
        END IF;
    EXCEPTION
        -- Another database of the server created it at this moment, or this user may not.
        WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kinomill_autoscaler') THEN
        GRANT SELECT ON queue_depth TO kinomill_autoscaler;
        IF NOT has_schema_privilege('kinomill_autoscaler', current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO kinomill_autoscaler', current_schema());
        END IF;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;  -- of the view or the schema: another user owns them
END
$$
"""
_MAY_READ = text("""
SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'kinomill_autoscaler')
    THEN has_table_privilege('kinomill_autoscaler', 'queue_depth', 'SELECT')
        AND has_schema_privilege('kinomill_autoscaler', current_schema(), 'USAGE')
    ELSE false END
""")

MISSING = (
    "the role kinomill_autoscaler is missing or may not read the view queue_depth, and this user "
    "cannot change that. Only autoscalers need it: let an administrator run `CREATE ROLE "
    "kinomill_autoscaler NOLOGIN`, then run `kinomill migrate` as the owner of the tables"
)


def grant(connection: Connection) -> None:
    """Create the role and let it read the view, as far as this user may. Can be repeated."""
    connection.execute(text(_GRANT))


def may_read(connection: Connection) -> bool:
    """Whether the role exists and may read the view."""
    return bool(connection.scalar(_MAY_READ))
