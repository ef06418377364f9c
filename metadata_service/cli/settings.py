"""`lineproof settings`: every setting, its value and where it came from."""
from __future__ import annotations

from metadata_service.cli.output import Json, print_json, print_table

__all__ = ["settings"]


def settings(as_json: Json = False) -> None:
    """Every setting with its value and source; secrets are masked. Unknown names fail."""
    from metadata_service.settings import load_settings, setting_rows

    rows = setting_rows(load_settings())
    if as_json:
        print_json([{"name": row.name, "value": row.value or None, "source": row.source, "variable": row.variable, "description": row.description}
                    for row in rows])
    else:
        print_table(("setting", "value", "source", "what it does"), [(row.name, row.value, row.source, row.description) for row in rows], "")
