"""The flag by which a user lets a saved run name code to import."""

from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

HELP = (
    "Import the module that the run names for its environment, as module:Id, also from the working"
    " folder. Whatever is in it runs, so give this only for a run, and a module, of which you know"
    " who made them. Without it the environment must be one that installed packages register."
)
TrustFlag = Annotated[FlagCreatePairsOff[bool], arg(help=HELP)]
