"""What only the administrator of a Postgres server does: take it over, and give passwords to roles."""

import psycopg

ITERATIONS_CAN_BE_SET = 160_000
"""Since this version of Postgres, as `server_version` has it."""


def take_over(connection: psycopg.Connection) -> None:
    """Count statements on a server that is ours alone, and let nobody else into its own databases."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def encrypted(connection: psycopg.Connection, role: str, password: str) -> str:
    """What the server stores of a password, from which nobody can log in.

    Statements are counted, and may be logged, with what they hold as text. Many rounds of hashing protect
    passwords that people choose; ours are random numbers of 128 bits, and each round delays every connection.
    """
    if connection.info.server_version >= ITERATIONS_CAN_BE_SET:
        connection.execute("SET scram_iterations = 1")
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
