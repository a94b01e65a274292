"""Pure JAX functions by family, each with its registration."""
