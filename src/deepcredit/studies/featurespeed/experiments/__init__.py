"""What runs this study's kinds of experiment."""
