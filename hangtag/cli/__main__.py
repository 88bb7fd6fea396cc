"""`python -m hangtag.cli`: the same as `hangtag`."""

from hangtag.cli import main

main()
