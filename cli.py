"""Launcher for a checkout: `python cli.py train horse2zebra`."""

from domainxfer.cli import main

if __name__ == "__main__":
    main()
