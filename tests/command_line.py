"""`lineproof` as a person types it, on a home with the directories `data` and `state`."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests import serve_process

LINEPROOF = [sys.executable, "-c", serve_process.ENTRY]


def environment(home: Path, **more: str) -> dict[str, str]:
    """This environment without settings of ours, on that home."""
    return serve_process.environment(home, {"LINEPROOF_DATA": str(home / "data"), **more})


def lineproof(home: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """What a command printed: on stdout if all is well (or a gate refused), else on stderr."""
    done = serve_process.lineproof(home, *arguments, env={"LINEPROOF_DATA": str(home / "data"), **more}, timeout=90)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code in (0, 1) else done.stderr


def as_json(home: Path, *arguments: str, code: int = 0) -> Any:
    """The JSON document a command printed."""
    return json.loads(lineproof(home, *arguments, "--json", code=code))
