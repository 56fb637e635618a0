// Inputs narrowed to bf16 (AVX-512 with bf16).
#pragma once

#include <vector>

#include "product.h"

namespace kaiwa {

static void narrow_all(const float* from, int64_t count, Bf16* to) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  for (; i < count; i++) narrow(from[i], to + i);
}

// Inputs of a product, narrowed once for all of it. What lies past the last input of a row is multiplied with zeros: it is
// zeros, or, of windows that overlap, inputs of the same batch.
class NarrowRows {
 public:
  NarrowRows(const Rows& in, int64_t inputs) {
    const bool overlap = in.stride < inputs;
    // An odd number of lines, or rows would lie at the same place of the cache.
    const int64_t stride = overlap ? in.stride : ((inputs + DEPTH - 1) / DEPTH | 1) * DEPTH;
    const int64_t batch_stride = (in.count + ROWS_PAST) * stride + inputs + DEPTH;
    numbers_.assign(in.batches * batch_stride, 0);
    for (int batch = 0; batch < in.batches; batch++) {
      Bf16* to = numbers_.data() + batch * batch_stride;
      if (overlap)
        narrow_all(in.at(batch, 0), (in.count - 1) * in.stride + inputs, to);
      else
        for (int row = 0; row < in.count; row++)
          narrow_all(in.at(batch, row), inputs, to + row * stride);
    }
    rows_ = {numbers_.data(), batch_stride, stride, in.batches, in.count};
  }
  operator RowsOf<Bf16>() const { return rows_; }

 private:
  std::vector<Bf16> numbers_;
  RowsOf<Bf16> rows_;
};

}  // namespace kaiwa
