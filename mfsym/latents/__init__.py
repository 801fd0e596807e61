"""Groups that act on what an autoencoder has learned."""

from mfsym.latents.actions import LatentAction
from mfsym.latents.digits import DigitPairs, digit_pairs
from mfsym.latents.pairs import Pairs, load_pairs

__all__ = ["DigitPairs", "LatentAction", "Pairs", "digit_pairs", "load_pairs"]
