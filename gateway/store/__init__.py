"""PostgreSQL, the only store. SQL stands beside the function that runs it."""
