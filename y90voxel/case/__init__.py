"""One treatment: its settings, what it is made of, and its evaluation; pure: no paths, no formats, no printing."""
