"""A dbt project built by real dbt under our hook, in a process of its own: what the hook says, as JSON."""
from __future__ import annotations

__all__ = ["RUN"]

# arguments: the project, the file for the events
RUN = """
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
