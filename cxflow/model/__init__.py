"""Values that cross stages, independent of sources, databases and frameworks."""
