"""SIMD vectors as values in Numba functions: sixteen lanes that take one instruction together.

Numba leaves it to LLVM to find vector instructions in scalar loops, which fails where lanes carry state and read from
computed addresses. Here a vector is a type of its own, an LLVM vector in a register: arithmetic and comparison work
lane by lane, numbers beside a vector are spread over all lanes. LLVM fits the sixteen lanes to the registers there
are (one of AVX-512, two of AVX2). All names are for use inside ``@njit`` functions only.
"""

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv import Conversion
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 16

Emit = Callable[..., ir.Value]
"""Writes the instructions of an operation: (builder, operands …) → result."""


class PacketVector(types.Type):
    """Numba type of a vector; ``llvm_type`` is what it is compiled to."""

    def __init__(self, name: str, element: ir.Type) -> None:
        self.llvm_type = ir.VectorType(element, LANES)
        super().__init__(name=f"{name}x{LANES}")

    def can_convert_from(self, _context: Any, other: types.Type) -> Conversion | None:
        """Let numbers stand where vectors are expected."""
        return Conversion.unsafe if self is not mask and isinstance(other, types.Number) else None


floats = PacketVector("float32", ir.FloatType())
integers = PacketVector("int32", ir.IntType(32))
mask = PacketVector("bool", ir.IntType(1))


@register_model(PacketVector)
class VectorModel(models.PrimitiveModel):
    """Tells Numba that vectors are plain LLVM values."""

    def __init__(self, manager: Any, vector: PacketVector) -> None:
        super().__init__(manager, vector, vector.llvm_type)


def _constant(vector: PacketVector, values: Sequence[float]) -> ir.Constant:
    return ir.Constant(vector.llvm_type, list(values))


def _spread(builder: ir.IRBuilder, number: ir.Value, vector: PacketVector) -> ir.Value:
    undefined = ir.Constant(vector.llvm_type, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, _constant(integers, [0] * LANES))


@lower_cast(types.Number, floats)
def _number_to_floats(
    context: Any, builder: ir.IRBuilder, given: types.Type, to: PacketVector, number: ir.Value
) -> ir.Value:
    return _spread(builder, context.cast(builder, number, given, types.float32), to)


@lower_cast(types.Number, integers)
def _number_to_integers(
    context: Any, builder: ir.IRBuilder, given: types.Type, to: PacketVector, number: ir.Value
) -> ir.Value:
    return _spread(builder, context.cast(builder, number, given, types.int32), to)


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, operands: Sequence[ir.Value]) -> ir.Value:
    """Call one of LLVM's intrinsic functions."""
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, operands)


# Operators.

FAST = ("fast",)
"""As Numba's ``fastmath=True``: products and sums may be contracted and reordered."""


def _define_operator(operation: Callable[..., Any], result: PacketVector, operand: PacketVector, emit: Emit) -> None:
    @infer_global(operation)
    class _Typing(ConcreteTemplate):
        cases = [signature(result, operand, operand)]  # noqa: RUF012 (Numba's convention)

    @lower_builtin(operation, operand, operand)
    def _lower(_context: Any, builder: ir.IRBuilder, _signature: Any, operands: Sequence[ir.Value]) -> ir.Value:
        return emit(builder, *operands)


for _operator, _instruction in {
    operator.add: ir.IRBuilder.fadd,
    operator.iadd: ir.IRBuilder.fadd,
    operator.sub: ir.IRBuilder.fsub,
    operator.mul: ir.IRBuilder.fmul,
    operator.truediv: ir.IRBuilder.fdiv,
}.items():
    _define_operator(_operator, floats, floats, lambda b, x, y, emit=_instruction: emit(b, x, y, flags=FAST))
for _operator, _instruction in {
    operator.add: ir.IRBuilder.add,
    operator.sub: ir.IRBuilder.sub,
    operator.mul: ir.IRBuilder.mul,
    operator.and_: ir.IRBuilder.and_,
    operator.rshift: ir.IRBuilder.lshr,
}.items():
    _define_operator(_operator, integers, integers, lambda b, x, y, emit=_instruction: emit(b, x, y))
for _operator, _sign in {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">="}.items():
    _define_operator(_operator, mask, floats, lambda b, x, y, sign=_sign: b.fcmp_ordered(sign, x, y, flags=FAST))
_define_operator(operator.and_, mask, mask, ir.IRBuilder.and_)


# Functions.


def _define(result: types.Type, *operands: types.Type) -> Callable[[Emit], Any]:
    """Make a function of fixed types out of what emits its instructions; numbers may stand for vectors."""

    def decorate(emit: Emit) -> Any:
        def generate(_context: Any, builder: ir.IRBuilder, _signature: Any, values: Sequence[ir.Value]) -> ir.Value:
            return emit(builder, *values)

        def typing(_context: Any, *_given: types.Type) -> Any:
            return result(*operands), generate

        typing.__name__, typing.__doc__ = emit.__name__, emit.__doc__
        typing.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]  # Numba counts its parameters
        return intrinsic(typing)

    return decorate


@_define(floats, types.float32)
def spread(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    """Put a number into all lanes."""
    return _spread(builder, number, floats)


@_define(integers)
def lane_numbers(_builder: ir.IRBuilder) -> ir.Value:
    """Return 0, 1, … 15."""
    return _constant(integers, range(LANES))


@_define(floats, floats, floats)
def maximum(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return the larger of two, lane by lane."""
    return builder.select(builder.fcmp_ordered(">", x, y, flags=FAST), x, y)


@_define(floats, floats, floats)
def minimum(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return the smaller of two, lane by lane."""
    return builder.select(builder.fcmp_ordered("<", x, y, flags=FAST), x, y)


@_define(floats, mask, floats, floats)
def where(builder: ir.IRBuilder, condition: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return x in the lanes where the condition holds, y in the others."""
    return builder.select(condition, x, y)


@_define(floats, floats)
def absolute(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return |x|."""
    return _call(builder, f"llvm.fabs.v{LANES}f32", x.type, [x])


@_define(floats, floats)
def square_root(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return √x."""
    return _call(builder, f"llvm.sqrt.v{LANES}f32", x.type, [x])


@_define(integers, floats)
def to_integers(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Round towards 0."""
    return builder.fptosi(x, integers.llvm_type)


@_define(floats, integers)
def to_floats(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Convert integers."""
    return builder.sitofp(x, floats.llvm_type)


@_define(types.float32, floats)
def lowest(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return the smallest of the lanes."""
    return _call(builder, f"llvm.vector.reduce.fmin.v{LANES}f32", ir.FloatType(), [x])


@_define(types.float32, floats)
def highest(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return the largest of the lanes."""
    return _call(builder, f"llvm.vector.reduce.fmax.v{LANES}f32", ir.FloatType(), [x])


@_define(types.boolean, mask)
def any_lane(builder: ir.IRBuilder, condition: ir.Value) -> ir.Value:
    """Return whether the condition holds in any lane."""
    return _call(builder, f"llvm.vector.reduce.or.v{LANES}i1", ir.IntType(1), [condition])


@_define(types.float32, floats, types.int64)
def lane(builder: ir.IRBuilder, x: ir.Value, number: ir.Value) -> ir.Value:
    """Return one lane."""
    return builder.extract_element(x, builder.trunc(number, ir.IntType(32)))


def _gather(_context: Any, array: types.Array, offsets: PacketVector) -> Any:
    """Return the 32 bits (little-endian) that begin ``offsets`` bytes after the start of an array, for each lane."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Sequence[ir.Value]) -> ir.Value:
        byte, word = ir.IntType(8), ir.IntType(32)
        start = builder.bitcast(
            context.make_array(signature.args[0])(context, builder, values[0]).data, byte.as_pointer()
        )
        # llvmlite has no vectors of pointers; LLVM makes one of a pointer and a vector of offsets.
        address = builder.gep(start, [ir.Constant(word, 0)], source_etype=byte)
        address.operands, address.indices = [start, values[1]], [values[1]]
        address.type = ir.VectorType(word.as_pointer(), LANES)
        everywhere, nothing = _constant(mask, [1] * LANES), _constant(integers, [0] * LANES)
        alignment = ir.Constant(word, 1)
        return _call(
            builder,
            f"llvm.masked.gather.v{LANES}i32.v{LANES}p0",
            integers.llvm_type,
            [address, alignment, everywhere, nothing],
        )

    return integers(array, offsets), generate


gather: Any = intrinsic(_gather)
