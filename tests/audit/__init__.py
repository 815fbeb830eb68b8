"""The auditor: checks every exchange of the suite against the criteria, whichever test caused it."""
