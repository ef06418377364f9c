"""What serving reads for one flight: the registry says which version of each feature a model gets, the online store has the values.

    python ml/serve.py MODEL…          a model version, <namespace>:<name>@<version>
"""
from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path

from ingest_hooks import Resolver

ONLINE = Path(os.environ["FLIGHTS_DUCKDB"]).with_name("online.db")
FLIGHT = {"carrier": "UA", "origin": "EWR", "destination": "IAH", "tail_number": "N14228"}


def main(models: list[str]) -> None:
    bindings = {model: Resolver(model=model).binding() for model in models}
    online = sqlite3.connect(ONLINE)
    print(f"carrier {FLIGHT['carrier']}, {FLIGHT['origin']} to {FLIGHT['destination']}, plane {FLIGHT['tail_number']}")
    print(f"{'':<34}" + "".join(f"{model:<26}" for model in models).rstrip())
    for reference in dict.fromkeys(reference for binding in bindings.values() for reference in binding):
        cells = []
        for binding in bindings.values():
            found = binding[reference]
            table = str(found.online["uri"]).rpartition("/")[2]
            key = json.dumps([FLIGHT[column["name"]] for column in found.online["columns"][:-1]])
            value = online.execute(f"select value from {table} where key = ?", [key]).fetchone()
            cells.append(f"@{found.version}  {value[0] if value else 'unknown'}")
        print(f"{reference.partition(':')[2].partition('@')[0]:<34}" + "".join(f"{cell:<26}" for cell in cells).rstrip())
    for model, binding in bindings.items():
        found = binding["flights:visibility_km@latest-stable"]
        print(f"{model} visibility_km: {found.why}; {'for ever' if found.ttl_seconds is None else f'for {found.ttl_seconds} s'}")


if __name__ == "__main__":
    main(sys.argv[1:])
