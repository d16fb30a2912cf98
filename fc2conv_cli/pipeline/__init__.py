"""The three things that fc2conv does, as functions that return records and print nothing."""
