"""TOML, by the standard library; by ``tomli``, which came before it, on Python 3.10."""

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

__all__ = ["tomllib"]
