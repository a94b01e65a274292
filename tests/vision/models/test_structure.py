"""Architectures as torchvision's, without numbers: on the meta device nothing is drawn or computed."""

import math

import pytest

import jtorch
from jtorch.vision import models

NAMES = models.list_models(module=models)


@pytest.fixture(scope="module")
def reference(torch, torchvision):
    """torchvision.models whose RegNet can be made on the meta device: its widths are read from tensors."""
    params = torchvision.models.regnet.BlockParams
    original = params.__dict__["from_init_params"]

    def on_cpu(cls, **kwargs):
        with torch.device("cpu"):
            return original.__func__(cls, **kwargs)

    params.from_init_params = classmethod(on_cpu)
    yield torchvision.models
    params.from_init_params = original


def on_meta(library, package, name):
    # Without the argument, the two Inceptions warn.
    config = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    with library.device("meta"):
        return package.get_model(name, **config)


def test_parameter_counts():
    # From torchvision's pages of these models.
    counts = {"resnet18": 11_689_512, "vgg16": 138_357_544, "vit_b_16": 86_567_656, "alexnet": 61_100_840}
    for name, expected in counts.items():
        model = on_meta(jtorch, models, name)
        assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("name", NAMES)
def test_structure_matches_torchvision(torch, reference, name):
    made, expected = on_meta(jtorch, models, name), on_meta(torch, reference, name)
    shapes = [[(k, tuple(v.shape)) for k, v in m.state_dict().items()] for m in (made, expected)]
    assert shapes[0] == shapes[1]  # keys, their order, shapes
    assert [k for k, _ in made.named_parameters()] == [k for k, _ in expected.named_parameters()]
    assert repr(made) == repr(expected)  # all layers and their arguments


def test_names_match_torchvision(reference):
    assert reference.list_models(module=reference) == NAMES
    absent = {"detection", "optical_flow", "quantization", "segmentation", "video"}
    assert {n for n in vars(reference) if not n.startswith("_")} - set(dir(models)) <= absent
    for name in (n for n in vars(reference) if not n.startswith("_") and n not in absent):
        theirs = getattr(getattr(reference, name), "__all__", None)
        assert theirs is None or set(theirs) == set(getattr(models, name).__all__)


def _plain(weights):
    """Everything about weights but the text in words."""
    meta = {k: v for k, v in weights.meta.items() if k != "_docs"}
    meta["_metrics"] = [None if math.isnan(v) else v for v in meta["_metrics"]["ImageNet-1K"].values()]
    return str(weights), weights.url, meta, repr(weights.transforms())


@pytest.mark.parametrize("name", NAMES)
def test_weights_match_torchvision(reference, name):
    made, expected = models.get_model_weights(name), reference.get_model_weights(name)
    assert list(made.__members__) == list(expected.__members__)
    assert made.DEFAULT.name == expected.DEFAULT.name
    assert [_plain(w) for w in made] == [_plain(w) for w in expected]
    assert all(isinstance(w.meta["_docs"], str) for w in made)


def test_number_of_published_parameters():
    for name in ("googlenet", "regnet_x_400mf", "swin_v2_t", "maxvit_t"):
        config = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
        with jtorch.device("meta"):
            model = models.get_model(name, **config)
        weights = models.get_model_weights(name).DEFAULT
        assert sum(p.numel() for p in model.parameters()) == weights.meta["num_params"]
        assert len(weights.meta["categories"]) == 1000
