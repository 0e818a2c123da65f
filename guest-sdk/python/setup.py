"""Puts the contract into the package: in the repository it lies beside the kits."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup

here = Path(__file__).resolve().parent
contract, packaged = here.parent / "wit" / "action.wit", here / "src" / "fusebox_sdk" / "wit" / "action.wit"
if contract.exists():
    packaged.parent.mkdir(exist_ok=True)
    copyfile(contract, packaged)
setup()
