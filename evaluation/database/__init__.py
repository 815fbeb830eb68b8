"""The seeded dataset, the counters and plans of Postgres, and the answers that the tables imply."""
