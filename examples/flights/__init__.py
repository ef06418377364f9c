"""A real pipeline on a year of flights out of New York: sources, features, a model, a dashboard, and two mistakes to find."""
