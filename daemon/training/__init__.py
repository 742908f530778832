"""From recordings to a model bundle, and how far to believe it."""
