"""Draws RESULT... as OUT.pdf and OUT.png: the same code as ``mfsym figure latent-swap``."""

from mfsym.figures import main

if __name__ == "__main__":
    main("latent-swap")
