"""Playing the demo, and asking what it left."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forked

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Played:
    """A finished demo: its folder, what it printed, and an environment to ask more in."""

    folder: Path
    output: str
    env: Mapping[str, str]

    def run(self, *command: str, cwd: Path | None = None, expect: int = 0) -> str:
        """Run a `lineproof` or `python` command; what it printed."""
        program, *arguments = command
        if program == "lineproof":
            done = forked.run(arguments, cwd=cwd or self.folder, env=self.env, timeout=300)
        else:
            done = subprocess.run([Path(sys.executable).with_name(program), *arguments], env=dict(self.env), cwd=cwd or self.folder, capture_output=True,
                                  text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ask(self, *command: str) -> dict[str, Any]:
        """The one field of a question's JSON answer."""
        answer = json.loads(self.run("lineproof", *command, "--json"))
        (found,) = answer.values()
        return dict(found)


def play(folder: Path, **settings: str) -> Played:
    """Play the demo in `folder` without serving at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEPROOF_")}
    done = subprocess.run([sys.executable, "-m", "examples.flights.demo", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900,
                          stdin=subprocess.DEVNULL, env={**kept, **settings, "DEMO_SERVE": "0", "COLUMNS": "150"})
    log = folder / "service.log"
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}\n{log.read_text()[-4000:] if log.exists() else ''}"
    return played(folder, done.stdout, **settings)


def played(folder: Path, output: str = "", **settings: str) -> Played:
    """What a demo left in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEPROOF_")}
    env = {**kept, **settings, "LINEPROOF_DATA": str(folder / "lineproof"), "LINEPROOF_STATE_DIR": str(folder / "state"), "COLUMNS": "150"}
    return Played(folder, output, env)
