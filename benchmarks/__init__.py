"""What we measure, beside the raw engine in the same run. Nothing here asserts a timing."""
