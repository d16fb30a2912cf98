"""``python -m fc2conv_cli``."""

from fc2conv_cli.cli import main

main()
