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

struct Product {
  const void* weights;  // [ceil(N / PANEL), K, PANEL], or as pairs.h or tiles.h says
  const float* scales;  // what an output is multiplied with, padded to panels; null where nothing
  const float* bias;    // padded to panels; null where none
  int32_t inputs, outputs;
  Precision precision;
};

// What is read together at most of inputs in bf16, and of rows of such.
constexpr int DEPTH = 32, ROWS_PAST = 32;

// Rows of inputs in memory: `count` in each batch, `stride` inputs from one to the next. Those in bf16 are
// read past their ends, up to DEPTH inputs after a row's, which are multiplied with zeros and must be no other session's, and up
// to ROWS_PAST rows after the last.
template <class Input>
struct RowsOf {
  const Input* x;
  int64_t batch_stride, stride;
  int32_t batches, count;
  const Input* at(int64_t batch, int64_t row) const { return x + batch * batch_stride + row * stride; }
};

typedef RowsOf<float> Rows;

// What comes of a product, all [batches, count, N].
template <class Input>
struct Results {
  float* y;           // in fp32, or null
  const float* plus;  // added to it, or null; may be y
  Input* next;        // its ELU as the product after this one reads it, or null
};

// Multiplies one input at a time, in fp32, whatever the weights are kept in.
struct WideWeights {
  typedef float Input;
  static constexpr int TOGETHER = 1;
  KAIWA_INLINE Floats add(Floats sum, Floats weights, const float* input) {
    return fused(weights, all(*input), sum);
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

// What becomes of the sums of a row.
template <class Input>
class Finish {
 public:
  Finish(const Product& product, const Results<Input>& to)
      : scales_(product.scales), bias_(product.bias), outputs_(product.outputs), to_(to) {}

  // Of the panel that begins with output `first`; rows are counted over all batches.
  inline __attribute__((always_inline)) void operator()(Floats low, Floats high, int64_t row,
                                                        int64_t first) const {
    half(low, row, first);
    half(high, row, first + LANES);
  }

 private:
  inline __attribute__((always_inline)) void half(Floats v, int64_t row, int64_t first) const {
    if (scales_) v *= load(scales_ + first);
    if (bias_) v += load(bias_ + first);
    const int64_t at = row * outputs_ + first, width = outputs_ - first;
    if (width >= LANES)
      write(v, to_, at);
    else if (width > 0)
      write_some(v, to_, at, width);
  }

  KAIWA_INLINE void write(Floats v, Results<Input> to, int64_t at) {
    if (to.plus) v += load(to.plus + at);
    if (to.y) store(to.y + at, v);
    if (to.next) store_elu(to.next + at, v);
  }

  static __attribute__((noinline)) void write_some(Floats v, Results<Input> to, int64_t at,
                                                   int64_t width) {
    float plus[LANES] = {}, y[LANES];
    Input next[LANES];
    if (to.plus) std::memcpy(plus, to.plus + at, width * sizeof *plus);
    write(v, {y, plus, next}, 0);
    if (to.y) std::memcpy(to.y + at, y, width * sizeof *y);
    if (to.next) std::memcpy(to.next + at, next, width * sizeof *next);
  }

  const float *scales_, *bias_;
  int64_t outputs_;
  Results<Input> to_;
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

// ROWS rows from `row` on with PANELS panels from output `first` on, or with the first half of one if that is all
// there is. The panels are gone through for the `time`th of `times` times.
template <class Weights, int ROWS, int PANELS, bool HALF>
static void multiply_panels(const typename Weights::Type* w, const typename Weights::Input* x,
                            int64_t stride, int inputs, int64_t row, int64_t first,
                            const Finish<typename Weights::Input>& finish, int time, int times) {
  constexpr int TOGETHER = Weights::TOGETHER;
  const int64_t apart = (int64_t)inputs * PANEL;
  Floats low[PANELS][ROWS], high[PANELS][ROWS];
  for (int p = 0; p < PANELS; p++)
    for (int m = 0; m < ROWS; m++) low[p][m] = high[p][m] = Floats{};
  const Fetch fetch(w, PANEL * TOGETHER * sizeof *w, inputs / TOGETHER, time, times);
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
  for (int m = 0; m < ROWS; m++)
    for (int p = 0; p < PANELS; p++) finish(low[p][m], high[p][m], row + m, first + p * PANEL);
}

// `rows` rows from `row` on with the panel from output `first` on, in blocks that are as equal as can be.
template <class Weights>
static void multiply_rows(const typename Weights::Type* w, const typename Weights::Input* x,
                          int64_t stride, int rows, int inputs, int64_t row, int64_t first, bool half,
                          const Finish<typename Weights::Input>& finish) {
  const int times = (rows + MOST_ROWS - 1) / MOST_ROWS;
  for (int time = 0; time < times; time++) {
    const int block = (rows + times - time - 1) / (times - time);
    switch (block) {
#define KAIWA_CASE(ROWS)                                                                     \
  case ROWS:                                                                                 \
    if constexpr (ROWS <= MOST_ROWS)                                                         \
      (half ? multiply_panels<Weights, ROWS, 1, true> : multiply_panels<Weights, ROWS, 1, false>)( \
          w, x, stride, inputs, row, first, finish, time, times);                            \
    break;
      KAIWA_CASE(1) KAIWA_CASE(2) KAIWA_CASE(3) KAIWA_CASE(4) KAIWA_CASE(5) KAIWA_CASE(6)
      KAIWA_CASE(7) KAIWA_CASE(8) KAIWA_CASE(9) KAIWA_CASE(10) KAIWA_CASE(11) KAIWA_CASE(12)
#undef KAIWA_CASE
    }
    rows -= block;
    row += block;
    x += block * stride;
  }
}

// How many panels are gone through side by side: for few rows memory is what takes the time, and it
// gives more in several streams than in one.
static int panels_beside(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

// Any number of rows with the panels from output `first` to `last`.
template <class Weights>
static void multiply_beside(const typename Weights::Type* w, const typename Weights::Input* x,
                            int64_t stride, int rows, int inputs, int64_t row, int64_t first,
                            int64_t last, const Finish<typename Weights::Input>& finish) {
  const int panels = panels_beside(rows);
  if (panels > 1 && last - first == panels * PANEL) {
    const auto beside = rows == 1   ? multiply_panels<Weights, 1, 4, false>
                        : rows == 2 ? multiply_panels<Weights, 2, 2, false>
                                    : multiply_panels<Weights, 3, 2, false>;
    return beside(w, x, stride, inputs, row, first, finish, 0, 1);
  }
  for (; first < last; first += PANEL, w += (int64_t)inputs * PANEL)
    multiply_rows<Weights>(w, x, stride, rows, inputs, row, first, last - first <= LANES, finish);
}

template <class Weights>
static void multiply_with(const Product& product, const RowsOf<typename Weights::Input>& in,
                          const Results<typename Weights::Input>& to, int threads) {
  constexpr int TOGETHER = Weights::TOGETHER;
  const int64_t inputs = (product.inputs + TOGETHER - 1) / TOGETHER * TOGETHER;
  const int64_t outputs = product.outputs;
  const int chunk = std::clamp<int64_t>(CHUNK_BYTES / (4 * inputs) / MOST_ROWS, 1, 1 << 20) * MOST_ROWS;
  const int chunks = (in.count + chunk - 1) / chunk;
  const int beside = panels_beside(std::min(chunk, in.count)) * PANEL;
  const int groups = (outputs + beside - 1) / beside;
  const int64_t parts = (int64_t)in.batches * chunks * groups;
  const auto weights = static_cast<const typename Weights::Type*>(product.weights);
  const Finish<typename Weights::Input> finish(product, to);
  const bool shared = threads > 1 && in.batches * in.count * inputs * outputs > SHARED_WORK;
#pragma omp parallel for num_threads(threads) if (shared)
  for (int64_t part = 0; part < parts; part++) {
    const int64_t start = part / groups % chunks * chunk, batch = part / groups / chunks;
    const int64_t first = part % groups * beside;
    multiply_beside<Weights>(weights + first * inputs, in.at(batch, start), in.stride,
                             std::min<int64_t>(chunk, in.count - start), inputs,
                             batch * in.count + start, first, std::min(first + beside, outputs),
                             finish);
  }
}

// The product of an only output, of which a panel would be all but empty; its weights are in fp32.
template <class Input>
static void multiply_one(const Product& product, const RowsOf<Input>& in, const Results<Input>& to,
                         int threads) {
  const int64_t inputs = product.inputs;
  std::vector<float> w(inputs);
  for (int64_t k = 0; k < inputs; k++) w[k] = static_cast<const float*>(product.weights)[k * PANEL];
  const Finish<Input> finish(product, to);
  const int64_t rows = (int64_t)in.batches * in.count;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * inputs > SHARED_WORK)
  for (int64_t row = 0; row < rows; row++)
    finish(all(dot(w.data(), in.at(row / in.count, row % in.count), inputs)), Floats{}, row, 0);
}

}  // namespace kaiwa
