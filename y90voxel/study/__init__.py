"""One study from files to a folder of results: reading, running, writing."""
