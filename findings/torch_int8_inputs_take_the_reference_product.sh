#!/usr/bin/env bash
# torch 2.13.0 (CPU), torch.ops.onednn.qlinear_pointwise over weights packed by torch.ops.onednn.qlinear_prepack.
#
# Seen: the operator takes signed and unsigned 8-bit inputs. Of signed ones (int8, zero point 0) the product is
# right and comes from oneDNN's reference implementation: 64 rows of 576 by 1536 take some 1,250 ms. The same
# numbers as unsigned ones (uint8, zero point 128) give the very same result in some 0.3 ms, thousands of times
# as fast. Nothing warns. So who rounds activations symmetrically, as most papers do, has to add 128 to them.
#
# Measured on x86-64 with AVX512-VNNI; where oneDNN has a fast product for neither or for both, this says so and
# ends well. Exit 1 where the results differ, or where signed inputs have become fast beside fast unsigned ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import torch

ROWS, INPUTS, OUTPUTS = 64, 576, 1536
torch.manual_seed(0)
torch.set_num_threads(1)
weights = torch.randint(-127, 128, (OUTPUTS, INPUTS), dtype=torch.int8)
signed = torch.randint(-127, 128, (ROWS, INPUTS), dtype=torch.int8)
unsigned = (signed.int() + 128).to(torch.uint8)
packed = torch.ops.onednn.qlinear_prepack(weights, None)
scales, zero_points = torch.ones(OUTPUTS), torch.zeros(OUTPUTS, dtype=torch.int64)


def product(inputs, zero_point):
    """The product in float32, and the seconds that it took at best."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        result = torch.ops.onednn.qlinear_pointwise(
            inputs, 1.0, zero_point, packed, scales, zero_points, None, 1.0, 0, torch.float32, "none", [], ""
        )
        seconds.append(time.perf_counter() - began)
    return result, min(seconds)


whole = (signed.int() @ weights.int().t()).float()
of_signed, slow = product(signed, 0)
of_unsigned, fast = product(unsigned, 128)
print("torch", torch.__version__, "| capability", torch.backends.cpu.get_cpu_capability())
print(f"int8, zero point 0: {1000 * slow:.2f} ms | uint8, zero point 128: {1000 * fast:.2f} ms")
if not (torch.equal(of_signed, whole) and torch.equal(of_unsigned, whole)):
    sys.exit("changed: the results are not the sums of whole numbers")
if fast > 0.02:
    print("this processor has no fast product of bytes: nothing to compare")
elif slow < 20 * fast:
    sys.exit("changed: signed inputs are no longer slow")
PYTHON
