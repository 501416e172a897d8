"""The command line: reads, calls one workflow function, writes."""
