"""`python -m metadata_service.api.graphql > schema/lineproof_schema/schema.graphql`: the SDL as served."""
from __future__ import annotations

import sys

from metadata_service.api.graphql.schema import schema

sys.stdout.write(schema.as_str() + "\n")
