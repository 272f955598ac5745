"""Turns raw rows into a summary, tables and plots."""
