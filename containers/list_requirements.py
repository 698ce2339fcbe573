"""Print what pyproject.toml beside it requires, with some extras: `EXTRA,EXTRA`.

The image installs that before our code is copied, which changes far more often.
"""

import sys
import tomllib
from pathlib import Path


def main(extras: str) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    wanted = project["dependencies"] + [
        line for extra in extras.split(",") if extra for line in optional[extra]
    ]
    sys.stdout.write("\n".join(wanted) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
