"""Draws RESULT... as OUT.pdf and OUT.png: the same code as ``mfsym figure latents``."""

from mfsym.figures import main

if __name__ == "__main__":
    main("latents")
