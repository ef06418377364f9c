"""The graph: the port, its adapters, and all SQL and Cypher of the graph."""
