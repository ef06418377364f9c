"""Where the text of a statement comes from: templates, macros, and models spliced into others."""
from __future__ import annotations
