"""The subcommands of `front-door`, one module a subject."""
