// Matrix products of few rows with weights that are laid out for them once.
//
// The weights [N, K] lie in panels of two registers' outputs, [N / PANEL, K, PANEL], so that a product
// reads them in one sweep, each once for up to MOST_ROWS rows. A row's sums are added up in the same order whatever its
// neighbours are and however many: its result does not depend on them, to the last bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "vectors.h"

namespace kaiwa {

constexpr int PANEL = 2 * LANES;
constexpr int MOST_ROWS = REGISTERS * 3 / 8;  // three quarters of the registers hold sums

// What of x is gone through with every panel before the next is looked at: it stays in the cache.
constexpr int64_t CHUNK_BYTES = 1 << 20;
// Fewer multiplications than this are done sooner by one thread.
constexpr int64_t SHARED_WORK = 1 << 18;

enum Precision : int32_t { FP32 = 0, INT8 = 1, BF16 = 2 };
enum Then : int32_t { NOTHING = 0, ELU = 1 };

struct Product {
  const void* weights;  // [ceil(N / PANEL), K, PANEL], or as pairs.h or tiles.h says
  const float* scales;  // what an output is multiplied with, padded to panels; null where nothing
  const float* bias;    // padded to panels; null where none
  int32_t inputs, outputs;
  Precision precision;
};

// Rows of inputs in memory: `count` in each batch, `stride` floats from one to the next.
struct Rows {
  const float* x;
  int64_t batch_stride, stride;
  int32_t batches, count;
};

// Inputs where they are.
class WideRows {
 public:
  WideRows(const Rows& in, int64_t) : in_(in) {}
  const float* at(int64_t batch, int64_t row) const {
    return in_.x + batch * in_.batch_stride + row * in_.stride;
  }
  int64_t stride() const { return in_.stride; }

 private:
  const Rows& in_;
};

// Multiplies one input at a time, in fp32, whatever the weights are kept in.
struct WideWeights {
  typedef float Input;
  typedef WideRows Inputs;
  static constexpr int TOGETHER = 1;
  KAIWA_INLINE Floats add(Floats sum, Floats weights, const float* input) {
    return sum + weights * all(*input);
  }
};

struct Fp32Weights : WideWeights {
  typedef float Type;
  KAIWA_INLINE Floats load(const float* w) { return kaiwa::load(w); }
};

struct Bf16Weights : WideWeights {
  typedef Bf16 Type;
  KAIWA_INLINE Floats load(const Bf16* w) { return kaiwa::load(w); }
};

struct Int8Weights : WideWeights {
  typedef int8_t Type;
  KAIWA_INLINE Floats load(const int8_t* w) {
    return __builtin_convertvector(widened(w), Floats);
  }
};

// What becomes of the sums of one row and panel before they are written.
struct Finish {
  const float* scales;
  const float* bias;
  Then then;

  inline __attribute__((always_inline)) Floats operator()(Floats v, int at, const float* plus) const {
    if (scales) v *= load(scales + at);
    if (bias) v += load(bias + at);
    if (plus) v += load(plus);
    return then == ELU ? elu(v) : v;
  }

  // The sums of outputs `first` to `first` + PANEL, of which there are `width`.
  inline __attribute__((always_inline)) void write(Floats low, Floats high, float* y,
                                                   const float* plus, int width, int first) const {
    if (width == PANEL) {
      store(y, (*this)(low, first, plus));
      store(y + LANES, (*this)(high, first + LANES, plus ? plus + LANES : nullptr));
    } else if (width == LANES) {
      store(y, (*this)(low, first, plus));
    } else {
      float added[PANEL] = {}, out[PANEL];
      if (plus) std::memcpy(added, plus, width * sizeof(float));
      store(out, (*this)(low, first, plus ? added : nullptr));
      store(out + LANES, (*this)(high, first + LANES, plus ? added + LANES : nullptr));
      std::memcpy(y, out, width * sizeof(float));
    }
  }
};

// Fetches weights while others are multiplied: some with each input, or with each block of inputs.
class Fetch {
 public:
  // Of a panel of `count` times so many bytes that is gone through `times` times, now for the `time`th. Once: what comes
  // soon, though far more than a processor fetches alone. Several times: with each of them a part of the next panel,
  // so that memory is neither waited for nor idle.
  Fetch(const void* panel, int64_t bytes, int64_t count, int time, int times)
      : from_((const char*)panel + SOON), step_(bytes) {
    if (times > 1 && count * bytes <= MOST_BYTES) {
      from_ = (const char*)panel + count * bytes + time * count * bytes / times;
      step_ = bytes / times;
    }
  }

  inline __attribute__((always_inline)) void operator()(int64_t at, int64_t beyond = 0) const {
    for (int line = 0; line < step_; line += 64)
      __builtin_prefetch(from_ + beyond + at * step_ + line);
  }

 private:
  static constexpr int64_t SOON = 1 << 13, MOST_BYTES = 1 << 18;
  const char* from_;
  int64_t step_;
};

// ROWS rows with PANELS panels side by side, or with the first half of one if that is all there is: x
// is `stride` inputs from row to row, y and plus are `outputs`.
template <class Weights, int ROWS, int PANELS, bool HALF>
static void multiply_panels(const typename Weights::Type* w, const typename Weights::Input* x,
                            int64_t stride, int inputs, float* y, const float* plus,
                            int64_t outputs, int width, int first, const Finish& finish,
                            int time, int times) {
  constexpr int TOGETHER = Weights::TOGETHER;
  constexpr int bytes = PANEL * TOGETHER * sizeof(typename Weights::Type);
  const int64_t apart = (int64_t)inputs * PANEL;
  Floats low[PANELS][ROWS], high[PANELS][ROWS];
  for (int p = 0; p < PANELS; p++)
    for (int m = 0; m < ROWS; m++) low[p][m] = high[p][m] = Floats{};
  const Fetch fetch(w, bytes, inputs / TOGETHER, time, times);
  for (int k = 0; k < inputs; k += TOGETHER, w += PANEL * TOGETHER) {
#pragma GCC unroll 4
    for (int p = 0; p < PANELS; p++) {
      const auto weights = w + p * apart;
      fetch(k / TOGETHER, p * apart * sizeof *w);
      const auto u = Weights::load(weights), v = Weights::load(weights + LANES * TOGETHER);
#pragma GCC unroll 12
      for (int m = 0; m < ROWS; m++) {
        const auto input = x + m * stride + k;
        low[p][m] = Weights::add(low[p][m], u, input);
        if (!HALF) high[p][m] = Weights::add(high[p][m], v, input);
      }
    }
  }
  for (int m = 0; m < ROWS; m++, y += outputs, plus = plus ? plus + outputs : nullptr)
    for (int p = 0; p < PANELS; p++)
      finish.write(low[p][m], high[p][m], y + p * PANEL, plus ? plus + p * PANEL : nullptr, width,
                   first + p * PANEL);
}

// Any number of rows with one panel, in blocks that are as equal as can be.
template <class Weights>
static void multiply_rows(const typename Weights::Type* w, const typename Weights::Input* x,
                          int64_t stride, int rows, int inputs, float* y, const float* plus,
                          int64_t outputs, int width, int first, const Finish& finish) {
  const bool half = width <= LANES;
  const int times = (rows + MOST_ROWS - 1) / MOST_ROWS;
  for (int blocks = times; blocks > 0; blocks--) {
    const int block = (rows + blocks - 1) / blocks;
    switch (block) {
#define KAIWA_CASE(ROWS)                                                                     \
  case ROWS:                                                                                 \
    if constexpr (ROWS <= MOST_ROWS)                                                         \
      (half ? multiply_panels<Weights, ROWS, 1, true> : multiply_panels<Weights, ROWS, 1, false>)( \
          w, x, stride, inputs, y, plus, outputs, width, first, finish, times - blocks, times); \
    break;
      KAIWA_CASE(1) KAIWA_CASE(2) KAIWA_CASE(3) KAIWA_CASE(4) KAIWA_CASE(5) KAIWA_CASE(6)
      KAIWA_CASE(7) KAIWA_CASE(8) KAIWA_CASE(9) KAIWA_CASE(10) KAIWA_CASE(11) KAIWA_CASE(12)
#undef KAIWA_CASE
    }
    rows -= block;
    x += block * stride;
    y += block * outputs;
    if (plus) plus += block * outputs;
  }
}

// How many panels are gone through side by side: for few rows memory is what takes the time, and it
// gives more in several streams than in one.
static int panels_beside(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

// Any number of rows with `panels` panels, of which there are `width` outputs.
template <class Weights>
static void multiply_beside(const typename Weights::Type* w, const typename Weights::Input* x,
                            int64_t stride, int rows, int inputs, float* y, const float* plus,
                            int64_t outputs, int panels, int width, int first,
                            const Finish& finish) {
  if (panels > 1 && width == panels * PANEL) {
    const auto beside = rows == 1   ? multiply_panels<Weights, 1, 4, false>
                        : rows == 2 ? multiply_panels<Weights, 2, 2, false>
                                    : multiply_panels<Weights, 3, 2, false>;
    return beside(w, x, stride, inputs, y, plus, outputs, PANEL, first, finish, 0, 1);
  }
  for (; width > 0; width -= PANEL, first += PANEL, w += (int64_t)inputs * PANEL, y += PANEL) {
    multiply_rows<Weights>(w, x, stride, rows, inputs, y, plus, outputs, std::min(PANEL, width),
                           first, finish);
    if (plus) plus += PANEL;
  }
}

template <class Weights>
static void multiply_with(const Product& product, const Rows& in, float* y, const float* plus,
                          Then then, int threads) {
  constexpr int TOGETHER = Weights::TOGETHER;
  const int64_t inputs = (product.inputs + TOGETHER - 1) / TOGETHER * TOGETHER;
  const int64_t outputs = product.outputs;
  const int chunk = std::clamp<int64_t>(CHUNK_BYTES / (4 * inputs) / MOST_ROWS, 1, 1 << 20) * MOST_ROWS;
  const int chunks = (in.count + chunk - 1) / chunk;
  const int panels = panels_beside(std::min(chunk, in.count));
  const int groups = (outputs + panels * PANEL - 1) / (panels * PANEL);
  const int64_t parts = (int64_t)in.batches * chunks * groups;
  const auto weights = static_cast<const typename Weights::Type*>(product.weights);
  const Finish finish{product.scales, product.bias, then};
  const typename Weights::Inputs lines(in, product.inputs);
  const bool shared = threads > 1 && in.batches * in.count * inputs * outputs > SHARED_WORK;
#pragma omp parallel for num_threads(threads) if (shared)
  for (int64_t part = 0; part < parts; part++) {
    const int64_t start = part / groups % chunks * chunk, batch = part / groups / chunks;
    const int64_t first = part % groups * panels * PANEL;
    const int64_t at = (batch * in.count + start) * outputs + first;
    multiply_beside<Weights>(
        weights + first * inputs, lines.at(batch, start), lines.stride(),
        std::min<int64_t>(chunk, in.count - start), inputs, y + at, plus ? plus + at : nullptr,
        outputs, panels, std::min<int64_t>(panels * PANEL, outputs - first), first, finish);
  }
}

// The product of an only output, of which a panel would be all but empty.
static void multiply_one(const Product& product, const Rows& in, float* y, const float* plus,
                         Then then, int threads) {
  const int64_t inputs = product.inputs;
  std::vector<float> w(inputs);
  for (int64_t k = 0; k < inputs; k++) w[k] = static_cast<const float*>(product.weights)[k * PANEL];
  const float scale = product.scales ? product.scales[0] : 1.0f;
  const float bias = product.bias ? product.bias[0] : 0.0f;
  const int64_t rows = (int64_t)in.batches * in.count;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * inputs > SHARED_WORK)
  for (int64_t row = 0; row < rows; row++) {
    const float* x = in.x + row / in.count * in.batch_stride + row % in.count * in.stride;
    const float sum = scale * dot(x, w.data(), inputs) + bias + (plus ? plus[row] : 0.0f);
    y[row] = then == ELU && sum < 0.0f ? std::expm1(sum) : sum;
  }
}

}  // namespace kaiwa
