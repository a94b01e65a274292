"""Indexing: every form to read and to write, against torch and by hand; views, gradients, compilations."""

import random

import numpy as np
import pytest

import jtorch
from jtorch.trace import settings

SETUP = """
x = torch.tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
v = torch.arange(5)
z = torch.tensor(3.0)
r = torch.ones(3, requires_grad=True)
li = torch.tensor([0, 2])
m = torch.tensor([True, False, True])
m23 = torch.ones(2, 3, dtype=torch.bool)
m34 = torch.ones(3, 4, dtype=torch.bool)
bt = torch.tensor(True)
bf = torch.tensor(False)
"""

READS = [
    "x[0]",
    "x[5]",
    "x[-3]",
    "x[0,5]",
    "x[0,0,0]",
    "x[0,0,0,0]",
    "x[::-1]",
    "x[::0]",
    "x[1:0]",
    "x[5:9]",
    "x[-1:]",
    "x[::2,1:]",
    "x[...]",
    "x[...,0]",
    "x[...,...]",
    "x[0,...,0]",
    "x[None]",
    "x[:,None]",
    "x[True]",
    "x[False]",
    "x[bt]",
    "x[bf]",
    "x[True,0]",
    "x[0,True]",
    "x[np.True_]",
    "x[None,True]",
    "x[li]",
    "v[li]",
    "v[[0,2]]",
    "v[(0,2)]",
    "v[np.array([0,2])]",
    "v[range(2)]",
    "v[[True,False,True,False,True]]",
    "v[[[0,1],[2,3]]]",
    "v[torch.tensor([0,1],dtype=torch.int32)]",
    "v[torch.tensor([0,1],dtype=torch.int16)]",
    "v[torch.tensor([0,1],dtype=torch.int8)]",
    "v[torch.tensor([0,1,0,0,1],dtype=torch.uint8)]",
    "v[torch.tensor([0.,1.])]",
    "v[torch.tensor([5])]",
    "v[torch.tensor([-6])]",
    "v[torch.tensor([-5])]",
    "v[torch.tensor(2)]",
    "v[torch.tensor(2,dtype=torch.uint8)]",
    "v[torch.tensor(2,dtype=torch.int16)]",
    "v[torch.tensor(9)]",
    "v[torch.tensor(2.)]",
    "v[np.int64(2)]",
    "v[np.float64(2)]",
    "v[2.5]",
    'v["a"]',
    'v[None,"a"]',
    'v[slice("a")]',
    "v[1.5:2]",
    "v[torch.tensor(1):torch.tensor(3)]",
    "v[np.int64(1):np.int64(3)]",
    "v[torch.tensor([1]):3]",
    "v[1,2]",
    "z[0]",
    "z[()]",
    "z[...]",
    "z[None]",
    "z[:]",
    "z[True]",
    "z[torch.tensor(True)]",
    "z[li]",
    "z[torch.tensor(0)]",
    "z[[]]",
    "v[[]]",
    "v[()]",
    "v[torch.tensor([])]",
    "v[torch.tensor([],dtype=torch.int64)]",
    "v[torch.tensor([],dtype=torch.bool)]",
    "x[m]",
    "x[:,m]",
    "x[0,m]",
    "x[:,:,m]",
    "x[x>5]",
    "x[torch.ones(2,3,dtype=torch.bool)]",
    "x[torch.ones(2,4,dtype=torch.bool)]",
    "x[li,li]",
    "x[torch.tensor([0,1]),torch.tensor([0,1])]",
    "x[torch.tensor([0,1]),:,torch.tensor([0,1])]",
    "x[:,torch.tensor([0,1]),torch.tensor([0,1])]",
    "x[:,torch.tensor([0,1]),None,torch.tensor([0,1])]",
    "x[:,0,torch.tensor([0,1])]",
    "x[0,:,torch.tensor([0,1])]",
    "x[[0,1],:,0]",
    "x[0,:,[0,1]]",
    "x[[0],[0,1],[0]]",
    "x[[0,1],[0,1,2]]",
    "x[torch.tensor([[0],[1]]),torch.tensor([0,1,2])]",
    "x[...,[0,1]]",
    "x[[0,1],...]",
    "x[None,[0,1]]",
    "x[[0,1],None]",
    "x[[0,1],None,[0,1]]",
    "x[[[0,1],[0,1]]]",
    "x[([0,1],[0,1])]",
    "x[[0,1],m]",
    "x[li[:1],m]",
    "x[m,m]",
    "x[0:1,m]",
    "x[torch.tensor(0),[0,1]]",
    "x[:,torch.tensor(0),[0,1]]",
    "x[[0,1],torch.tensor(0)]",
    "x[[0,slice(None)]]",
    "x[[slice(0,1),0]]",
    "x[[None,0]]",
    "x[[...]]",
    "x[[torch.tensor([0,1]),torch.tensor([0,1])]]",
    "x[[torch.tensor(0),torch.tensor(1)]]",
    "x[[0,[1]]]",
    "x[{0}]",
    "x[{}]",
    "x[object()]",
    "x[1j]",
    "x[b'a']",
    "x[True,True]",
    "x[True,[0,1]]",
    "x[[0,1],True]",
    "x[torch.tensor([True,False]),torch.tensor([1])]",
    "r[0].grad_fn.name()",
    "r[0:2].grad_fn.name()",
    "r[None].grad_fn.name()",
    "r[li].grad_fn.name()",
    "r[m].grad_fn.name()",
    "r[...].grad_fn.name()",
    "r[:].grad_fn.name()",
    "r[()].grad_fn.name()",
    "r[True].grad_fn.name()",
    "r[::2].grad_fn.name()",
    "r.unsqueeze(0)[0,[0,1]].grad_fn.next_functions[0][0].name()",
    "x[0,1].grad_fn",
    "x.storage_offset()",
    "x[1,1:,2].storage_offset()",
    "x[1,1:,2].stride()",
    "x[...] is x",
    "x[[0,1]].stride()",
    "x.permute(2,0,1)[[0,1]].stride()",
    "x[:,[0,1]].stride()",
    "x.permute(2,0,1)[:,[0,1]].stride()",
    "x[:,:,[0,1]].stride()",
    "x[[1,0],:,[0,1]].stride()",
    "x.transpose(0,1)[[0,1]].stride()",
    "x.transpose(1,2)[:,[0,1]].stride()",
    "x[0:1].transpose(0,2)[:,:,[0,0]].stride()",
    "x[1:1]",
    "x[1:1,[0,1]]",
    "x[:, []]",
    "x[[],[]]",
    "torch.zeros(0,3)[[]]",
    "torch.zeros(0,3)[[0]]",
    "torch.zeros(0,3)[0]",
    "torch.zeros(0)[torch.zeros(0,dtype=torch.bool)]",
    "torch.zeros(3,0)[:,[0]]",
    "torch.zeros(3,0)[[0,1]]",
    "torch.zeros(3,0)[[5]]",
    "torch.ones(2,2)[torch.zeros(2,2,dtype=torch.bool)]",
    "torch.ones(2,2)[torch.zeros(3,dtype=torch.bool)]",
    "torch.ones(2,2)[:,torch.zeros(3,dtype=torch.bool)]",
    "torch.ones(2,2)[torch.zeros(2,3,dtype=torch.bool)]",
    "torch.ones(2)[torch.zeros(2,2,dtype=torch.bool)]",
    "torch.ones(2,2)[[True,False]]",
    "torch.ones(2,2)[[True,False],[False,True]]",
    "torch.ones(2,2)[np.array([True,False])]",
    "torch.ones(2,2)[np.array(True)]",
    "torch.ones(2,2)[np.array(1)]",
    "torch.ones(2,2)[np.array([1.])]",
    "torch.ones(2,2)[[1.]]",
    "torch.ones(2,2)[[1,2,3],[1,2]]",
    "v.index_select(0,li)",
    "torch.ones(2,2).__getitem__(0)",
    "torch.ones(2,2)[2**70]",
    "torch.ones(2,2)[0:2**70]",
    "x[m,0]",
    "x[m,0:2]",
    "x[m,[0]]",
    "x[m,None]",
    "x[m,...,0]",
    "x[0,m34]",
    "x[...,m34]",
    "x[...,m34,None]",
    "x[[0],m34]",
    "x[m34[:,0],m23]",
    "x[:,:,None,m34[0]]",
    "v[np.array([[0,1],[2,3]])]",
    "x[np.array([[0,1],[1,0]])].shape",
    "x[np.ones((2,3),bool)].shape",
    "v[list(range(5))*10].shape",
    "v[[[0]]*40].shape",
    "v[np.array([[0,1]]*40)].shape",
    "x[0][np.array([0,1]),np.array([1,2])]",
    "v[np.array([0,1],dtype=np.uint8)]",
    "v[np.array([1,0,0,0,1],dtype=np.uint8)]",
    "v[np.array([0,1],dtype=np.int16)]",
    "v[[torch.tensor(1),2]]",
    "v[(torch.tensor(1),)]",
    "v[torch.tensor([[0,1],[2,3]])]",
    "v[[True]]",
    "v[[np.True_,np.False_,np.True_,np.True_,np.True_]]",
    "v[[1.5]]",
    'v[["a"]]',
    "v[[None]]",
    "v[(None,None)].shape",
    "x[:,[9]]",
    "x[:,:,[9]]",
    "x[0,:,[9]]",
    "x[[0],:,[9]]",
    "x[[0,5],[0,7]]",
    "x[[0,0],[7,0]]",
    "x[[0,0],[7,9]]",
    "x[[0,5],[9,0]]",
    "x[:,[[0,1],[8,9]]]",
    "x.__setitem__((slice(None),[9]),1)",
    "x.__setitem__((slice(None),[9]),torch.ones(4))",
    "x.__setitem__(([0,5],[0,7]),1)",
]

WRITES = [
    "x[0]=1",
    "x[0]=[1,2]",
    "x[0]=np.ones(4)",
    "x[0]=np.float32(3)",
    "x[0]=np.float64(3)",
    "x[0]=np.int64(3)",
    "x[0]=np.bool_(1)",
    "x[0]=None",
    'x[0]="a"',
    "x[0]=torch.ones(4)",
    "x[0]=torch.ones(3)",
    "x[0]=torch.ones(1,1,1,4)",
    "x[0]=torch.ones(2,3,4)",
    "x[0]=torch.ones(1,3,4)",
    "x[0]=torch.arange(4)",
    "v[0]=2.7",
    "v[0]=torch.tensor(2.7)",
    "v[0]=1j",
    "v[0]=torch.tensor(1j)",
    "v[1:3]=torch.tensor([7.5,8.5])",
    "v[...]=9",
    "v[:]=8",
    "v[None]=7",
    "v[True]=6",
    "v[False]=6",
    "v[()]=3",
    "z[()]=4",
    "z[...]=4",
    "z[0]=4",
    "z[None]=4",
    "z[:]=4",
    "x[5]=1",
    "x[0,5]=1",
    "x[0,0,0,0]=1",
    "x[::-1]=1",
    "x[:,1]=torch.ones(2,1)",
    "x[:,1]=torch.ones(2,4)",
    "x[:,1]=torch.ones(4,2)",
    "x[torch.tensor([0, 1])]=0",
    "x[torch.tensor([0, 1])]=torch.ones(4)",
    "x[torch.tensor([0, 1])]=torch.ones(2,3,4)",
    "x[torch.tensor([0, 1])]=torch.ones(3,3,4)",
    "x[torch.tensor([0, 1])]=torch.ones(1,2,3,4)",
    "x[torch.tensor([0, 1])]=torch.arange(4)",
    "x[torch.tensor([0, 1])]=torch.arange(4).double()",
    "x[torch.tensor([0, 1]),torch.tensor([0, 1])]=torch.tensor([[1.],[2.]])",
    "x[[0,0]]=torch.tensor([[[1.]],[[2.]]])",
    "x[:,m]=5",
    "x[:,m]=torch.ones(2,2,4)",
    "x[:,m]=torch.ones(3,4)",
    "x[x>5]=0",
    "x[x>5]=torch.arange(18.)",
    "x[x>5]=torch.arange(17.)",
    "x[x>5]=torch.tensor(2.)",
    "x[x>5]=torch.tensor(2)",
    "x[x>5]=torch.tensor([2.])",
    "x[0,x[0]>5]=1",
    "x[...,[0,1]]=torch.tensor([1.,2.])",
    "x[0][m]=1",
    "x[m]=1",
    "x[[5]]=1",
    "v[[True,False,True,False,True]]=0",
    "v[v>2]=1.5",
    "v[torch.tensor(2)]=9",
    "v[torch.tensor(2,dtype=torch.uint8)]=9",
    "v[torch.tensor([0, 1])]=torch.tensor([1.5,2.5])",
    "v[torch.tensor([0, 1])]+=10",
    "x[0,1]*=2",
    "x[:,m]*=0",
    "v[torch.tensor([],dtype=torch.int64)]=1",
    "v[[]]=1",
    "v[[]]=torch.ones(0,dtype=torch.int64)",
    "v[[]]=torch.ones(3,dtype=torch.int64)",
    "x[:,:,::2]=-1",
    "x.transpose(0,1)[0]=1",
    "x.permute(2,1,0)[[0,1]]=7",
    "x[[1,0],:,[0,1]]=torch.arange(6.).reshape(2,3)",
    "x[[1,0],:,[0,1]]=torch.arange(6.).reshape(3,2)",
    "x.index_put_((li,li),torch.tensor([1.,1.]),accumulate=True)",
    "x.index_put_([torch.tensor([0,0]),torch.tensor([1,1])],torch.tensor([[1.],[1.]]),accumulate=True)",
    "x.expand(2,2,3,4)[0]=1",
    "v.expand(3,5)[0,0]=4",
    "v.expand(3,5)[:]=4",
    "x[0]=x[1]",
    "x[:,0]=x[:,1]",
    "v[1:]=v[:-1]",
    "v[:-1]=v[1:]",
    "x[0,0]=v",
    "x[0,0]=v[:4]",
    "x[torch.tensor([True,False])]=torch.ones(1,3,4)",
    "x[{0}]=1",
    "x[0]=object()",
    "v[2**70]=1",
    "v[0]=2**63",
    "v[0]=-2**63-1",
    "x[0]=2**70",
    "v[0:2**70]=3",
    "v[torch.tensor([-1,-5])]=torch.tensor([7,8])",
    "v[torch.tensor([-6])]=1",
    "v.data[0]=5",
    "x[0,0,0]=True",
]


@pytest.mark.parametrize("expression", READS)
def test_reading_agrees_with_torch(agree, expression):
    agree(expression, SETUP)


@pytest.mark.parametrize("statement", WRITES)
def test_writing_agrees_with_torch(agree, statement):
    run = (
        "def run():\n    error = None\n    try:\n"
        f"        exec({statement!r}, globals())\n"
        "    except Exception as e:\n        error = f'{type(e).__name__}: {e}'\n"
        "    return error, x, v, z, error or (x._version, v._version)\n"
    )
    agree("run()", SETUP + run)


# ---- by hand


def test_views_alias_their_base():
    x = jtorch.arange(12).reshape(3, 4)
    row, column, block = x[1], x[:, 2], x[1:, ::2]
    x[1, 2] = 100
    assert row.tolist() == [4, 5, 100, 7]
    assert column.tolist() == [2, 100, 10]
    block[0, 1] = -1
    assert x[1, 2].item() == row[2].item() == column[1].item() == -1
    assert block.stride() == (4, 2)
    assert block.storage_offset() == 4


def test_index_tensors_copy():
    x = jtorch.arange(4)
    picked = x[jtorch.tensor([0, 3])]
    picked[0] = 9
    assert x.tolist() == [0, 1, 2, 3]
    assert x[x > 1].tolist() == [2, 3]


def test_index_tensors_apart_put_their_dimension_first():
    x = jtorch.arange(24).reshape(2, 3, 4)
    # x[[0, 1], :, [0, 1]]: NumPy's rule, out[n, j] = x[i[n], j, k[n]]
    assert x[[0, 1], :, [0, 1]].tolist() == [[0, 4, 8], [13, 17, 21]]
    assert x[:, [0, 1], [0, 1]].tolist() == [[0, 5], [12, 17]]


def test_gradient_of_repeated_indices_adds_up():
    x = jtorch.ones(3, requires_grad=True)
    x[[0, 0, 2]].sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


def test_gradient_through_a_written_slice():
    x = jtorch.ones(3, requires_grad=True)
    value = jtorch.tensor(5.0, requires_grad=True)
    y = x * 2
    y[1] = value
    (y * jtorch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert y.tolist() == [2.0, 5.0, 2.0]
    assert x.grad.tolist() == [2.0, 0.0, 200.0]
    assert value.grad.item() == 10.0
    assert type(y.grad_fn).__name__ == "CopySlices"


def test_overwritten_duplicates_receive_gradients_as_in_torch():
    # PyTorch's derivative of index_put: the gradient of values is the gradient read at the indices.
    values = jtorch.ones(2, requires_grad=True)
    x = jtorch.zeros(2)
    x[[0, 0]] = values
    (x * 3).sum().backward()
    assert values.grad.tolist() == [3.0, 3.0]


def test_iteration_gives_views():
    x = jtorch.zeros(3, 2)
    for i, row in enumerate(x):
        row += i
    assert x.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert len(x) == 3
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(x[0, 0])
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(x[0, 0])
    with pytest.raises(TypeError, match="Tensor does not support deleting items"):
        del x[0]


def test_containment_and_reversal():
    x = jtorch.tensor([1.5, 2.5])
    assert 1.5 in x
    assert 9 not in x
    assert [y.item() for y in reversed(x)] == [2.5, 1.5]
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        "a" in x  # noqa: B015


def test_writing_on_the_host_is_seen_by_every_view_of_other_dtypes_and_shapes():
    x = jtorch.zeros(4, dtype=jtorch.int32)
    bytes_, square = x.view(jtorch.uint8), x.view(2, 2)
    x[[1, 3]] = 258
    assert square.tolist() == [[0, 258], [0, 258]]
    assert bytes_.tolist() == [0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0]


def test_data_writes_are_not_counted():
    x = jtorch.zeros(3)
    x.data[0] = 1
    x.data[[1]] = 2
    assert x.tolist() == [1.0, 2.0, 0.0]
    assert x._version == 0
    x[jtorch.tensor([], dtype=jtorch.int64)] = 1
    assert x._version == 1


# ---- the engine


def programs():
    metrics = jtorch.metrics()
    return metrics["programs_compiled"] + metrics["ops_compiled"]


def test_indexing_host_data_runs_no_program():
    x = jtorch.tensor(np.arange(20.0).reshape(5, 4))
    before = dict(jtorch.metrics()["flushes"])
    order = jtorch.tensor([4, 0, 1])
    for i in range(5):
        x[i, 1] = x[4 - i].tolist()[0]
        x[1 : i + 1] = float(i)
    x[order] = x[order[:1]]
    mask = jtorch.tensor([True, False, False, True, True])
    x[mask] = 0.0
    x[mask, 1] = x[1, :1]
    assert x[mask].tolist() == [[0.0, 4.0, 0.0, 0.0]] * 3
    assert jtorch.metrics()["flushes"] == before


def test_positions_are_operands_of_computed_tensors():
    x = jtorch.arange(12.0).reshape(4, 3) * 1.0
    total = 0.0
    counts = []
    for i in range(4):
        total += (x[i] * 2).sum().item()
        x[i] = float(i)
        x[i, 1:] = x[3 - i, :2]
        x.sum().item()
        counts.append(programs())
    assert counts[1] == counts[-1]


def test_index_tensors_are_operands():
    x = jtorch.arange(12.0).reshape(4, 3) * 1.0
    counts = []
    for i in range(4):
        x[jtorch.tensor([i, (i + 1) % 4])].sum().item()
        x[jtorch.tensor([i])] = 1.5 * i
        x.sum().item()
        counts.append(programs())
    assert counts[1] == counts[-1]


def test_filling_a_mask_needs_no_look_at_it():
    x = jtorch.arange(6.0) * 1.0
    before = dict(jtorch.metrics()["reads"]), dict(jtorch.metrics()["shape_syncs"])
    x[x > 2] = -1.0
    x[x < 0] = x[0]
    assert (dict(jtorch.metrics()["reads"]), dict(jtorch.metrics()["shape_syncs"])) == before
    assert x.tolist() == [0.0, 1.0, 2.0, 0.0, 0.0, 0.0]


def test_reading_a_pending_mask_is_counted_with_the_line(monkeypatch):
    monkeypatch.setattr(settings, "eager", False)
    monkeypatch.setattr(settings, "max_nodes", 100)
    x = jtorch.arange(6.0) * 1.0
    mask = x > 2
    jtorch.reset_metrics()
    assert x[mask].tolist() == [3.0, 4.0, 5.0]
    ((line, count),) = jtorch.metrics()["shape_syncs"].items()
    assert count == 1
    assert line.rpartition(":")[0].endswith("test_indexing.py")


def test_bounds_of_computed_indices():
    x = jtorch.arange(3)
    index = jtorch.arange(3) + 1
    index.tolist()
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        x[index]


# ---- random expressions

SHAPES = [(2, 3, 4), (3,), (1, 3, 2), (3, 0, 2)]


def random_item(draw, size):
    kind = draw.random()
    last = max(size - 1, -size)
    if kind < 0.25:
        return "int", draw.randint(-size, last) if size else 0
    if kind < 0.5:
        bounds = [None, *range(-size - 1, size + 2)]
        return "slice", (draw.choice(bounds), draw.choice(bounds), draw.choice([None, 1, 2, 3]))
    if kind < 0.58:
        return "none", None
    if kind < 0.62:
        return "ellipsis", None
    if kind < 0.66:
        return "bool", draw.random() < 0.7
    if kind < 0.85:
        shape = draw.choice([(2,), (3,), (1,), (2, 2), (1, 2), (0,), ()])
        values = [draw.randint(-size, last) if size else 0 for _ in range(int(np.prod(shape)))]
        return draw.choice(["tensor", "int32", "list", "array"]), np.array(values, np.int64).reshape(shape)
    return "mask", None


def random_index(draw, shape):
    items, dim = [], 0
    for _ in range(draw.randint(1, len(shape) + 2)):
        kind, x = random_item(draw, shape[dim] if dim < len(shape) else 1)
        if kind == "ellipsis" and any(k == kind for k, _ in items):
            continue
        if kind == "mask":
            sizes = shape[dim : dim + draw.randint(1, 2)]
            if not sizes:
                continue
            x = np.array([draw.random() < 0.5 for _ in range(int(np.prod(sizes)))], bool).reshape(sizes)
            dim += len(sizes)
        elif kind not in ("none", "ellipsis", "bool"):
            dim += 1
        items.append((kind, x))
    return items


def built(torch, items):
    made = []
    for kind, x in items:
        if kind == "slice":
            x = slice(*x)
        elif kind == "ellipsis":
            x = Ellipsis
        elif kind in ("tensor", "mask"):
            x = torch.tensor(x)
        elif kind == "int32":
            x = torch.tensor(x.astype(np.int32))
        elif kind == "list" and x.ndim:
            x = x.tolist()
        made.append(x)
    return tuple(made)


def random_value(torch, draw, shape):
    kind = draw.choice(["number", "zero", "full", "broadcast", "last", "wrong"])
    if kind == "number":
        return draw.choice([5, 2.5, True])
    if kind == "zero":
        return torch.tensor(3.5)
    if kind == "broadcast":
        shape = tuple(1 if draw.random() < 0.4 else n for n in shape)
    elif kind == "last":
        shape = shape[-1:]
    elif kind == "wrong":
        shape = tuple(n + 1 if draw.random() < 0.3 else n for n in shape)
    if draw.random() < 0.15:
        shape = (1, *shape)
    return torch.tensor(np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 100)


def weights(torch, x):
    return torch.tensor(np.arange(x.numel(), dtype=np.float32).reshape(tuple(x.shape)) + 1)


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def case(torch, seed, tracked):
    """What a random index makes of a tensor, read or written, and the gradients."""
    draw = random.Random(seed)
    shape = draw.choice(SHAPES)
    items = random_index(draw, shape)
    leaf = torch.zeros(shape)  # of NumPy's empty arrays PyTorch takes over odd strides
    if 0 not in shape:
        leaf = torch.tensor(np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1)
    base = leaf.requires_grad_() * 1 if tracked else leaf
    x = base.transpose(0, -1) if draw.random() < 0.3 else base
    index = built(torch, items)
    if draw.random() < 0.5:
        y = x[index]
        found = [y.tolist(), tuple(y.shape), y.stride(), y.storage_offset(), type(y.grad_fn).__name__]
        found.append(y.numel() > 0 and y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr())
        if tracked:
            (y * weights(torch, y)).sum().backward()
            return [*found, leaf.grad.tolist()]
        y[...] = 7
        return [*found, base.tolist(), base._version]
    with torch.no_grad():
        value = random_value(torch, draw, tuple(x[index].shape))
    source = None
    if tracked and isinstance(value, torch.Tensor) and draw.random() < 0.6:
        source, value = value.requires_grad_(), value * 1
    x[index] = value
    found = [base.tolist(), x.tolist(), base._version, type(base.grad_fn).__name__]
    if tracked:
        (base * weights(torch, base)).sum().backward()
        found += [None if t is None or t.grad is None else t.grad.tolist() for t in (leaf, source)]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seeds", [range(n, n + 50) for n in range(0, 400, 50)], ids=str)
def test_random_indices_of_data_agree_with_torch(torch, seeds):
    for seed in seeds:
        assert (seed, attempt(case, jtorch, seed, False)) == (seed, attempt(case, torch, seed, False))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seeds", [range(n, n + 10) for n in range(1000, 1060, 10)], ids=str)
def test_random_indices_with_gradients_agree_with_torch(torch, seeds):
    for seed in seeds:
        assert (seed, attempt(case, jtorch, seed, True)) == (seed, attempt(case, torch, seed, True))


def test_a_number_of_another_dtype_stays_a_number():
    x = jtorch.tensor(1.0, requires_grad=True)
    y = x * 2
    with jtorch.no_grad():
        y[...] = jtorch.tensor(5.0, dtype=jtorch.float16)
    (y * y).backward()
    assert x.grad.tolist() == 20
