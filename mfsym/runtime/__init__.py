"""How work is run: workers, progress, provenance, guarded scripts, and where compiled code is kept."""
