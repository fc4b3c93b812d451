"""The parts of ``table.py``: what is read, who reads it, and how much memory that takes."""
