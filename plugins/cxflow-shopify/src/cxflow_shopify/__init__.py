"""The cxflow connector `shopify`."""
