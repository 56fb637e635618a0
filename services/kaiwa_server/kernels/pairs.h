// Products in bf16 where a processor multiplies two inputs at once (AVX-512 with bf16, without tiles).
//
// The weights lie in panels as those in fp32 do, but in pairs of inputs: [N / PANEL, K / 2, PANEL, 2],
// K filled up with a zero. Sums are fp32. A row's do not depend on its neighbours.
#pragma once

#include "narrow.h"

namespace kaiwa {

struct PairWeights {
  typedef Bf16 Type;
  typedef Bf16 Input;
  static constexpr int TOGETHER = 2;

  KAIWA_INLINE __m512bh load(const Bf16* w) {
    __m512bh pairs;
    std::memcpy(&pairs, w, sizeof pairs);
    return pairs;
  }

  KAIWA_INLINE Floats add(Floats sum, __m512bh weights, const Bf16* input) {
    int32_t pair;
    std::memcpy(&pair, input, sizeof pair);
    return (Floats)_mm512_dpbf16_ps((__m512)sum, weights, (__m512bh)_mm512_set1_epi32(pair));
  }
};

}  // namespace kaiwa
