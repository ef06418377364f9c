"""What makes two feature versions the same: the data hash over everything that can change a value, the metadata hash over the rest.

SQL enters the data hash as sent, with comments and whitespace folded by a lexer that knows quotes and nothing else: what a
parser makes of it changes with the parser's version, so it never enters an identity.
"""
from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import rfc8785

from lineproof_schema.models.features import FeatureVersionData
from metadata_service.projector.plain import plain

__all__ = ["DATA_DOMAIN", "METADATA_DOMAIN", "data_hash", "fold_sql", "metadata_hash"]

DATA_DOMAIN: Final = "lineproof/feature-data/v1"
METADATA_DOMAIN: Final = "lineproof/feature-metadata/v1"
_TOKEN: Final = re.compile(
    r"(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?P<gap>(?:\s+|--[^\n]*|/\*.*?\*/)+)"
    r"|(?P<other>.)", re.DOTALL)


def fold_sql(sql: str) -> str:
    """`sql` with every run of whitespace and comments as one space, none at the ends; quoted text is kept exactly."""
    return "".join(" " if match["gap"] is not None else match[0] for match in _TOKEN.finditer(sql)).strip()


def data_hash(data: FeatureVersionData) -> str:
    """64 hex digits over the definition."""
    said: dict[str, Any] = data.definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    if data.definition.sql is not None:
        said["sql"] = fold_sql(data.definition.sql)
    said["sources"] = sorted(said.get("sources", []), key=lambda source: (source["namespace"], source["name"]))
    return _hash(DATA_DOMAIN, said)


def metadata_hash(data: FeatureVersionData) -> str:
    """64 hex digits over what is said beside the definition and the identity."""
    said = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"definition", "namespace", "name", "version"})
    return _hash(METADATA_DOMAIN, said)


def _hash(domain: str, said: dict[str, Any]) -> str:
    return hashlib.sha256(domain.encode() + b"\0" + rfc8785.dumps(plain(said))).hexdigest()
