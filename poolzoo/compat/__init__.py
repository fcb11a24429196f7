"""The names of the authors' packages over poolzoo's operators, one module per package: what to import in their place.

``docs/porting.md`` lists the old and the new names, and what changes in the numbers. Importing this package imports
torch; ``import poolzoo`` does not import this package.
"""

from poolzoo.compat import (
    adapool as adapool,
    antialiased as antialiased,
    checkered as checkered,
    dpp as dpp,
    gem as gem,
    lip as lip,
    regions as regions,
    softpool as softpool,
)
