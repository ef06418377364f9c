"""Reads the SQL of plain OpenLineage events and says what it found as entries of the log's own, through intake.

Nothing is imported here: the parser's process needs little of the service.
"""
