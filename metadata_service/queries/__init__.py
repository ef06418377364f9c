"""Questions about the graph and the log: pure-ish async functions over the graph port and the log reader.

Every answer says what it was computed at (`ComputedAt`) and how complete it is (`Completeness`).
"""
