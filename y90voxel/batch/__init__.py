"""Many studies in one run: found, computed each in a process of its own, recorded, resumable."""
