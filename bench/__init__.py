"""Measurements of jtorch beside PyTorch and hand-written JAX, in one process each, as ratios.

``python -m bench`` runs all of them; ``python -m bench training memory`` some.
"""
