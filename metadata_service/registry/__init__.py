"""Features, models, aliases and bindings on the read side. The rules are the projector's; here they are looked up, at any position.

`names` says what a reference means, `aliases` who moved a pointer when, `versions` what a version is, `compatibility` what a change of
version does to its readers, `bindings` and `resolution` what serving gets, `cache` the same thousands of times a second.
"""
from __future__ import annotations
