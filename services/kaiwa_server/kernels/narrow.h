// Inputs narrowed to bf16, once for a whole product (AVX-512 with bf16).
#pragma once

#include <vector>

#include "product.h"

namespace kaiwa {

constexpr int DEPTH = 32;      // inputs that are read together at most
constexpr int ROWS_PAST = 32;  // rows that are read together at most

// Inputs in bf16 where one may read past the last row and the last input of any. What lies there is
// multiplied with zeros: it is zeros, or, of windows that overlap, inputs of the same batch.
class NarrowRows {
 public:
  NarrowRows(const Rows& in, int64_t inputs) {
    const bool overlap = in.stride < inputs;
    // An odd number of lines, or rows would lie at the same place of the cache.
    stride_ = overlap ? in.stride : ((inputs + DEPTH - 1) / DEPTH | 1) * DEPTH;
    batch_stride_ = (in.count + ROWS_PAST) * stride_ + inputs + DEPTH;
    numbers_.assign(in.batches * batch_stride_, 0);
    for (int batch = 0; batch < in.batches; batch++) {
      const float* from = in.x + batch * in.batch_stride;
      Bf16* to = numbers_.data() + batch * batch_stride_;
      if (overlap)
        narrow_all(from, (in.count - 1) * in.stride + inputs, to);
      else
        for (int row = 0; row < in.count; row++)
          narrow_all(from + row * in.stride, inputs, to + row * stride_);
    }
  }
  const Bf16* at(int64_t batch, int64_t row) const {
    return numbers_.data() + batch * batch_stride_ + row * stride_;
  }
  int64_t stride() const { return stride_; }

 private:
  static void narrow_all(const float* from, int64_t count, Bf16* to) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
      const __m256bh narrowed = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + i));
      std::memcpy(to + i, &narrowed, sizeof narrowed);
    }
    for (; i < count; i++) narrow(from[i], to + i);
  }

  int64_t stride_, batch_stride_;
  std::vector<Bf16> numbers_;
};

}  // namespace kaiwa
