"""``python -m mfsym.figures`` prints the table of ``figures/README.md``."""

from __future__ import annotations

from mfsym.figures import markdown

print(markdown())
