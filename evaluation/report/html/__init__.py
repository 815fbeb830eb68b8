"""`report.html`: a page to look at, made from a report alone."""
