"""What to cite: the papers behind each part, and mfsym itself, as short references and as BibTeX."""

from __future__ import annotations

from typing import NamedTuple

from mfsym.version import __version__


class Reference(NamedTuple):
    """One work: what of mfsym rests on it, its short form, and its BibTeX entry.

    behind : "" for the software itself.
    """

    behind: str
    short: str
    bibtex: str


def _entry(kind: str, key: str, **fields: str) -> str:
    lines = ",\n".join(f"  {name:13s} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


def _arxiv(number: str) -> dict[str, str]:
    return {"eprint": number, "archivePrefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}


REFERENCES = {
    "symmetries": Reference(
        "symmetry schemes, laws on parameters, discovery of E^G, every figure",
        "Maass Martinez & Fontbona, NeurIPS 2024, arXiv:2405.19995",
        _entry(
            "inproceedings",
            "maass2024symmetries",
            title="Symmetries in Overparametrized Neural Networks: A Mean-Field View",
            author=r"Maass Mart{\'\i}nez, Javier and Fontbona, Joaqu{\'\i}n",
            booktitle="Advances in Neural Information Processing Systems",
            volume="37",
            year="2024",
            **_arxiv("2405.19995"),
        ),
    ),
    "symmetrisers": Reference(
        "averages of pretrained models with learned weights",
        "Basu et al., NeurIPS 2023, arXiv:2305.09900",
        _entry(
            "inproceedings",
            "basu2023efficient",
            title="Efficient Equivariant Transfer Learning from Pretrained Models",
            author="Basu, Sourya and Katdare, Pulkit and Sattigeri, Prasanna and Chenthamarakshan, Vijil"
            " and Driggs-Campbell, Katherine and Das, Payel and Varshney, Lav R.",
            booktitle="Advances in Neural Information Processing Systems",
            volume="36",
            year="2023",
            **_arxiv("2305.09900"),
        ),
    ),
    "diffusions": Reference(
        "diffusions on quotient spaces",
        "Xu et al., ICLR 2026, arXiv:2604.21809",
        _entry(
            "inproceedings",
            "xu2026quotient",
            title="Quotient-Space Diffusion Models",
            author="Xu, Yixian and Wang, Yusong and Luo, Shengjie and Gao, Kaiyuan and He, Tianyu and He, Di"
            " and Liu, Chang",
            booktitle="International Conference on Learning Representations",
            year="2026",
            **_arxiv("2604.21809"),
        ),
    ),
    "langevin": Reference(
        "Langevin dynamics with projected noise",
        "Menon, Stromme & Vacher, COLT 2026, arXiv:2602.12257",
        _entry(
            "inproceedings",
            "menon2026implicit",
            title="On the implicit regularization of {L}angevin dynamics with projected noise",
            author="Menon, Govind and Stromme, Austin and Vacher, Adrien",
            booktitle="Proceedings of Thirty Ninth Conference on Learning Theory",
            series="Proceedings of Machine Learning Research",
            volume="336",
            pages="5159--5187",
            year="2026",
            **_arxiv("2602.12257"),
        ),
    ),
    "latents": Reference(
        "group actions on latent representations",
        "Jin, Shrivastava & Fletcher, NeurIPS 2024",
        _entry(
            "inproceedings",
            "jin2024learning",
            title="Learning Group Actions on Latent Representations",
            author="Jin, Yinzhu and Shrivastava, Aman and Fletcher, P. Thomas",
            booktitle="Advances in Neural Information Processing Systems",
            volume="37",
            year="2024",
        ),
    ),
    "mfsym": Reference(
        "",
        f"mfsym {__version__}",
        _entry(
            "software",
            "mfsym",
            title="mfsym: symmetries in wide neural networks, measured on laws of parameters",
            author="{the mfsym authors}",
            version=__version__,
        ),
    ),
}
"""Part of mfsym to the work behind it, the first the preferred citation."""


def references() -> str:
    """The works behind a result of mfsym, for its attribute ``references``: the paper of the experiments and mfsym."""
    return "; ".join(REFERENCES[name].short for name in ("symmetries", "mfsym"))


def bibtex() -> str:
    """Every entry as BibTeX, each under a comment that says what rests on it."""
    return "\n\n".join(f"% {each.behind or 'the software'}\n{each.bibtex}" for each in REFERENCES.values())
