"""Sources: the connector base class, the plugin registry and the built-in connectors."""
