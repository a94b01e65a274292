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


def test_arguments_are_told_apart(tmp_path):
    def f(a, *, b, scale, kind):
        return (a - b["x"] * 2 + b["y"] * 4).to(kind) * scale

    a, b = jtorch.ones(2), {"x": jtorch.ones(2), "y": jtorch.zeros(2)}
    program = export.export(f, (a,), {"b": b, "scale": 3, "kind": jtorch.float64})
    export.save(program, tmp_path / "p.pt2")
    for p in (program, export.load(tmp_path / "p.pt2")):
        # By name, in any order.
        swapped = {"y": b["y"], "x": b["x"]}
        assert p(a, kind=jtorch.float64, scale=3, b=swapped).tolist() == [-3.0, -3.0]
        # Python numbers are part of the program, so others would be silently left out.
        for changed in ({"scale": 4}, {"scale": 3.0}, {"kind": jtorch.float32}, {"b": {"x": a}}, {"b": a}):
            with pytest.raises(ValueError, match="this program was exported for"):
                p(a, **{"b": b, "scale": 3, "kind": jtorch.float64, **changed})
        with pytest.raises(ValueError, match="exported for a tuple of 1 where it is given a tuple of 2"):
            p(a, a, b=b, scale=3, kind=jtorch.float64)


def test_state_of_all_shapes_and_other_files(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(jtorch.tensor(2.0, dtype=jtorch.bfloat16))
            self.register_buffer("shift", jtorch.tensor([[0, 3], [1, 4], [2, 5]], dtype=jtorch.bfloat16))
            self.register_buffer("phase", jtorch.tensor(1j))

        def forward(self, x):
            assert jtorch.compiler.is_exporting()
            return x * self.scale + self.shift, self.phase * self.phase

    export.save(export.export(Scaled(), (jtorch.ones(3, 2),)), tmp_path / "p.pt2", extra_files={"about": "x"})
    assert not jtorch.compiler.is_exporting()
    extra = {"about": "", "missing": ""}
    program = export.load(tmp_path / "p.pt2", extra_files=extra)
    assert extra == {"about": "x", "missing": ""}
    assert program.state_dict["scale"].shape == ()
    out, square = program(jtorch.ones(3, 2))
    assert out.tolist() == [[2.0, 5.0], [3.0, 6.0], [4.0, 7.0]]
    assert square.item() == -1
    (tmp_path / "text").write_text("text")
    with pytest.raises(RuntimeError, match="does not hold a program"):
        export.load(tmp_path / "text")


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
    program = export.export(nn.ReLU(), (x,), dynamic_shapes=({0: None, 1: export.Dim.STATIC},))
    with pytest.raises(AssertionError, match=r"Guard failed: input.size\(\)\[0\] == 2"):
        program(jtorch.ones(3, 3))
    with pytest.raises(ValueError, match="this program takes tensors"):
        program(jtorch.ones(3))
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    with pytest.raises(RuntimeError, match="does not hold a program"):
        export.load(file)
