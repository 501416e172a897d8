"""What a dose map means for a region: histograms, summaries, radiobiology."""
