"""Exported programs run without the code that made them."""

import io
import json
import subprocess
import sys
import zipfile

import pytest

import jtorch
from jtorch import export, nn
from jtorch._dynamo.exc import Unsupported


def test_a_program_is_saved_and_run_in_another_process(tmp_path):
    jtorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2)).eval()
    x = jtorch.ones(2, 3)
    program = export.export(model, (x,))
    expected = model(x)
    assert jtorch.allclose(program.module()(x), expected)
    assert "stablehlo" in program.stablehlo
    assert set(program.state_dict) >= {"0.weight", "1.running_mean"}
    path = tmp_path / "model.pt2"
    export.save(program, path)
    code = (
        "import jtorch, sys; p = jtorch.export.load(sys.argv[1]); print(p(jtorch.ones(2, "
        "3)).flatten().tolist())"
    )
    command = [sys.executable, "-c", code, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == pytest.approx(expected.flatten().tolist(), rel=1e-5)


def test_structures_dtypes_and_several_arguments():
    def f(a, b, n):
        return {"sum": a + b["y"].to(jtorch.bfloat16) * n, "parts": [a, (b["y"] > 0)][1:], "n": n}

    a, b = jtorch.ones(2, dtype=jtorch.bfloat16), {"y": jtorch.tensor([1.0, -1.0])}
    file = io.BytesIO()
    export.save(export.export(f, (a, b, 2)), file)
    result = export.load(io.BytesIO(file.getvalue()))(a, b, 2)
    assert result["sum"].tolist() == [3.0, -1.0]
    assert result["sum"].dtype is jtorch.bfloat16
    assert result["parts"][0].tolist() == [True, False]
    assert result["n"] == 2


def test_arguments_that_are_handed_through(tmp_path):
    program = export.export(lambda a, b: (a, a + b, [b]), (jtorch.ones(2), jtorch.zeros(2)))
    export.save(program, tmp_path / "p.pt2")
    x, y = jtorch.tensor([1.0, 2.0]), jtorch.tensor([3.0, 4.0])
    for p in (program, export.load(tmp_path / "p.pt2")):
        first, total, (last,) = p(x, y)
        assert first is x
        assert last is y
        assert total.tolist() == [4.0, 6.0]


def test_what_cannot_be_exported_says_why():
    x = jtorch.ones(2, 3)
    with pytest.raises(TypeError, match="Expecting `args` to be a tuple"):
        export.export(nn.ReLU(), x)
    with pytest.raises(NotImplementedError, match="draws random numbers"):
        export.export(nn.Dropout(), (x,))
    with pytest.raises(NotImplementedError, match="changes tensors"):
        export.export(nn.BatchNorm1d(3), (x,))
    with pytest.raises(Unsupported, match="reads the value"):
        export.export(lambda x: x + x.sum().item(), (x,))
    with pytest.raises(NotImplementedError, match="XLA compiles for sizes"):
        export.export(nn.ReLU(), (x,), dynamic_shapes={"input": {0: export.Dim("batch", min=2)}})
    program = export.export(nn.ReLU(), (x,), dynamic_shapes=({0: None, 1: export.Dim.STATIC},))
    with pytest.raises(ValueError, match="this program takes tensors"):
        program(jtorch.ones(3, 3))
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    with pytest.raises(RuntimeError, match="does not hold a program"):
        export.load(file)
