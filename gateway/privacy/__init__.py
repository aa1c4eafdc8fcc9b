"""A citizen's rights to what is kept of them: to see it, to have it forgotten, and not to be kept longer than needed."""
