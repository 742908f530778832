"""``python -m daemon`` is ``eegd``."""

from daemon.cli import main

if __name__ == "__main__":
    main(prog_name="eegd")
