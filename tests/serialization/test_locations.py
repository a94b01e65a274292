"""What ``load`` says of places, versions and arguments that it does not know."""

import io
import zipfile

import pytest

import jtorch


def saved(version=None):
    """A file with one tensor, whose record of the version may be another."""
    buffer = io.BytesIO()
    jtorch.save({"a": jtorch.ones(2)}, buffer)
    if version is not None:
        records = zipfile.ZipFile(buffer)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as changed:
            for name in records.namelist():
                changed.writestr(name, version if name.endswith("/version") else records.read(name))
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"map_location": 1}, TypeError, "'int' object is not callable"),
        (
            {"map_location": lambda storage: storage},
            TypeError,
            "takes 1 positional argument but 2 were given",
        ),
        ({"map_location": lambda storage, place: {}[place]}, KeyError, "cpu"),
        ({"map_location": "cuda:x"}, RuntimeError, "Invalid device string: 'cuda:x'"),
    ],
)
def test_errors_about_places_are_those_of_the_caller(arguments, error, text):
    with pytest.raises(error, match=text):
        jtorch.load(saved(), **arguments)


@pytest.mark.filterwarnings("ignore:pickle_load_args")
def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'bad'"):
        jtorch.load(saved(), bad=1)


@pytest.mark.parametrize(("version", "bound"), [(b"99", "maximum"), (b"11\n", "maximum"), (b"0", "minimum")])
def test_unknown_versions_are_refused(version, bound):
    with pytest.raises(RuntimeError, match=f"version {int(version)}, but the {bound} supported version"):
        jtorch.load(saved(version))


def test_known_versions_are_read():
    assert jtorch.load(saved(b"10"))["a"].tolist() == [1.0, 1.0]
