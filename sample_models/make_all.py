"""Makes every sample model again: ``python sample_models/make_all.py``."""

from __future__ import annotations

import runpy
import sys

from common import FOLDER

if __name__ == "__main__":
    for script in sorted(FOLDER.glob("*.py")):
        if script.stem not in ("common", "make_all", "pytorch_files"):
            print(f"{script.name} ...", flush=True)
            sys.argv = [str(script)]
            runpy.run_path(str(script), run_name="__main__")
