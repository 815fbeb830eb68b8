"""Where the catalog finds its services, and the sizes it allows."""

import os

DATABASE_URL = os.environ["DATABASE_URL"]

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_BATCH_SIZE = 100
MAX_ID = 2**31 - 1
