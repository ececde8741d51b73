"""KPIs: each declared once, computed in the warehouse, published with its interval and its history."""
