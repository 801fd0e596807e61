"""How mfsym draws: one colour and marker per scheme, paper-like type, clouds seen against the fixed subspace.

The scripts of ``figures/`` and ``mfsym animate`` share this file; nothing else in the package imports matplotlib.
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.colors import to_rgb

TEXT_SIZE = 8.0
"""Points; figures are drawn at the size they are printed."""

RC = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
    "legend.fontsize": TEXT_SIZE,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.handletextpad": 0.3,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 0.9,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "path.simplify": True,
}
"""Settings of matplotlib for every figure; used as a context, so that a caller's own stay as they are."""


class Mark(NamedTuple):
    """How one curve or cloud looks: its name in the legend, colour and marker."""

    label: str
    colour: str
    marker: str

    def tint(self, amount: float = 0.65) -> tuple[float, float, float]:
        """The colour mixed with white: 0 the colour itself, 1 white."""
        red, green, blue = (amount + (1.0 - amount) * part for part in to_rgb(self.colour))
        return red, green, blue


SCHEMES = {
    "vanilla": Mark("vanilla", "#D55E00", "o"),
    "da": Mark("DA", "#0072B2", "s"),
    "da-sampled": Mark("sampled DA", "#56B4E9", "D"),
    "fa": Mark("FA", "#009E73", "^"),
    "ea": Mark("EA", "#CC79A7", "v"),
}
"""The colour-blind safe palette of Okabe and Ito, one colour per scheme."""
