"""``python -m mfsym`` is ``mfsym``."""

from mfsym.cli import main

if __name__ == "__main__":
    main()
