"""The demonstration: figure 3 on a small grid.

Reads what figure 3 reads, from ``sims/demo.toml``.
"""

from __future__ import annotations

from fig3 import draw
from style import main

if __name__ == "__main__":
    main(draw)
