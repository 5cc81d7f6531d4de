"""What is missing, and what it costs."""
