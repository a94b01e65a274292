"""Transforms of functions put together at random, nested and within an ordinary graph, against PyTorch's.

A program is source text in the words of ``t``, jtorch or torch. Its values have four shapes: ``s`` (), ``v``
(3,), ``m`` (3, 3), ``r`` (2, 3). What PyTorch refuses (in-place operations that its ``vmap`` cannot do, saved
values that were modified) is left out. So are negative ``argnums`` of its ``jacfwd``, which are zeros there.
"""

import random
import re

import numpy as np
import pytest

import jtorch

# Warnings of PyTorch about itself.
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPES = {"s": (), "v": (3,), "m": (3, 3), "r": (2, 3)}


def table(**texts):
    """Expressions and shapes of their operands, by the shape of the result."""
    return {kind: [tuple(x) for x in re.findall(r"(\S.*?)\|(\w+)", text)] for kind, text in texts.items()}


OPS = table(
    s="""({0} * {1}).sum()|vv ({0} * {0}).mean()|m {0}.sin()|s {0}[-1] + {0}[0]|v t.logsumexp({0}, 0)|v
    {0}.max()|v {0}.norm()|v {0}.var()|v {0}.prod()|v t.trace({0})|m F.cross_entropy({0}, idx)|m
    {0}.amax() - {0}.amin()|r t.where({0} > 0, {0}, {0} * 0.1)|s square({0})|s {0}.detach() * {1}|ss
    t.einsum('i,ij,j', {0}, {1}, {0})|vm""",
    v="""{0} * {1}|vv {0} + {1}|vs {0} @ {1}|mv {0}.sum(0)|m {0}[1]|m {0}[:, 1]|m {0}.diagonal()|m
    {0}.cumsum(0)|v F.softmax({0}, 0)|v {0}.sort(descending=True)[0]|v {0}[idx]|v
    t.stack([{0}, {1}, {0}])|sss {0}.expand(3)|s t.cat([{0}[:1], {1}[1:]])|vv
    t.where({0} > {1}, {0}, {1} * 2)|vv t.linalg.solve({0} + 4 * eye, {1})|mv
    {0}.masked_fill(mask, 0.3)|v {0}.gather(0, idx)|v {0}.scatter_add(0, idx, {1})|vv
    F.layer_norm({0}, (3,))|v square({0})|v pair({0}, {1})[1]|vv cube({0}, 2)|v
    t.func.functional_call(net, state, ({0},))|v net({0})|v {0}.unbind(1)[2] * {1}|ms
    {0}.detach() * {1}|vv {0} / ({1}.abs() + 1)|vv {0}.reshape(3, 2).sum(1)|r""",
    m="""{0} @ {1}|mm {0} * {1}|mv t.outer({0}, {1})|vv {0}.T|m t.diag({0})|v t.stack([{0}, {1}, {0}], 1)|vv
    {0}.softmax(-1)|m t.tril({0})|m t.cat([{0}, {1}[None]])|rv {0}[:, idx]|m {0}.expand(3, 3)|v
    cube({0}, 3)|m t.linalg.inv({0} + 4 * eye)|m {0}[:, None] - {1}|vv F.linear({0}, {1}, {2})|mmv
    {0}.clamp(min=-0.4)|m""",
    r="""{0}[:2]|m {0} * {1}|rv t.stack([{0}, {1}])|vv {0}[[0, 2]]|m {0}.reshape(3, 2).T|r {0} @ {1}|rm""",
)
#: in place, on a tensor ``{d}`` of the function's own
WRITES = table(
    v="""{d}.add_({0})|v {d}.mul_({0})|s {d}[1] = {0}|s {d}[idx] = {0}|v {d}[mask] = {0}|s {d}.fill_({0})|s
    {d}.index_add_(0, idx, {0})|v {d}[1:].mul_({0})|s""",
    m="""{d}[0] = {0}|v {d}.t()[1] += {0}|v {d}.diagonal().add_({0})|v {d}[:, 1] *= {0}|s {d}.copy_({0})|v""",
)
#: a value of one shape as part of a sum of another
AS = {
    "ss": "{}", "vs": "({} * kv).sum()", "ms": "({} * km).sum()", "rs": "({} * kr).mean()", "sv": "{} * kv",
    "vv": "{}", "mv": "{}.sum(1)", "rv": "{}.sum(0)", "sm": "{} * km", "vm": "t.outer({}, kv)", "mm": "{}",
    "rm": "({}.T @ kr)", "sr": "{} * kr", "vr": "{} * kr", "mr": "{}[1:]", "rr": "{}",
}  # fmt: skip
#: shapes of batches of three, of a sample, and the batch dimension
BATCHES = [("v", "s", 0), ("m", "v", 0), ("m", "v", 1), ("m", "v", -1)]


class Program:
    """Writes a program: ``text`` of functions that call transforms of functions."""

    def __init__(self, seed):
        self.random, self.count, self.lines, self.under = random.Random(seed), 0, [], []
        pick = self.random.choice
        self.kinds = [pick("svmr") for _ in range(pick([1, 2, 3]))]
        self.args = [self.name("g") for _ in self.kinds]
        self.put(0, f"def program({', '.join(self.args)}):")
        known = self.steps(1, [("w", "v"), ("h", "m"), *zip(self.args, self.kinds, strict=True)], 0, 1)
        self.transform(1, known, pick([1, 1, 2]))
        made = self.lines[-1].split("(")[-1].rstrip(")")
        self.put(1, f"return {made}, {self.total(known, 's')}")
        self.text = "\n".join(self.lines)

    def name(self, start):
        self.count += 1
        return f"{start}{self.count}"

    def put(self, indent, text):
        self.lines.append("    " * indent + text)

    def value(self, known, kind):
        """The name of a value of that shape, rather a late one."""
        there = [v for v, k in known if k == kind]
        return there[max(self.random.randrange(len(there)) for _ in "ab")] if there else "k" + kind

    def filled(self, expression, known):
        text, kinds = expression
        return text.format(*[self.value(known, k) for k in kinds], d=known[-1][0])

    def steps(self, indent, known, depth, count):
        known, pick = list(known), self.random.choice
        for _ in range(count):
            chance = self.random.random()
            if depth and chance < 0.4:
                self.transform(indent, known, depth)
            elif chance < 0.6:
                kind, d = pick("vm"), self.name("x")
                # Depends on all arguments: PyTorch's vmap writes batches to batches only.
                zero = "".join(f" + 0 * {a}.sum()" for a in self.under)
                self.put(indent, f"{d} = {self.value(known, kind)} * 1.5{zero}")
                known.append((d, kind))
                self.put(indent, self.filled(pick(WRITES[kind]), known))
            else:
                kind, x = pick("svmr"), self.name("x")
                text = f"{x} = {self.filled(pick(OPS[kind]), known)}"
                self.put(indent, f"with t.no_grad(): {text}" if self.random.random() < 0.05 else text)
                known.append((x, kind))
        return known

    def total(self, known, kind):
        """A sum of what was made last."""
        return " + ".join(AS[k + kind].format(v) for v, k in dict.fromkeys(known[-3:]))

    def function(self, indent, known, depth, kinds, outs, aux=False):
        name, args = self.name("f"), [self.name("a") for _ in kinds]
        self.put(indent, f"def {name}({', '.join(args)}):")
        before, self.under = self.under, self.under + args
        inside = self.steps(
            indent + 1, [*known, *zip(args, kinds, strict=True)], depth, self.random.randint(1, 3)
        )
        self.under = before
        made = [self.total(inside, k) for k in outs]
        out = made[0] if len(made) == 1 else "{" + ", ".join(f"'k{i}': {x}" for i, x in enumerate(made)) + "}"
        self.put(indent + 1, f"return {f'{out}, [{inside[-1][0]} * 2]' if aux else out}")
        return name

    def transform(self, indent, known, depth):
        """Call a transform; what its results add up to is known afterwards."""
        pick, y = self.random.choice, self.name("y")
        kinds = [pick("svmr") for _ in range(pick([1, 2, 2]))]
        args = [self.value(known, k) for k in kinds]
        aux, outs = self.random.random() < 0.2, [pick("svmr") for _ in range(pick([1, 1, 2]))]
        by = pick(["0", "0", str(len(kinds) - 1), str(tuple(range(len(kinds))))])
        given = ", ".join(args)
        kind = pick(["grad", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "vmap", "vmap", "vmap", "samples"])

        def defined(kinds=kinds, outs=outs, aux=aux):
            return self.function(indent, known, depth - 1, kinds, outs, aux)

        def like(outs):
            made = [self.value(known, k) for k in outs]
            return (
                made[0]
                if len(made) == 1
                else "{" + ", ".join(f"'k{i}': {x}" for i, x in enumerate(made)) + "}"
            )

        if kind == "grad":
            which = pick(["grad", "grad_and_value"])
            call = f"t.func.{which}({defined(outs=['s'])}, argnums={by}, has_aux={aux})({given})"
        elif kind == "vjp":
            pull = self.name("p")
            self.put(indent, f"{y}, {pull}, *_ = t.func.vjp({defined()}, {given}, has_aux={aux})")
            call = f"({y}, {pull}({like(outs)}))"
        elif kind == "jvp":
            tangents = ", ".join(self.value(known, k) for k in kinds)
            call = f"t.func.jvp({defined()}, ({given},), ({tangents},), has_aux={aux})"
        elif kind in ("jacrev", "jacfwd"):
            chunk = pick(["", ", chunk_size=2"]) if kind == "jacrev" else ""
            call = f"t.func.{kind}({defined()}, argnums={by}, has_aux={aux}{chunk})({given})"
        elif kind == "hessian":
            call = f"t.func.hessian({defined(outs=['s'], aux=False)}, argnums={by})({given})"
        elif kind == "samples":
            inner = f"t.func.{pick(['grad', 'jacrev', 'jacfwd'])}({defined(['v', 'v'], ['s'], False)})"
            call = (
                f"t.func.vmap({inner}, in_dims=(None, 0))({self.value(known, 'v')}, {self.value(known, 'm')})"
            )
        else:
            batches = [pick(BATCHES), *(pick([*BATCHES, ("v", "v", None)]) for _ in kinds[1:])]
            ends = [self.random.randrange(-len(SHAPES[k]) - 1, len(SHAPES[k]) + 1) for k in outs]
            out_dims = ends[0] if len(outs) == 1 else {f"k{i}": d for i, d in enumerate(ends)}
            given = ", ".join(self.value(known, k) for k, _, _ in batches)
            inner = defined([k for _, k, _ in batches], outs, False)
            chunk, dims = pick(["", ", chunk_size=2"]), tuple(d for _, _, d in batches)
            call = f"t.func.vmap({inner}, in_dims={dims}, out_dims={out_dims}{chunk})({given})"
        x, shape = self.name("x"), pick("sv")
        self.put(indent, f"{y} = {call}")
        self.put(indent, f"{x} = add_{shape}({y})")
        known.append((x, shape))


SETUP = """
F = t.nn.functional
Function = t.autograd.Function

class Square(Function):
    generate_vmap_rule = True
    forward = staticmethod(lambda x: x * x)
    jvp = staticmethod(lambda ctx, d: 2 * ctx.saved_tensors[0] * d)
    backward = staticmethod(lambda ctx, g: 2 * ctx.saved_tensors[0] * g)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

class Cube(Square):
    generate_vmap_rule = False
    forward = staticmethod(lambda x, n: x ** 3 * n)
    jvp = staticmethod(lambda ctx, d, _: 3 * ctx.saved_tensors[0] ** 2 * d * ctx.n)
    backward = staticmethod(lambda ctx, g: (3 * ctx.saved_tensors[0] ** 2 * g * ctx.n, None))
    vmap = staticmethod(lambda info, in_dims, x, n: (Cube.apply(x, n), in_dims[0]))

    @staticmethod
    def setup_context(ctx, inputs, output):
        Square.setup_context(ctx, inputs[:1], output)
        ctx.n = inputs[1]

class Pair(Square):
    forward = staticmethod(lambda x, y: (x * y, (x + y).sin()))

    @staticmethod
    def jvp(ctx, d, e):
        x, y = ctx.saved_tensors
        return d * y + x * e, (x + y).cos() * (d + e)

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y + h * (x + y).cos(), g * x + h * (x + y).cos()

square, cube, pair = Square.apply, Cube.apply, Pair.apply
eye, idx, mask = t.eye(3, dtype=t.float64), t.tensor([2, 0, 1]), t.tensor([True, False, True])

def weights(z):
    return (t.arange(z.numel(), dtype=t.float64).reshape(z.shape) + 1).cos()

def add_s(tree):
    return sum((z * weights(z)).sum() * (i + 1) for i, z in enumerate(t.utils._pytree.tree_leaves(tree)))

def add_v(tree):
    return add_s(tree) * kv
"""


def run(t, seed, program):
    """Results, and gradients by what the program takes from outside; ``None``: it is refused."""
    numbers = np.random.RandomState(seed)

    def tensor(kind):
        return t.tensor(numbers.randn(*SHAPES[kind]), dtype=t.float64).reshape(SHAPES[kind])

    names = {"t": t, **{"k" + kind: tensor(kind) for kind in SHAPES}, "w": tensor("v"), "h": tensor("m")}
    net = names["net"] = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 3)).double()
    with t.no_grad():
        for p in net.parameters():
            p.copy_(t.tensor(numbers.randn(*p.shape)))
    names["state"] = {k: p.detach() * 0.7 for k, p in net.named_parameters()}
    args = [tensor(k) for k in program.kinds]
    leaves = [names["w"], names["h"], *args]
    for i, x in enumerate(leaves):
        x.requires_grad_((seed + i) % 3 == 0)
    exec(SETUP + program.text, names)
    try:
        made = t.utils._pytree.tree_leaves(names["program"](*args))
        if any(x.requires_grad for x in made):
            names["add_s"](made).backward()
    except Exception:
        if t is jtorch:
            raise
        return None
    grads = [x.grad for x in (*leaves, *net.parameters())]
    return [x.detach().numpy(force=True) for x in made], [
        g if g is None else g.numpy(force=True) for g in grads
    ]


def check(torch, seed):
    program = Program(seed)
    expected = run(torch, seed, program)
    if expected is None:
        return False
    (found, grads), (values, theirs) = run(jtorch, seed, program), expected
    assert [(x.dtype, x.shape) for x in found] == [(x.dtype, x.shape) for x in values], program.text
    for a, b in zip([*found, *grads], [*values, *theirs], strict=True):
        if a is None or b is None:  # there may be zeros where there is no way to go
            assert not np.any(np.asarray(0.0 if a is b else b if a is None else a)), program.text
        else:
            scale = max(1.0, np.abs(np.nan_to_num(np.asarray(b), posinf=0, neginf=0)).max(initial=0))
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-7, 1e-8 * scale, err_msg=program.text)
    return True


@pytest.mark.parametrize("seed", range(6))
def test_a_few_programs(torch, seed):
    check(torch, seed)


#: Programs in which PyTorch 2.13 itself crashes, with the whole process.
CRASHES = {136}


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 400, 20))
def test_many_programs(torch, start):
    seeds = [seed for seed in range(start, start + 20) if seed not in CRASHES]
    done = sum(check(torch, seed) for seed in seeds)
    assert done > 5
