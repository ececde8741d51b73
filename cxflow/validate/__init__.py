"""Great Expectations on conformed batches: what may load, what is quarantined, what stops. The one place that
imports great_expectations, and only inside functions."""
