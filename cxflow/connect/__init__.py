"""The shore of the sources: the plugin contract, the registry and the built-in connectors."""
