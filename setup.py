"""The experiments in configs/ are installed as the package's data, sparse_rl/experiments/*.yaml.

All else stands in pyproject.toml, which has no way to say that a folder becomes a package of
another name and to find all others by itself.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["sparse_rl", "sparse_rl.*"]), "sparse_rl.experiments"],
    package_dir={"sparse_rl.experiments": "configs"},
)
