"""Postgres and Redis: embedded, in containers, or named by URL; watched, and removed at the end."""
