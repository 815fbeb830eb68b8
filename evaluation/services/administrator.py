"""What only the administrator of a Postgres server does: take it over, and give passwords to roles."""

import psycopg


def take_over(connection: psycopg.Connection) -> None:
    """Count statements on a server that is ours alone, and let nobody else into its own databases."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def encrypted(connection: psycopg.Connection, role: str, password: str) -> str:
    """What the server stores of a password, from which nobody can log in.

    Statements are counted, and may be logged, with what they hold as text.
    """
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
