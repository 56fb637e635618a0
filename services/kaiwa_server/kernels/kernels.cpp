// What Python calls (library.py says the same in ctypes). Nothing here checks a shape.

#include <numeric>
#include <vector>

#include "convolutions.h"
#include "draw.h"
#include "layers.h"
#include "search.h"

using namespace kaiwa;

extern "C" {

// One codebook of the depformer: `in` and `embedding` into its layers, `head` out of them.
struct Codebook {
  Product in, head;
  const float* embedding;  // [tokens, D]
  Stack stack;
};

// Whether this build runs here: Linux may refuse the registers of the matrix units.
int kaiwa_runs() {
#ifdef __AMX_BF16__
  return may_use_tiles();
#else
  return 1;
#endif
}

// How weights in bf16 lie: 0 in panels, 1 in pairs, 2 in tiles.
int kaiwa_bf16_layout() {
#if defined __AMX_BF16__
  return 2;
#elif defined __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}

// Outputs that lie together in the weights.
int kaiwa_panel() { return PANEL; }

void kaiwa_multiply(const Product* product, const Rows* in, float* y, int threads) {
  const Results<float> results{y, nullptr, nullptr};
  if (in->batch_stride == in->count * in->stride) {
    const Rows joined{in->x, 0, in->stride, 1, in->batches * in->count};
    multiply(*product, joined, results, threads);
  } else if (in->batches > 1 && in->count < MOST_ROWS) {
    // Few rows of many batches: side by side, so that the weights are read once for all.
    const int64_t inputs = product->inputs;
    std::vector<float> rows(in->batches * in->count * inputs);
    float* next = rows.data();
    for (int batch = 0; batch < in->batches; batch++)
      for (int row = 0; row < in->count; row++, next += inputs)
        std::copy_n(in->at(batch, row), inputs, next);
    const Rows gathered{rows.data(), 0, inputs, 1, in->batches * in->count};
    multiply(*product, gathered, results, threads);
  } else {
    multiply(*product, *in, results, threads);
  }
}

// x [batch, length, C] -> y [batch, T', C'].
void kaiwa_convolve(const Convolution* steps, int count, const Sessions* sessions, const float* x,
                    int64_t length, float* y, int threads) {
#ifdef __AVX512BF16__
  // An only output has its weights in fp32 always.
  const auto in_bf16 = [](const Convolution& step) { return step.product.precision == BF16; };
  if (std::any_of(steps, steps + count, in_bf16))
    return Convolutions<Bf16>(steps, count, *sessions, length)(x, y, threads);
#endif
  Convolutions<float>(steps, count, *sessions, length)(x, y, threads);
}

void kaiwa_search(const Searched* codebooks, int count, float* rest, int rows, int64_t* tokens,
                  int threads) {
  search(codebooks, count, rest, rows, tokens, threads);
}

void kaiwa_layers(const Stack* stack, const Rings* rings, float* x, int batch, int each,
                  const int64_t* slots, const int64_t* positions, const float* turns, int threads) {
  go_through(*stack, *rings, x, Places{slots, positions, batch, each}, turns, threads);
}

// hidden [rows, D of the temporal transformer] and the tokens before [rows] -> logits.
void kaiwa_codebook(const Codebook* codebook, const Rings* rings, const float* hidden, int rows,
                    const int64_t* tokens, int64_t index, float* logits, int threads) {
  const int64_t dim = codebook->stack.dim;
  std::vector<float> x(rows * dim);
  for (int row = 0; row < rows; row++)
    std::memcpy(&x[row * dim], codebook->embedding + tokens[row] * dim, dim * sizeof(float));
  const Rows given{hidden, 0, codebook->in.inputs, 1, rows};
  multiply(codebook->in, given, {x.data(), x.data(), nullptr}, threads);
  std::vector<int64_t> slots(rows), positions(rows, index);
  std::iota(slots.begin(), slots.end(), 0);
  const Places places{slots.data(), positions.data(), rows, 1};
  go_through(codebook->stack, *rings, x.data(), places, nullptr, threads);
  const Rows seen{x.data(), 0, dim, 1, rows};
  multiply(codebook->head, seen, {logits, nullptr, nullptr}, threads);
}

void kaiwa_draw(const Draws* draws, const float* logits, int rows, int64_t size, int64_t* tokens) {
  draw(*draws, logits, rows, size, tokens);
}

}  // extern "C"
