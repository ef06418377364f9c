"""The Lineproof service: intake, projection, graph, queries and the API around them."""
