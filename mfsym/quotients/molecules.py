"""Conformers of a molecule from its SMILES, with their Boltzmann weights. Needs the extra ``molecules``.

RDKit's ETKDG embeds the molecule with its hydrogens, MMFF94s relaxes it and gives its energy; heavy atoms are kept. A
relabelling of atoms that keeps the bonds (an automorphism) gives the same molecule: conformers are distinguished modulo
rotations and automorphisms, and each image of a conformer by an automorphism is a separate template. Rotations have
det = +1, so mirror images are different conformers. Energies are Boltzmann weights of every labelled image alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups import so
from mfsym.quotients.orbits import Quotient

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

GAS_CONSTANT = 1.987204259e-3
"""kcal / (mol K): energies of MMFF94s are in kcal / mol."""

RELAXATIONS = 2000
"""Most iterations of the relaxation by MMFF94s."""

MOST_AUTOMORPHISMS = 1000
"""Molecules with more automorphisms among their heavy atoms are refused."""


class Conformers(NamedTuple):
    """Labelled images of the conformers of a molecule.

    clouds : (J, n, 3) heavy atoms, centred, in angstrom.  weights : (J,) Boltzmann, sum 1.
    conformer : (J,) which conformer each is an image of, by increasing energy.  energies : (C,) kcal/mol, least 0.
    elements : (n,) symbols.
    """

    clouds: Floats
    weights: Floats
    conformer: Numbers
    energies: Floats
    elements: tuple[str, ...]


def require_rdkit() -> tuple[Any, Any]:
    """RDKit's Chem and AllChem; MfsymError that says what to install where it is missing."""
    try:
        from rdkit import Chem, rdBase
        from rdkit.Chem import AllChem
    except ImportError:
        raise MfsymError("molecules from smiles need rdkit: pip install 'mfsym[molecules]'") from None
    rdBase.DisableLog("rdApp.*")
    return Chem, AllChem


def conformers_of(
    smiles: str, *, embeddings: int = 200, separation: float = 0.3, temperature: float = 298.15, seed: int = 0
) -> Conformers:
    """The conformers of a molecule, with their Boltzmann weights.

    embeddings : of ETKDG; a conformer that none of them reaches is not found.  separation : least RMSD of two
    conformers modulo rotations and automorphisms, angstrom.  temperature : K.  seed : of ETKDG.
    Raises MfsymError for SMILES that RDKit cannot read or embed, for fewer than two heavy atoms, and without RDKit.
    """
    Chem, AllChem = require_rdkit()
    bare = Chem.MolFromSmiles(smiles)
    if bare is None or not bare.GetNumAtoms():
        raise MfsymError(f"smiles must be a molecule that RDKit can read, got {smiles[:60]!r}")
    if bare.GetNumHeavyAtoms() < 2:
        raise MfsymError(f"smiles must have 2 or more heavy atoms, got {bare.GetNumHeavyAtoms()} in {smiles[:60]!r}")
    positions, energies = _embedded(Chem, AllChem, bare, smiles, embeddings, seed)
    automorphisms = np.array(
        bare.GetSubstructMatches(bare, uniquify=False, useChirality=True, maxMatches=MOST_AUTOMORPHISMS + 1)
    )
    if len(automorphisms) > MOST_AUTOMORPHISMS:
        raise MfsymError(f"{smiles[:60]!r} has more than {MOST_AUTOMORPHISMS} automorphisms; take a smaller molecule")
    quotient = Quotient(positions.shape[1] * so(3).vector(), centred=True)
    order = np.argsort(energies, kind="stable")
    kept = _distinct(positions[order], quotient, separation, automorphisms)
    chosen = order[kept]
    clouds, conformer = _labelled(positions[chosen], quotient, separation, automorphisms)
    above = energies[chosen] - energies[chosen].min()
    weights = np.exp(-above / (GAS_CONSTANT * temperature))[conformer]
    elements = tuple(atom.GetSymbol() for atom in bare.GetAtoms())
    return Conformers(clouds, weights / weights.sum(), conformer, above, elements)


def _embedded(Chem: Any, AllChem: Any, bare: Any, smiles: str, embeddings: int, seed: int) -> tuple[Floats, Floats]:
    """Heavy atoms (E, n, 3) of relaxed embeddings, centred, and their energies (E,) in kcal/mol."""
    whole = Chem.AddHs(bare)
    how = AllChem.ETKDGv3()
    how.randomSeed = 1 + seed % (2**31 - 2)
    numbers = list(AllChem.EmbedMultipleConfs(whole, embeddings, how))
    if not numbers:
        raise MfsymError(f"smiles {smiles[:60]!r} could not be embedded in space; check the molecule")
    if not AllChem.MMFFHasAllMoleculeParams(whole):
        raise MfsymError(f"smiles {smiles[:60]!r} has atoms that MMFF94s has no parameters for")
    relaxed = AllChem.MMFFOptimizeMoleculeConfs(whole, mmffVariant="MMFF94s", maxIters=RELAXATIONS)
    done = [k for k, (unfinished, _) in enumerate(relaxed) if unfinished == 0]
    if not done:
        raise MfsymError(f"smiles {smiles[:60]!r}: none of {len(numbers)} embeddings came to rest under MMFF94s")
    n = bare.GetNumAtoms()
    positions = np.array([whole.GetConformer(numbers[k]).GetPositions()[:n] for k in done])
    positions -= positions.mean(axis=1, keepdims=True)
    return positions, np.array([relaxed[k][1] for k in done])


def _distinct(clouds: Floats, quotient: Quotient, separation: float, automorphisms: Numbers) -> list[int]:
    """Indices of clouds (E, n, 3) farther than ``separation`` from every one kept before."""
    least = separation * np.sqrt(clouds.shape[1])
    kept: list[int] = []
    for k, cloud in enumerate(clouds):
        images = cloud[automorphisms]
        if not kept or quotient.distances(images, clouds[kept]).min() > least:
            kept.append(k)
    return kept


def _labelled(clouds: Floats, quotient: Quotient, separation: float, automorphisms: Numbers) -> tuple[Floats, Numbers]:
    """The different images (J, n, 3) of clouds (C, n, 3) by automorphisms, and which cloud each is of."""
    identity = np.arange(clouds.shape[1])[None]
    images, owners = [], []
    for k, cloud in enumerate(clouds):
        moved = cloud[automorphisms]
        own = moved[_distinct(moved, quotient, separation, identity)]
        images.append(own)
        owners.append(np.full(len(own), k))
    return np.concatenate(images), np.concatenate(owners)
