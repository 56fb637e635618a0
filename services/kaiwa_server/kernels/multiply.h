// A product in whatever its weights are kept in.
#pragma once

#include "product.h"
#if defined __AMX_BF16__
#include "tiles.h"
#elif defined __AVX512BF16__
#include "pairs.h"
#endif

namespace kaiwa {

#ifdef __AVX512BF16__
// Of rows in bf16, with weights in bf16.
static void multiply(const Product& product, const RowsOf<Bf16>& in, const Results<Bf16>& to,
                     int threads) {
  if (product.outputs == 1) return multiply_one(product, in, to, threads);
#ifdef __AMX_BF16__
  multiply_in_tiles(product, in, to, threads);
#else
  multiply_with<PairWeights>(product, in, to, threads);
#endif
}
#endif

// Of rows in fp32. An only output has its weights in fp32.
static void multiply(const Product& product, const Rows& in, const Results<float>& to, int threads) {
  if (product.outputs == 1) return multiply_one(product, in, to, threads);
  switch (product.precision) {
    case FP32:
      return multiply_with<Fp32Weights>(product, in, to, threads);
    case INT8:
      return multiply_with<Int8Weights>(product, in, to, threads);
    case BF16:
#ifdef __AVX512BF16__
      return multiply(product, NarrowRows(in, product.inputs), {to.y, to.plus, nullptr}, threads);
#else
      return multiply_with<Bf16Weights>(product, in, to, threads);
#endif
  }
}

}  // namespace kaiwa
