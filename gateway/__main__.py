"""`python -m gateway` is `front-door`."""

from gateway.cli import main

main()
