"""What pyproject.toml cannot say: the folder sims/ of the repository travels inside the package, as mfsym/sims."""

from setuptools import find_packages, setup

SHIPPED = {"mfsym.sims": "sims", "mfsym.sims.problems": "sims/problems"}

setup(
    packages=[*find_packages(include=["mfsym", "mfsym.*"]), *SHIPPED],
    package_dir=SHIPPED,
    package_data={"mfsym": ["py.typed"], **{package: ["*.toml"] for package in SHIPPED}},
)
