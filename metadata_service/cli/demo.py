"""`lineproof demo`: the flights pipeline of the source repository, end to end."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

from lineproof_schema.errors import LineproofError

__all__ = ["demo"]


def demo() -> None:
    """Run the demo on real data, then serve it (DEMO_SERVE=0 to end instead). Needs a checkout of the repository."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "examples" / "flights" / "demo.py").is_file():
        raise LineproofError("the demo is part of the source repository, not of the package: clone it and run make demo", code="not-found")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in (str(root), os.environ.get("PYTHONPATH", "")) if part)}
    try:
        ended = subprocess.run([sys.executable, "-m", "examples.flights.demo"], cwd=root, env=environment, check=False)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    raise typer.Exit(ended.returncode)
