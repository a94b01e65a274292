"""Choosing models and weights by name, old spellings, loading of published files."""

import copy
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest

import jtorch
from jtorch import hub, nn
from jtorch.vision import models
from jtorch.vision.models import _api, _utils
from jtorch.vision.models.feature_extraction import create_feature_extractor


def test_models_are_listed():
    assert models.list_models(include="resnet*") == [
        "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    ]  # fmt: skip
    assert models.list_models(include=["vgg11*", "swin_t"], exclude="*_bn") == ["swin_t", "vgg11"]
    assert models.list_models(module=jtorch.vision) == []
    assert len(models.list_models()) == 80  # torchvision 0.28's number


def test_registered_builders_are_found(monkeypatch):
    monkeypatch.setattr(_api, "BUILTIN_MODELS", dict(_api.BUILTIN_MODELS))

    @_api.register_model("Small")
    def small(width=2):
        return nn.Linear(width, 1)

    assert models.get_model_builder("resnet18") is models.resnet18
    assert models.list_models(include="Small") == ["Small"]
    with pytest.raises(ValueError, match=r"^An entry is already registered under the name 'Small'\.$"):
        _api.register_model("Small")(small)
    with pytest.raises(ValueError, match=r"^Unknown model small$"):  # names are looked up in lower case
        models.get_model("Small")
    with pytest.raises(ValueError, match=r"^The method is missing the 'weights' argument\.$"):
        models.get_model_weights(small)


def test_weights_are_found():
    assert models.get_model_weights("resnet50") is models.ResNet50_Weights
    assert models.get_model_weights(models.resnet50) is models.ResNet50_Weights
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is models.ResNet50_Weights.DEFAULT
    for name in ("ResNet50_Weights", "a.b.c"):
        with pytest.raises(ValueError, match=rf"^Invalid weight name provided: '{name}'\.$"):
            models.get_weight(name)
    with pytest.raises(ValueError, match=r"^The weight enum 'resnet' for the specific method couldn't be"):
        models.get_weight("resnet.DEFAULT")
    with pytest.raises(KeyError):
        models.get_weight("ResNet50_Weights.V7")


def test_weights_are_verified():
    weights = models.ResNet18_Weights
    assert weights.verify(None) is None
    for given in (weights.DEFAULT, "DEFAULT", "ResNet18_Weights.IMAGENET1K_V1"):
        assert weights.verify(given) is weights.IMAGENET1K_V1
    with pytest.raises(
        TypeError, match=r"^Invalid Weight class provided; expected ResNet18_Weights but rece"
    ):
        weights.verify(models.ResNet50_Weights.DEFAULT)
    assert repr(weights.DEFAULT) == "ResNet18_Weights.IMAGENET1K_V1"
    assert copy.deepcopy(weights.DEFAULT) is pickle.loads(pickle.dumps(weights.DEFAULT)) is weights.DEFAULT
    assert (
        copy.deepcopy(weights.DEFAULT.value) == weights.DEFAULT.value != models.ResNet34_Weights.DEFAULT.value
    )


def test_preprocessing_belongs_to_weights():
    pixels = jtorch.arange(3 * 300 * 280, dtype=jtorch.uint8).reshape(3, 300, 280)
    weights = models.ResNet18_Weights.DEFAULT
    out = weights.transforms()(pixels)
    assert out.shape == (3, 224, 224)
    assert weights.meta["categories"][:2] == ["tench", "goldfish"]  # the first of ImageNet's 1000


def _said(build, *args, **kwargs):
    """What a builder got, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = build(*args, **kwargs)
    return str(got), [(w.category, str(w.message)) for w in caught]


def _toy(utils, api, default="V1"):
    toy = api.WeightsEnum(
        "Toy_Weights", {"V1": api.Weights("u", print, {}), "DEFAULT": api.Weights("v", print, {})}
    )

    @utils.handle_legacy_interface(weights=("pretrained", toy[default] if default else None))
    def toy_model(*, weights=None, progress=True, width=1):
        return weights, progress, width

    return toy, toy_model


LEGACY = [
    ((), {}),
    ((), {"weights": None}),
    ((), {"weights": "V1"}),
    ((), {"pretrained": True}),
    ((), {"pretrained": False}),
    ((), {"weights": "legacy"}),
    ((True,), {}),
    ((False,), {}),
    ((None, False), {}),
    ((True, True, 3), {}),
]


@pytest.mark.parametrize(("args", "kwargs"), LEGACY, ids=str)
def test_old_spellings_match_torchvision(torchvision, args, kwargs):
    theirs = torchvision.models
    _, made = _toy(_utils, _api)
    _, expected = _toy(theirs._utils, theirs._api)
    assert _said(made, *args, **kwargs) == _said(expected, *args, **kwargs)


def test_old_spelling_without_weights_is_an_error():
    _, model = _toy(_utils, _api, default=None)
    with pytest.raises(ValueError, match=r"^No weights available for model toy_model$"):
        model(pretrained=True)
    with pytest.warns(UserWarning, match=r"deprecated since 0\.13") as caught:
        assert model(pretrained=False)[0] is None
    assert caught[0].filename == __file__
    with pytest.raises(TypeError, match=r"^Found no keyword-only parameter on function '_plain_function'$"):
        _utils.kwonly_to_pos_or_kw(_plain_function)


def _plain_function(a):
    return a


def test_arguments_that_contradict_weights_are_refused():
    with pytest.raises(
        ValueError, match=r"^The parameter 'num_classes' expected value 1000 but got 7 instead\.$"
    ):
        models.resnet18(weights="DEFAULT", num_classes=7)
    with pytest.raises(ValueError, match=r"^The parameter 'groups' expected value 32 but got 2 instead\.$"):
        models.resnext50_32x4d(groups=2)
    with pytest.raises(
        ValueError, match=r"^The parameter 'image_size' expected value 224 but got 32 instead\.$"
    ):
        models.vit_b_16(weights="DEFAULT", image_size=32)


def test_inception_warns_of_its_first_weights():
    with (
        jtorch.device("meta"),
        pytest.warns(FutureWarning, match=r"^The default weight initialization of Goog"),
    ):
        models.googlenet()


def test_other_parts_are_refused():
    with pytest.raises(NotImplementedError, match=r"^create_feature_extractor needs torch\.fx"):
        create_feature_extractor(nn.ReLU(), ["0"])
    assert not hasattr(models, "detection")


@pytest.fixture
def cache(tmp_path):
    """An empty cache of downloads."""
    before = hub._hub_dir
    hub.set_dir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    yield tmp_path / "checkpoints"
    hub._hub_dir = before


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_published_files_load(torch, torchvision, cache, zipped):
    reference = torchvision.models.squeezenet1_1()
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    file = cache / weights.url.rpartition("/")[2]
    torch.save(reference.state_dict(), file, _use_new_zipfile_serialization=zipped)
    model = models.squeezenet1_1(weights=weights)
    for key, value in reference.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[key].numpy(), value.numpy())


def test_old_keys_of_densenet_load():
    model = models.DenseNet(2, (2, 1), 4, num_classes=3)
    old = OrderedDict()
    for key, value in model.state_dict().items():
        parts = key.split(".")
        if "denselayer" in key and not key.endswith("num_batches_tracked"):
            parts[3] = f"{parts[3][:-1]}.{parts[3][-1]}"  # norm1 -> norm.1
        if not key.endswith("num_batches_tracked"):
            old[".".join(parts)] = value + 1
    assert "features.denseblock1.denselayer2.conv.1.weight" in old
    # As in the published files, there are no counts of batches, and no versions.
    assert not model.load_state_dict(old).missing_keys
    key = "features.denseblock1.denselayer2.norm1.weight"
    np.testing.assert_array_equal(model.state_dict()[key].numpy(), np.full(6, 2, np.float32))


def test_old_keys_of_vision_transformers_load():
    model = models.VisionTransformer(4, 2, 1, 1, 4, 6, num_classes=3)
    old = OrderedDict()
    for key, value in model.state_dict().items():
        old[key.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2")] = value + 1
    assert "encoder.layers.encoder_layer_0.mlp.linear_2.bias" in old
    model.load_state_dict(old)
    assert float(model.heads.head.weight.detach().amax()) == 1.0  # drawn as 0, plus 1


def test_positions_are_interpolated(torch, torchvision):
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(1, 10, 4)).astype(np.float32)
    results = []
    for library, package in ((jtorch, models), (torch, torchvision.models)):
        state = OrderedDict({"encoder.pos_embedding": library.tensor(positions)})
        state["heads.head.bias"] = library.zeros(3)
        fit = package.vision_transformer.interpolate_embeddings
        same = fit(6, 2, OrderedDict(state))
        assert same["encoder.pos_embedding"] is state["encoder.pos_embedding"]
        made = fit(10, 2, state, reset_heads=True)
        assert list(made) == ["encoder.pos_embedding"]
        results.append(made["encoder.pos_embedding"].numpy())
        with pytest.raises(
            ValueError, match=r"^seq_length is not a perfect square! Instead got seq_length_1d"
        ):
            fit(10, 2, OrderedDict({"encoder.pos_embedding": library.zeros(1, 9, 4)}))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-5)


def test_layers_between_are_returned():
    model = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.ReLU(), c=nn.Linear(3, 1)))
    part = _utils.IntermediateLayerGetter(model, {"b": "features"})
    assert list(part) == ["a", "b"]
    x = jtorch.ones(1, 2)
    out = part(x)
    assert list(out) == ["features"]
    np.testing.assert_array_equal(out["features"].detach().numpy(), model[:2](x).detach().numpy())
    with pytest.raises(ValueError, match=r"^return_layers are not present in model$"):
        _utils.IntermediateLayerGetter(model, {"d": "x"})
