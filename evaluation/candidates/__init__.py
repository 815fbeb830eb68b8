"""Submissions (folders, patches and predictions), and the store of their earlier measurements."""
