"""The committed contract of the API: `python -m metadata_service.api.export` writes openapi.json and schema.graphql again."""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import lineproof_schema
from metadata_service.api.application import create_api
from metadata_service.api.graphql import schema

__all__ = ["contract_files"]


def contract_files() -> Iterator[tuple[str, str]]:
    """File name in `lineproof_schema`, and the content that today's code gives it."""
    yield "openapi.json", json.dumps(create_api().openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    yield "schema.graphql", schema.as_str() + "\n"


def main() -> None:
    """Write the files into the schema package of this checkout."""
    home = Path(lineproof_schema.__file__).parent
    for name, content in contract_files():
        (home / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote {home / name}\n")


if __name__ == "__main__":
    main()
