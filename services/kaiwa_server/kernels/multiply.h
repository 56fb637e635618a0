// A product in whatever its weights are kept in.
#pragma once

#include "product.h"
#if defined __AMX_BF16__
#include "tiles.h"
#elif defined __AVX512BF16__
#include "pairs.h"
#endif

namespace kaiwa {

// y [batches, count, N] = then(x W^T + bias + plus); plus, of y's shape, may be null or y itself. An
// only output has its weights in fp32.
static void multiply(const Product& product, const Rows& in, float* y, const float* plus, Then then,
                     int threads) {
  if (product.outputs == 1) return multiply_one(product, in, y, plus, then, threads);
  switch (product.precision) {
    case FP32:
      return multiply_with<Fp32Weights>(product, in, y, plus, then, threads);
    case INT8:
      return multiply_with<Int8Weights>(product, in, y, plus, then, threads);
    case BF16:
#if defined __AMX_BF16__
      return multiply_in_tiles(product, in, y, plus, then, threads);
#elif defined __AVX512BF16__
      return multiply_with<PairWeights>(product, in, y, plus, then, threads);
#else
      return multiply_with<Bf16Weights>(product, in, y, plus, then, threads);
#endif
  }
}

}  // namespace kaiwa
