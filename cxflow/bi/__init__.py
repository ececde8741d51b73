"""Files that BI tools import: datasets, charts and a dashboard over the published views. Called by the command line."""
