"""The feature speed formula."""
