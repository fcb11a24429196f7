"""``python -m poolzoo``."""

from poolzoo.cli import main

main()
