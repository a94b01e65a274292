"""Results that share memory with each other or with an argument share it in replays, too."""

import pytest

import jtorch

pytestmark = pytest.mark.usefixtures("lazy")


def no_grad(make):
    with jtorch.no_grad():
        return make()


#: of ``x`` and of ``y``, which is computed
RESULTS = {
    "a tensor, a row of it, and it transposed": lambda x, y: (y, y[0], y.t()),
    "two views": lambda x, y: (y[0], y.t()),
    "with and without history": lambda x, y: (y, y.detach()),
    "without and with history": lambda x, y: (y.detach(), y),
    "views without history": lambda x, y: (y.detach()[0], y, y.t()[0]),
    "steps": lambda x, y: (y, y.view(-1)[1:3].view(2, 1), y.expand(2, 2, 2)),
    "one several times": lambda x, y: (y, y, y[1]),
    "strides": lambda x, y: (y, y.as_strided((2,), (2,), 1)),
    "made without gradients": lambda x, y: (y, no_grad(lambda: y[0])),
    "of a tensor that was written to": lambda x, y: (y.add_(1)[0], y),
    "a view that was written to": lambda x, y: (y[0].add_(1), y),
    "data": lambda x, y: (y.data, y),
    "of an argument": lambda x, y: (x[0], x.t(), y),
    "an argument and a view": lambda x, y: [x[1], x],
    "an argument without history": lambda x, y: (x.detach(), y),
    "nested": lambda x, y: {"a": y, "b": [x.t(), y[0]]},
}


def flat(result):
    if isinstance(result, dict):
        result = result.values()
    return [t for r in result for t in (flat(r) if isinstance(r, list | tuple) else [r])]


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("name", RESULTS)
def test_what_is_written_to_one_result_shows_in_the_others(name, history):
    def program(compile):
        f = compile(lambda x: RESULTS[name](x, x * 2))
        noted = []
        for k in range(3):
            x = jtorch.tensor([[1.0, 2.0], [3.0, 4.0]]) + k
            x.requires_grad_(history)
            results = flat(f(x))
            shares = [a.untyped_storage().data_ptr() for a in (*results, x)]
            noted.append([shares.index(s) for s in shares])
            noted.append([(r.stride(), r.requires_grad, r._is_view()) for r in results])
            with jtorch.no_grad():
                for i, r in enumerate(results):
                    r.mul_(i + 2) if r.stride()[0] else None
                    noted.append([t.tolist() for t in (*results, x)])
        return noted

    assert program(jtorch.compile) == program(lambda f: f)


def test_histories_of_results_that_share_memory():
    def program(compile):
        w = jtorch.ones(2, requires_grad=True)
        f = compile(lambda x: (lambda y: (y, y[0], y.t()))(x * w))
        noted = []
        for k in range(4):
            w.grad = None
            whole, row, turned = f(jtorch.tensor([[1.0, 2.0], [3.0, 4.0]]))
            if k > 1:
                row.mul_(3)
            (whole.sum() + row.sum() * 2 + (turned**2).sum()).backward()
            noted.append((w.grad.tolist(), whole.tolist(), turned.tolist()))
        return noted

    assert program(jtorch.compile) == program(lambda f: f)


def test_views_of_an_argument_that_is_a_view_itself():
    def program(compile):
        f = compile(lambda x: (x.t(), x[0], x * 3))
        noted = []
        for k in range(3):
            base = jtorch.arange(8.0).reshape(4, 2) + k
            for x in (base[1:3], base[2:4]):
                turned, row, _ = f(x)
                turned.add_(1)
                row.mul_(2)
                noted.append((turned.tolist(), row.tolist(), base.tolist()))
        return noted

    assert program(jtorch.compile) == program(lambda f: f)


def test_views_of_a_parameter():
    def program(compile):
        layer = jtorch.nn.Linear(2, 2)
        jtorch.nn.init.ones_(layer.weight)
        f = compile(lambda x: (layer.weight.t(), x @ layer.weight.detach()))
        noted = []
        for _ in range(3):
            turned, product = f(jtorch.ones(1, 2))
            layer.weight.grad = None
            turned.sum().backward()
            with jtorch.no_grad():
                turned[0] += 1
            noted.append((product.tolist(), layer.weight.tolist(), layer.weight.grad.tolist()))
        return noted

    assert program(jtorch.compile) == program(lambda f: f)


def test_such_calls_are_replayed():
    g = jtorch.compile(lambda x: (lambda y: (y, y[0], x.t()))(x * 2))
    for _ in range(3):
        g(jtorch.ones(2, 2))
    assert jtorch.compiler.explain(g).count("\n") == 0  # one line: it was recorded once, and replayed


def test_a_relation_that_cannot_be_repeated_is_a_reason_not_to_replay():
    def f(x):
        y = x * 2
        with jtorch.no_grad():
            row = y[0]
        return row, y

    f = jtorch.compile(f)
    for _ in range(3):
        x = jtorch.ones(2, 2, requires_grad=True)
        row, y = f(x)
        with jtorch.no_grad():
            y.add_(1)
        assert row.tolist() == [3.0, 3.0]  # 1 * 2 + 1
    assert "share memory" in jtorch.compiler.explain(f)


def test_steps_with_such_results_are_scanned_one_by_one():
    w = jtorch.zeros(2)

    def step(x):
        w.add_(x)
        y = w * 2
        return y, y[0]

    whole, first = jtorch.scan(jtorch.compile(step), jtorch.ones(4, 2))
    assert whole.tolist() == [[2.0, 2.0], [4.0, 4.0], [6.0, 6.0], [8.0, 8.0]]
    assert first.tolist() == [2.0, 4.0, 6.0, 8.0]
