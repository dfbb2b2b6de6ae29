"""`python -m domainxfer` is the `domainxfer` command."""

from domainxfer.cli import main

if __name__ == "__main__":
    main()
