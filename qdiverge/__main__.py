"""``python -m qdiverge``, the same as the ``qdiverge`` command."""

import sys

from qdiverge.cli import main

if __name__ == "__main__":
    sys.exit(main())
