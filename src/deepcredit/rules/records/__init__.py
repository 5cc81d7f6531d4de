"""The project's learning rules, one record a module. Imports no torch."""
