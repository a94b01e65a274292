"""Tools beside the model: data loading (``torch.utils``)."""
