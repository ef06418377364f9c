"""A dbt project built by real dbt under our hook, in a process of its own: what the hook says, as JSON."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["Built", "dbt_build"]

Built = dict[str, Any]
# arguments: the project, the file for the events
_RUN = """
import hashlib, json, sys
from ingest_hooks.dbt import run_dbt

class Sink:
    events, artifacts = [], {}
    def emit(self, kind, data): self.events.append([kind, data])
    def openlineage(self, event): self.events.append(["openlineage", event])
    def artifact(self, content):
        digest = hashlib.sha256(content).hexdigest()
        self.artifacts[digest] = content.decode()
        return digest

sink = Sink()
result = run_dbt(["build", "--project-dir", sys.argv[1], "--profiles-dir", sys.argv[1], "--quiet"], sink, namespace="jobs")
json.dump({"success": result.success, "events": sink.events, "artifacts": sink.artifacts}, open(sys.argv[2], "w"))
"""


def dbt_build(project: Path, **environment: str) -> Built:
    """What the hook says of a build of the project: whether it had `success`, `events`, `artifacts` by digest. Whatever dbt makes of the models."""
    out = project / "target" / "events.json"
    done = subprocess.run([sys.executable, "-c", _RUN, str(project), str(out)], env={**os.environ, "DO_NOT_TRACK": "1", **environment}, capture_output=True,
                          text=True, timeout=300, check=False)
    if not out.exists():
        raise RuntimeError(done.stdout + done.stderr)
    built: Built = json.loads(out.read_text(encoding="utf-8"))
    return built
