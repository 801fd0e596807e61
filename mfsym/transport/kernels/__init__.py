"""Compiled kernels of the exact transport solver: arrays in, arrays out. Callers check the arguments."""
