"""Public names and signatures of functions, compared with PyTorch's.

The lists of exceptions give a reason for each name and may only shrink: an entry that is no longer needed
fails the test, too.
"""

import ast
import inspect
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

import jtorch
from jtorch.ops._registry import OPS

#: Functions of ``torch`` that are missing, by reason.
NO_FUNCTION = {
    "sparse layouts": (
        "ccol_indices_copy col_indices_copy crow_indices_copy hspmm indices_copy resize_as_sparse_ "
        "row_indices_copy smm sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor "
        "sparse_csc_tensor sparse_csr_tensor sspaddmm values_copy saddmm hsmm dsmm spmm"
    ),
    "quantised tensors": (
        "choose_qparams_optimized dequantize empty_quantized fake_quantize_per_channel_affine "
        "fake_quantize_per_tensor_affine fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation "
        "fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight "
        "fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix fused_moving_avg_obs_fake_quant int_repr "
        "q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point "
        "quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm "
        "quantized_gru_cell quantized_lstm_cell quantized_max_pool1d "
        "quantized_max_pool2d quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell"
    ),
    "kernels of one library, behind functions that exist": (
        "batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats "
        "batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats "
        "cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu "
        "cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable "
        "miopen_batch_norm miopen_convolution miopen_convolution_add_relu miopen_convolution_relu "
        "miopen_convolution_transpose miopen_ctc_loss miopen_depthwise_convolution miopen_rnn "
        "mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_linear_backward_weights mkldnn_max_pool2d "
        "mkldnn_max_pool3d mkldnn_rnn_layer native_norm"
    ),
    "returns a kernel's internals; nn.functional.embedding_bag is the function": "embedding_bag",
    "constraints on symbolic sizes, which traces here do not have": (
        "sym_constrain_range sym_constrain_range_for_size slice_inverse"
    ),
}
#: Methods and attributes of tensors that are missing, by reason.
NO_METHOD = {
    "sparse layouts": (
        "ccol_indices coalesce col_indices crow_indices indices is_coalesced resize_as_sparse_ "
        "row_indices smm sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm to_sparse "
        "to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values"
    ),
    "quantised tensors": (
        "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale "
        "q_zero_point qscheme"
    ),
    "complex numbers of two halves, which XLA lacks": "chalf",
    "nested and oneDNN layouts": "to_mkldnn to_padded_tensor",
    "devices that JAX does not run on": "ipu mtia xpu",
    "removed: PyTorch keeps them to raise an error": "eig lstsq reinforce solve symeig volatile",
    "first-class dimensions (functorch.dim)": "index",
    "symbolic sizes": "slice_inverse",
    "typed storages": "storage_type",
}
#: Names of namespaces that are missing.
NOT_IN_NAMESPACE = {
    "imports and helpers of PyTorch's own module": (
        "nn.functional.assert_int_or_pair nn.functional.boolean_dispatch nn.functional.handle_torch_function "
        "nn.functional.has_torch_function nn.functional.has_torch_function_unary "
        "nn.functional.has_torch_function_variadic"
    ),
    "grouped products of quantised numbers": "nn.functional.scaled_grouped_mm",
}


def entries(groups):
    return {name for names in groups.values() for name in names.split()}


def stubs(torch, file, name=None):
    """Functions of a stub file, or of a class in it: name -> overloads as ``ast.arguments``."""
    tree = ast.parse((Path(torch.__file__).parent / "_C" / file).read_text(encoding="utf-8"))
    body = tree.body
    if name is not None:
        body = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == name).body
    found = defaultdict(list)
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name].append(node.args)
    return found


def public(space):
    """Names of a module's own functions."""
    return {
        n
        for n, f in vars(space).items()
        if not n.startswith("_")
        and callable(f)
        and not isinstance(f, type)
        and getattr(f, "__module__", None) not in ("typing", "functools")
    }


def differs(missing, groups):
    """What is missing without a reason, and reasons for what is not missing."""
    allowed = entries(groups)
    return {"missing": sorted(missing - allowed), "no longer missing": sorted(allowed - missing)}


NONE = {"missing": [], "no longer missing": []}


def test_functions_of_torch_exist(torch):
    names = set(stubs(torch, "_VariableFunctions.pyi")) | set(torch.functional.__all__)
    names = {n for n in names if hasattr(torch, n)}
    assert len(names) > 600
    assert differs({n for n in names if not hasattr(jtorch, n)}, NO_FUNCTION) == NONE


def test_in_place_functions_are_those_of_torch(torch):
    def found(library):
        return {n for n in dir(library) if re.fullmatch(r"[a-z]\w*[a-z0-9]_", n)}

    assert found(jtorch) == found(torch) - entries(NO_FUNCTION)


def test_methods_of_tensors_exist(torch):
    names = {n for n in dir(torch.Tensor) if not n.startswith("_")}
    assert len(names) > 500
    assert differs({n for n in names if not hasattr(jtorch.Tensor, n)}, NO_METHOD) == NONE


SPACES = ["nn.functional", "linalg", "fft", "special", "signal.windows"]


def test_functions_of_namespaces_exist(torch):
    missing = set()
    for space in SPACES:
        theirs = public(import_module(f"torch.{space}"))
        assert len(theirs) > 10
        mine = import_module(f"jtorch.{space}")
        missing |= {f"{space}.{n}" for n in theirs if not hasattr(mine, n)}
    assert differs(missing, NOT_IN_NAMESPACE) == NONE


# ---- signatures ----------------------------------------------------------------------------------------

#: Functions of ``torch`` whose stub has an overload that the signature here does not have, by reason.
OTHER_FUNCTION = {
    "first operand and others have the names of torch.linalg": (
        "cholesky_inverse cholesky_solve det inverse lu_solve matrix_exp matrix_power orgqr ormqr "
        "triangular_solve"
    ),
    "overloads by the types of arguments under one name; each is accepted": (
        "isin randint_like repeat_interleave rsub scatter std std_mean subtract var var_mean"
    ),
    "overloads for NumPy scalars, as positions": "result_type",
    "the parser of PyTorch, unlike its stub, takes keywords only": "tensor",
    "a dtype of the product apart from the factors', for CUDA": "addmm baddbmm bmm mm",
    "named dimensions": "full",
    "no out= for what PyTorch composes": "argsort frobenius_norm nuclear_norm slogdet",
}
#: Methods likewise.
OTHER_METHOD = {
    "operands have the names of torch.linalg": "cholesky_solve orgqr ormqr",
    "overloads by the types of arguments under one name; each is accepted": (
        "scatter scatter_ std subtract subtract_ var"
    ),
    "the parser of PyTorch, unlike its stub, takes keywords only": "new_tensor",
    "the stub's names are not those of the parser": "map_ record_stream requires_grad_",
}
#: Functions that take ``*args`` because overloads differ in more than types. Each is tested elsewhere.
OPEN = (
    "alias_copy allclose arange as_strided_ as_strided_copy detach_copy diagonal_copy dsplit empty equal "
    "expand_copy gru hsplit lstm max median min nanmedian narrow_copy ones permute_copy rand randint randn "
    "rnn_relu rnn_tanh select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy "
    "tensor_split transpose_copy unbind_copy unfold_copy unsqueeze_copy view_as_complex_copy "
    "view_as_real_copy view_copy vsplit zeros"
)
OPEN_METHODS = (
    "allclose as_strided_ dsplit equal expand hsplit max median min nanmedian narrow_copy new new_empty "
    "new_ones new_zeros permute random_ reshape resize_ squeeze squeeze_ sum_to_size swapaxes_ "
    "swapdims_ t_ tensor_split to transpose_ type uniform_ unsqueeze_ view vsplit"
)

WRITES = {n for op in OPS.values() if op.out for n in (op.name, *op.aliases)}


def accepts(name, function, overload, method):
    """Whether the positions and keywords of an overload are those of a function; ``None`` for open ones."""
    parameters = list(inspect.signature(function).parameters.values())[int(method) :]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    positions = [a.arg for a in overload.posonlyargs + overload.args][int(method) :]
    here = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    names = {p.name for p in parameters} | ({"out"} if name in WRITES else set())
    return here[: len(positions)] == positions and {a.arg for a in overload.kwonlyargs} <= names


def judged(library, found, method):
    """Names whose overloads are not all accepted, and names that are open."""
    other, open_names = set(), set()
    for name, overloads in found.items():
        function = getattr(library, name, None)
        if not callable(function):
            continue
        for overload in overloads:
            if not method and "self" in [a.arg for a in overload.args]:
                continue  # old orders of arguments, and numbers as first operands
            accepted = accepts(name, function, overload, method)
            if accepted is None:
                open_names.add(name)
            elif not accepted:
                other.add(name)
    return other, open_names


def test_signatures_of_functions(torch):
    found = stubs(torch, "_VariableFunctions.pyi")
    found = {n: f for n, f in found.items() if n not in torch.functional.__all__ and hasattr(torch, n)}
    other, open_names = judged(jtorch, found, False)
    assert differs(other, OTHER_FUNCTION) == NONE
    assert differs(open_names, {"": OPEN}) == NONE


def test_signatures_of_methods(torch):
    other, open_names = judged(jtorch.Tensor, stubs(torch, "__init__.pyi", "TensorBase"), True)
    assert differs(other, OTHER_METHOD) == NONE
    assert differs(open_names, {"": OPEN_METHODS}) == NONE


#: Functions written in Python whose signature differs, by reason.
OTHER_PYTHON = {
    "tensors may be given one by one or as a list": "block_diag cartesian_prod chain_matmul",
}


def parameters_of(function):
    return [
        (p.name, p.kind, p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("out", "_stacklevel")
    ]


def test_signatures_of_what_torch_writes_in_python(torch):
    other, compared = set(), 0
    for space in ["functional", *SPACES]:
        theirs = import_module(f"torch.{space}")
        mine = jtorch if space == "functional" else import_module(f"jtorch.{space}")
        for name in torch.functional.__all__ if space == "functional" else public(theirs):
            if not hasattr(mine, name) or not inspect.isfunction(getattr(theirs, name)):
                continue
            wanted = parameters_of(getattr(theirs, name))
            if [p[1] for p in wanted] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
                continue  # PyTorch dispatches on an argument
            compared += 1
            # Defaults are compared as text: dtypes and layouts are objects of either library.
            given = parameters_of(getattr(mine, name))
            if [(n, k, repr(d)) for n, k, d in given] != [(n, k, repr(d)) for n, k, d in wanted]:
                other.add(name)
    assert compared > 100
    assert differs(other, OTHER_PYTHON) == NONE


#: Functions of namespaces whose page gives another signature, by reason.
OTHER_PAGE = {
    "more positions, as the parser of PyTorch takes them": (
        "linalg.matrix_rank linalg.pinv special.log_softmax special.softmax"
    ),
    "keywords only, as the parser of PyTorch takes them": "linalg.vander",
    "the operand has another name; input is accepted": (
        "linalg.norm special.airy_ai special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1"
    ),
}


def test_signatures_of_builtin_namespaces(torch):
    """Names of positions, from the first line of each page of ``linalg``, ``fft`` and ``special``."""
    other, compared = set(), 0
    for space in ("linalg", "fft", "special"):
        theirs, mine = import_module(f"torch.{space}"), import_module(f"jtorch.{space}")
        for name in sorted(public(theirs)):
            page = (getattr(theirs, name).__doc__ or "").strip().split("\n")[0]
            match = re.fullmatch(rf"(?:\w+\.)*{name}\((.*)\) ->.*", page)
            if match is None:
                continue
            text = re.sub(r"\b(bool|int|str|Tensor) (?=\w)", "", match[1])
            arguments = ast.parse(f"def f({text}): pass").body[0].args
            compared += 1
            parameters = list(inspect.signature(getattr(mine, name)).parameters.values())
            if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
                continue
            here = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
            if here != [a.arg for a in arguments.posonlyargs + arguments.args]:
                other.add(f"{space}.{name}")
    assert compared > 80
    assert differs(other, OTHER_PAGE) == NONE


@pytest.mark.parametrize("name", sorted(entries(NO_FUNCTION))[:5])
def test_what_is_missing_says_so(name):
    assert not hasattr(jtorch, name)
    with pytest.raises(AttributeError, match=name):
        getattr(jtorch, name)
