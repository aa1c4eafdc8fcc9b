"""The load test: an open-loop generator, scenarios as small files, comparison partners. It speaks HTTP only."""
