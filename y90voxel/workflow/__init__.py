"""Cases in, evaluations out; pure: no paths, no formats, no printing."""
