"""``python -m server``: the same as the ``omnicall`` command."""

from server.cli.main import main

if __name__ == "__main__":
    main()
