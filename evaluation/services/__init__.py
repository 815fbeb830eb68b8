"""Postgres and Redis: started in a private folder, in containers, or named by URL; watched and cleaned up."""
