"""Diesel generator sets and their fuel."""
