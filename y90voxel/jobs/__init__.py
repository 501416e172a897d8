"""Settings, engines and results of whole studies, one or many."""
