"""`python -m teachrl` is `teachrl`."""

import sys

from teachrl.cli import main

if __name__ == "__main__":
    sys.exit(main())
