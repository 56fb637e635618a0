"""Products and layers for a CPU, written in C++ for the few rows that a step of sessions has.

A machine without a compiler goes without them, and does the same with torch, slower.
"""
