"""Running work: workers, progress, provenance, guarded scripts, and the cache of compiled code."""
