"""Compiled code of exact transport: arrays in, arrays out. Arguments are checked by the callers."""
