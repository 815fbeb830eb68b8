"""The settings of Postgres and Redis, embedded and in containers."""

POSTGRES_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "shared_buffers": "256MB",
    "max_connections": "400",
    "jit": "off",
    "autovacuum": "off",
    "timezone": "UTC",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.track_utility": "on",
    "pg_stat_statements.max": "10000",
}
VALKEY_SETTINGS = {"save": "", "appendonly": "no", "databases": "64", "maxmemory": "512mb"}
