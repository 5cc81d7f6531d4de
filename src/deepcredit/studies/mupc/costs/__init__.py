"""What cells of this study's kinds of experiment cost. Imports no torch."""
