"""Many dose calculations at once: what each contributes, and which ones stand out."""
