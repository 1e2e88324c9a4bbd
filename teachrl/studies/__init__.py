"""Comparisons of teachers: arms times seeds, declared before anything runs, and read with honest statistics."""
