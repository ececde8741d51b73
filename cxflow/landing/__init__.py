"""Data at rest before it is loaded: the landing zone, its raw batches and their shape, prepared batches."""
