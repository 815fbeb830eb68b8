"""The seeded data set, what Postgres counted and planned, and what the tables say an answer must be."""
