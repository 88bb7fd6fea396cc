"""`python -m hangtag.cli` runs `hangtag`."""

from hangtag.cli import main

main()
