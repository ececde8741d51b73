"""Values that cross stages. They know nothing of sources, databases or frameworks."""
