"""Training steps put together at random do compiled what they do uncompiled, and what PyTorch does."""

import copy
import dataclasses
import random

import numpy as np
import pytest

import jtorch

pytestmark = [pytest.mark.usefixtures("lazy"), pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

OPTS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("AdamW", {"amsgrad": True}),
    ("Adam", {"weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("Adamax", {}),
    ("ASGD", {}),
    ("Rprop", {}),
    ("Adafactor", {}),
]
SCHEDS = [
    None,
    "StepLR",
    "ExponentialLR",
    "CosineAnnealingLR",
    "OneCycleLR",
    "LambdaLR",
    "CyclicLR",
    "LinearLR",
    "SequentialLR",
]


def make_net(T):
    nn = T.nn

    class Net(nn.Module):
        def __init__(s):
            super().__init__()
            s.emb = nn.Embedding(7, 4)
            s.rnn = nn.LSTM(4, 4, batch_first=True)
            s.gru = nn.GRU(4, 4, batch_first=True)
            s.att = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
            s.enc = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
            s.bn = nn.BatchNorm1d(4)
            s.gn = nn.GroupNorm(2, 4)
            s.ln = nn.LayerNorm(4)
            s.drop = nn.Dropout(0.3)
            s.lin = nn.Linear(4, 4)
            s.conv = nn.Conv1d(4, 4, 3, padding=1)
            s.head = nn.Linear(4, 7, bias=False)
            s.head.weight = s.emb.weight
            s.register_buffer("count", T.zeros((), dtype=T.float64))
            s.register_buffer("mem", T.zeros(4, dtype=T.float64))
            s.gain = 1.0
            s.kinds = []
            s.flag = True
            s.cache = {}

        def forward(s, x, scale=1.0, mask=None):
            h = s.emb(x)
            for k in s.kinds:
                if k == "rnn":
                    h = s.rnn(h)[0]
                elif k == "gru":
                    h = s.gru(h)[0]
                elif k == "att":
                    h = h + s.att(h, h, h, need_weights=False)[0]
                elif k == "enc":
                    h = s.enc(h)
                elif k == "bn":
                    h = s.bn(h.transpose(1, 2)).transpose(1, 2)
                elif k == "gn":
                    h = s.gn(h.transpose(1, 2)).transpose(1, 2)
                elif k == "ln":
                    h = s.ln(h)
                elif k == "drop":
                    h = s.drop(h)
                elif k == "lin":
                    h = T.tanh(s.lin(h))
                elif k == "conv":
                    h = T.relu(s.conv(h.transpose(1, 2))).transpose(1, 2)
                elif k == "ckpt":
                    h = T.utils.checkpoint.checkpoint(
                        lambda y: s.drop(T.tanh(s.lin(y))), h, use_reentrant=False
                    )
                elif k == "gain":
                    h = h * s.gain * scale
                elif k == "count":
                    s.count += 1
                    h = h * (1 + 0.01 * s.count)
                elif k == "mem":
                    with T.no_grad():
                        s.mem.mul_(0.9).add_(h.detach().mean((0, 1)))
                    h = h + s.mem
                elif k == "memset":
                    s.mem = h.detach().mean((0, 1))
                    h = h - s.mem
                elif k == "branch":
                    h = h * 2 if h.sum() > 0 else h - 1
                elif k == "flag":
                    h = h.abs() if s.flag else h
                elif k == "noise":
                    h = h + 0.1 * T.randn(h.shape, dtype=h.dtype)
                elif k == "inplace":
                    h = h.clone()
                    h[:, 0] += 1
                    h.mul_(0.5)
                elif k == "view":
                    h = h.reshape(h.shape[0], -1, 2).flip(1).reshape(h.shape)
                elif k == "detach":
                    h = h + h.detach()
                elif k == "loop":
                    for i in range(h.shape[1]):
                        h = h * (1 - 0.01 * i)
                elif k == "while":
                    n = 0
                    while h.abs().max() > 0.5 and n < 3:
                        h = h * 0.7
                        n += 1
                elif k == "item":
                    h = h * (1 + h.detach().abs().max().item() * 0.1)
                elif k == "grad":
                    y = h.detach().requires_grad_()
                    with T.enable_grad():
                        (g,) = T.autograd.grad((y**3).sum(), y)
                    h = h + 0.1 * g
                elif k == "pen":
                    if h.requires_grad:
                        (g,) = T.autograd.grad((h**2).sum(), h, create_graph=True)
                        h = h + 0.01 * g
                elif k == "mask" and mask is not None:
                    h = h.masked_fill(mask.unsqueeze(-1), 0.0)
                elif k == "setattr":
                    s.last = h.detach()
                elif k == "pass":
                    pass
            return h

    return Net()


KINDS = [
    "rnn",
    "gru",
    "att",
    "enc",
    "bn",
    "gn",
    "ln",
    "drop",
    "lin",
    "conv",
    "ckpt",
    "gain",
    "count",
    "mem",
    "memset",
    "branch",
    "flag",
    "noise",
    "inplace",
    "view",
    "detach",
    "loop",
    "while",
    "item",
    "grad",
    "pen",
    "mask",
    "setattr",
]


@dataclasses.dataclass
class Batch:
    x: object
    y: object
    scale: float


class World:
    def __init__(w, T, R):
        w.T = T
        T.manual_seed(R.randrange(100))
        w.net = make_net(T).double()
        if R.random() < 0.2:
            w.net.head = T.nn.Linear(4, 7).double()
        w.net.kinds = [R.choice(KINDS) for _ in range(R.randint(1, 4))]
        name, kw = R.choice(OPTS)
        params = list(w.net.parameters())
        lr = R.choice([0.1, 0.01])
        cls = getattr(T.optim, name)
        if R.random() < 0.4:
            w.opt = cls([{"params": params[:5]}, {"params": params[5:], "lr": lr / 3}], lr=lr, **kw)
        else:
            w.opt = cls(params, lr=lr, **kw)
        w.name = name
        w.sched = None
        k = R.choice(SCHEDS)
        L = T.optim.lr_scheduler
        if k == "StepLR":
            w.sched = L.StepLR(w.opt, 2, 0.5)
        elif k == "ExponentialLR":
            w.sched = L.ExponentialLR(w.opt, 0.9)
        elif k == "CosineAnnealingLR":
            w.sched = L.CosineAnnealingLR(w.opt, 5)
        elif k == "OneCycleLR":
            w.sched = L.OneCycleLR(w.opt, 0.2, total_steps=40, cycle_momentum=False)
        elif k == "LambdaLR":
            w.sched = L.LambdaLR(w.opt, lambda e: 1 / (1 + e))
        elif k == "CyclicLR":
            w.sched = L.CyclicLR(w.opt, 0.01, 0.1, 2, cycle_momentum=False)
        elif k == "LinearLR":
            w.sched = L.LinearLR(w.opt, total_iters=3)
        elif k == "SequentialLR":
            w.sched = L.SequentialLR(w.opt, [L.ConstantLR(w.opt, 0.5, 2), L.ExponentialLR(w.opt, 0.9)], [2])
        w.clip = R.choice([None, None, "norm", "value", "ret"])
        w.zero = R.choice(["before", "after", "none_false", "every2", "mod"])
        w.micro = R.choice([1, 1, 2])
        w.amp = R.choice([None, None, None, "bf16", "scaler"])
        w.scaler = T.amp.GradScaler("cpu", init_scale=16.0, growth_interval=2) if w.amp == "scaler" else None
        w.ema = (
            T.optim.swa_utils.AveragedModel(w.net, multi_avg_fn=T.optim.swa_utils.get_ema_multi_avg_fn(0.9))
            if R.random() < 0.2
            else None
        )
        w.hand_ema = [p.detach().clone() for p in params] if R.random() < 0.2 else None
        w.where = R.choice(["step", "net", "loss", "step", "both"])
        w.stepper = R.choice(["step", "step", "hand"])
        w.loss = R.choice(["ce", "mse", "aux"])
        w.ret = R.choice(["loss", "dict", "item", "list", "detach", "none", "alias"])
        w.insched = R.random() < 0.5
        w.args = R.choice(["plain", "plain", "dict", "nested", "batch", "kwargs"])
        w.handles = []
        w.k = 1.0
        w.ctx = R.choice(["none", "none", "none", "hook", "phook", "mhook", "bhook"])
        w.calls = []
        if w.ctx == "hook":
            w.net.lin.register_forward_hook(lambda m, i, o: o * w.k)
        if w.ctx == "phook":
            w.net.lin.weight.register_hook(lambda g: g * 0.5 * w.k)
        if w.ctx == "mhook":
            w.opt.register_step_post_hook(lambda o, a, k: w.calls.append(1) if False else None)
        if w.ctx == "bhook":
            w.net.lin.register_full_backward_hook(
                lambda m, gi, go: tuple(g * 0.5 if g is not None else None for g in gi)
            )
        w.transform = R.random() < 0.12
        w.dyn = R.choice([None, None, True, False])
        w.build()

    def lossf(w, h, y):
        _T, F = w.T, w.T.nn.functional
        logits = w.net.head(h)
        if w.loss == "ce":
            loss = F.cross_entropy(logits.reshape(-1, 7), y.reshape(-1))
        elif w.loss == "mse":
            loss = (h**2).mean() + logits.mean() ** 2
        else:
            loss = (
                F.cross_entropy(logits.reshape(-1, 7), y.reshape(-1), label_smoothing=0.1)
                + 0.1 * (logits**2).mean()
            )
        return loss * w.k

    def build(w):
        T = w.T
        comp = (lambda f: T.compile(f, dynamic=w.dyn)) if w.comp else (lambda f: f)
        w.fnet = comp(w.net) if w.where in ("net", "both") else w.net
        w.floss = comp(w.lossf) if w.where == "loss" else w.lossf
        w.fstep = comp(w.step) if w.where in ("step", "both") else w.step

    def optstep(w):
        T = w.T
        if w.stepper == "hand":
            with T.no_grad():
                for p in w.net.parameters():
                    if p.grad is not None:
                        p -= 0.05 * p.grad
            return
        if w.scaler is not None:
            w.scaler.step(w.opt)
            w.scaler.update()
        else:
            w.opt.step()

    def step(w, x, y, scale=1.0, mask=None, i=0):
        T = w.T
        if w.zero == "before":
            w.opt.zero_grad()
        elif w.zero == "none_false":
            w.opt.zero_grad(set_to_none=False)
        elif w.zero == "mod":
            w.net.zero_grad()
        elif w.zero == "every2" and i % 2 == 0:
            w.opt.zero_grad()
        total = 0
        for m in range(w.micro):
            xs = x if w.micro == 1 else x[m :: w.micro]
            ys = y if w.micro == 1 else y[m :: w.micro]
            ms = mask if mask is None or w.micro == 1 else mask[m :: w.micro]
            if w.amp == "bf16":
                with T.autocast("cpu", dtype=T.bfloat16):
                    h = w.fnet(xs, scale, mask=ms)
                    loss = w.floss(h, ys)
            else:
                h = w.fnet(xs, scale, mask=ms)
                loss = w.floss(h, ys)
            loss = loss / w.micro
            if loss.requires_grad:
                (w.scaler.scale(loss) if w.scaler is not None else loss).backward()
            total = total + loss.detach()
        norm = None
        if w.clip:
            if w.scaler is not None:
                w.scaler.unscale_(w.opt)
            ps = list(w.net.parameters())
            if w.clip == "value":
                T.nn.utils.clip_grad_value_(ps, 0.1)
            else:
                norm = T.nn.utils.clip_grad_norm_(ps, 0.5)
        if w.zero != "every2" or i % 2 == 1:
            w.optstep()
        if w.insched and w.sched is not None:
            w.sched.step()
        if w.ema is not None:
            w.ema.update_parameters(w.net)
        if w.hand_ema is not None:
            with T.no_grad():
                for e, p in zip(w.hand_ema, w.net.parameters(), strict=False):
                    e.lerp_(p, 0.1)
        if w.zero == "after":
            w.opt.zero_grad()
        if w.ret == "loss":
            return total
        if w.ret == "dict":
            return {"loss": total, "norm": norm, "h": h.detach()}
        if w.ret == "item":
            return total.item()
        if w.ret == "list":
            return [total, h.detach()[0], h.detach()]
        if w.ret == "detach":
            return total.detach(), total
        if w.ret == "alias":
            return x, total, w.net.count
        return None

    def call(w, x, y, scale, mask, i):
        a = w.args
        if a == "kwargs":
            return w.fstep(x=x, y=y, mask=mask, scale=scale, i=i % 2)
        if a == "dict":
            if not hasattr(w, "fd"):

                def f(b):
                    return w.step(b["x"], b["y"], b["scale"], b["mask"], b["i"])

                w.fd = w.T.compile(f) if w.comp and w.where in ("step", "both") else f
            return w.fd({"x": x, "y": y, "scale": scale, "mask": mask, "i": i % 2})
        if a == "nested":
            if not hasattr(w, "fn_"):

                def f(b):
                    return w.step(b[0][0], b[0][1], b[1]["s"], b[1]["m"], b[1]["i"])

                w.fn_ = w.T.compile(f) if w.comp and w.where in ("step", "both") else f
            return w.fn_(((x, y), {"s": scale, "m": mask, "i": i % 2}))
        if a == "batch":
            if not hasattr(w, "fb"):

                def f(b, m, i):
                    return w.step(b.x, b.y, b.scale, m, i)

                w.fb = w.T.compile(f) if w.comp and w.where in ("step", "both") else f
            return w.fb(Batch(x, y, scale), mask, i % 2)
        return w.fstep(x, y, scale, mask, i % 2)

    def tensors(w):
        out = {}
        for n, p in w.net.named_parameters():
            out["p." + n] = p
            out["g." + n] = p.grad
            out["r." + n] = p.requires_grad
        for n, b in w.net.named_buffers():
            out["b." + n] = b
        names = {id(p): n for n, p in w.net.named_parameters()}
        for p, s in w.opt.state.items():
            for k, v in s.items():
                out[f"s.{names.get(id(p), '?')}.{k}"] = v
        for i, g in enumerate(w.opt.param_groups):
            out[f"lr{i}"] = g["lr"]
        if w.ema is not None:
            for n, p in w.ema.named_parameters():
                out["ema." + n] = p
            out["ema.n"] = w.ema.n_averaged
        if w.hand_ema is not None:
            for i, p in enumerate(w.hand_ema):
                out[f"he{i}"] = p
        if w.scaler is not None:
            out["scale"] = w.scaler.get_scale()
        if w.sched is not None:
            out["le"] = w.sched.last_epoch
        if hasattr(w.net, "last"):
            out["last"] = w.net.last
        out["rng"] = w.T.rand(1).item() if True else 0
        return out


def ch_lr(w):
    [g.__setitem__("lr", g["lr"] * 0.5) for g in w.opt.param_groups]


def ch_train(w):
    w.net.train(not w.net.training)


def ch_sub(w):
    w.net.drop.train(not w.net.drop.training)


def ch_load(w):
    w.net.load_state_dict(
        {k: (v * 0.9 if v.is_floating_point() else v) for k, v in w.net.state_dict().items()}
    )


def ch_optload(w):
    w.opt.load_state_dict(copy.deepcopy(w.opt.state_dict()))


def ch_req(w):
    w.net.lin.weight.requires_grad_(not w.net.lin.weight.requires_grad)


def ch_freeze(w):
    w.net.emb.requires_grad_(not w.net.emb.weight.requires_grad)


def ch_zero(w):
    w.opt.zero_grad()


def ch_zerof(w):
    w.opt.zero_grad(set_to_none=False)


def ch_state(w):
    for s in w.opt.state.values():
        for k, v in s.items():
            if k != "step" and isinstance(v, w.T.Tensor) and v.is_floating_point() and v.dim():
                v.mul_(0.5)


def ch_statedel(w):
    w.opt.state.pop(w.net.lin.weight, None)


def ch_stateclear(w):
    w.opt.state.clear()


def ch_gain(w):
    w.net.gain *= 0.5


def ch_k(w):
    w.k *= 0.5


def ch_flag(w):
    w.net.flag = not w.net.flag


def ch_kinds(w):
    w.net.kinds.append("lin")


def ch_kinds2(w):
    w.net.kinds.insert(0, w.net.kinds[-1])


def ch_seed(w):
    w.T.manual_seed(5)


def ch_data(w):
    w.net.lin.weight.data = w.net.lin.weight.data * 0.9


def ch_datat(w):
    w.net.lin.weight.data = w.net.lin.weight.data.t()


def ch_inpl(w):
    with w.T.no_grad():
        w.net.lin.weight.add_(0.01)


def ch_newp(w):
    w.net.lin.bias = w.T.nn.Parameter(w.net.lin.bias.detach() * 0.5)


def ch_grad(w):
    w.net.lin.weight.grad = w.T.ones(4, 4, dtype=w.T.float64)


def ch_buf(w):
    w.net.mem = w.net.mem + 1


def ch_bufin(w):
    w.net.mem.zero_()


def ch_bnmom(w):
    w.net.bn.momentum = 0.3


def ch_dropp(w):
    w.net.drop.p = 0.5


def ch_sched(w):
    if w.sched is not None:
        w.opt.step() if False else None
        w.sched.step()


def ch_deep(w):
    if w.where in ("net", "both") and w.ema is None:
        w.fnet2 = copy.deepcopy(w.fnet)
        w.fnet2(w.T.ones(2, 3, dtype=w.T.int64))


def ch_hook(w):
    w.handles.append(w.net.ln.register_forward_hook(lambda m, i, o: o * 2))


def ch_unhook(w):
    if w.handles:
        w.handles.pop().remove()


def ch_tie(w):
    w.net.head.weight = w.T.nn.Parameter(w.net.emb.weight.detach().clone())


def ch_opt(w):
    w.opt.step()


def ch_extra(w):
    h = w.net(w.T.ones(2, 3, dtype=w.T.int64))
    (h.sum()).backward() if h.requires_grad else None


def ch_eval(w):
    w.net.eval()
    with w.T.no_grad():
        w.fnet(w.T.ones(2, 3, dtype=w.T.int64))
    w.net.train()


def ch_wd(w):
    [g.__setitem__("weight_decay", 0.2) for g in w.opt.param_groups]


def ch_betas(w):
    [g.__setitem__("betas", (0.5, 0.9)) for g in w.opt.param_groups if "betas" in g]


def ch_move(w):
    g = w.opt.param_groups
    if len(g) > 1 and g[0]["params"]:
        g[1]["params"].append(g[0]["params"].pop())


def ch_add(w):
    if w.sched is None and not hasattr(w, "extra"):
        w.extra = w.T.nn.Parameter(w.T.ones(2, dtype=w.T.float64))
        w.opt.add_param_group({"params": [w.extra], "lr": 0.1})


def ch_freshopt(w):
    if w.sched is None and w.scaler is None:
        w.opt = w.T.optim.SGD(w.net.parameters(), lr=0.05)


def ch_double(w):
    w.net.lin = copy.deepcopy(w.net.lin)


def ch_relin(w):
    w.net.lin.register_forward_pre_hook(lambda m, a: (a[0] * 0.9,))


def ch_wn(w):
    w.T.nn.utils.parametrizations.weight_norm(w.net.lin)


def ch_shape(w):
    w.shape = (4, 5) if w.shape == (4, 3) else (4, 3)


def ch_bs(w):
    w.shape = (6, 3) if w.shape != (6, 3) else (4, 3)


def ch_scale(w):
    w.scale = w.scale * 0.5


def ch_maskoff(w):
    w.mask = not w.mask


def ch_infgrad(w):
    if w.scaler is not None:
        w.k = w.k * 1e200 if w.k < 1e100 else 1.0


def ch_none(w):
    pass


CHANGES = [v for k, v in list(globals().items()) if k.startswith("ch_")]


def leaves(x):
    if isinstance(x, dict):
        x = list(x.values())
    return [y for p in x for y in leaves(p)] if isinstance(x, (list, tuple)) else [x]


def show(T, v):
    if isinstance(v, T.Tensor):
        return (
            v.detach().double().cpu().numpy().copy() if v.dtype != T.bool else v.numpy().copy(),
            tuple(v.shape),
            str(v.dtype).replace("jtorch.", "torch."),
            v.requires_grad,
        )
    return v


def run(T, comp, seed):
    R = random.Random(seed)
    World.comp = comp
    w = World(T, R)
    w.shape, w.scale, w.mask = (4, 3), 1.0, R.random() < 0.3
    seen = []
    for i in range(6):
        T.manual_seed(100 + i) if R.random() < 0.5 else R.random()
        x = T.randint(0, 7, w.shape)
        y = T.randint(0, 7, w.shape)
        mask = (T.rand(w.shape) > 0.5) if w.mask else None
        try:
            out = w.call(x, y, w.scale, mask, i)
            rec = {f"o{j}": show(T, v) for j, v in enumerate(leaves(out))}
        except Exception as e:
            rec = {
                "err": type(e).__name__ if not isinstance(e, RuntimeError) else "RuntimeError",
                "msg": str(e)[:150],
            }
        if not w.insched and w.sched is not None and w.stepper == "step":
            w.sched.step()
        rec.update({k: show(T, v) for k, v in w.tensors().items()})
        cs = []
        for _ in range(R.choice([0, 0, 1, 1, 2])):
            c = R.choice(CHANGES)
            cs.append(c.__name__)
            try:
                c(w)
            except Exception as e:
                cs.append(type(e).__name__ + str(e)[:60])
        rec["changes"] = cs
        seen.append(rec)
    return seen, w


def diff(a, b, tol):
    for i, (ra, rb) in enumerate(zip(a, b, strict=False)):
        if ra["changes"] != rb["changes"]:
            return i, "changes", ra["changes"], rb["changes"]
        for k in ra:
            if k == "msg" or k == "changes":
                continue
            if k not in rb:
                return i, k, ra[k], "MISSING"
            x, y = ra[k], rb[k]
            if isinstance(x, tuple) and isinstance(y, tuple):
                if x[1:] != y[1:]:
                    return i, k, x[1:], y[1:]
                if not np.allclose(x[0], y[0], rtol=tol, atol=tol, equal_nan=True):
                    return i, k, x[0].ravel()[:6], y[0].ravel()[:6]
            elif isinstance(x, (int, float)) and isinstance(y, (int, float)):
                if not np.allclose(x, y, rtol=tol, atol=tol, equal_nan=True):
                    return i, k, x, y
            elif type(x) is not type(y) or (not isinstance(x, tuple) and x != y):
                return i, k, x, y
        for k in rb:
            if k not in ra and k != "msg":
                return i, k, "MISSING", rb[k]
    return None


@pytest.mark.parametrize("seed", range(40))
def test_steps(seed):
    plain, w = run(jtorch, False, seed)
    compiled, _ = run(jtorch, True, seed)
    assert diff(plain, compiled, 1e-9 if w.amp != "bf16" else 2e-2) is None
