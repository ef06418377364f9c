"""What we measure, each beside the raw engine in the same run: `python -m benchmarks [GROUP…]`. Nothing here asserts a timing."""
