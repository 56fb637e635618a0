// Layers of a transformer that gates with SiLU, for one new position of each row.
#pragma once

#include <cmath>
#include <vector>

#include "product.h"

namespace kaiwa {

// How far ahead keys and values are fetched, in floats.
constexpr int ATTENTION_AHEAD = 2048;

struct Layer {
  const float* norm1;  // [D]
  const float* norm2;  // [D]
  Product in, out, gate, down;
};

struct Stack {
  const Layer* layers;
  int32_t count, dim, heads, hidden, context;
  float eps;
};

// The keys and values of all layers: [layers, 2, slots, heads, context, D / heads].
struct Rings {
  float* memory;
  int64_t slots;
};

// Which slot each row is, and the position that it adds.
struct Places {
  const int64_t* slots;
  const int64_t* positions;
};

// Room for what a call needs on its way; it grows once and stays with its thread.
class Scratch {
 public:
  explicit Scratch(size_t floats) {
    if (memory().size() < floats) memory().resize(floats);
    next_ = memory().data();
  }
  float* take(size_t floats) {
    float* taken = next_;
    next_ += floats;
    return taken;
  }

 private:
  static std::vector<float>& memory() {
    thread_local std::vector<float> floats;
    return floats;
  }
  float* next_;
};

static void rms_norm(const float* x, const float* alpha, int rows, int dim, float eps, float* y) {
  for (int row = 0; row < rows; row++, x += dim, y += dim) {
    const float scale = 1.0f / std::sqrt(dot(x, x, dim) / dim + eps);
    for (int i = 0; i < dim; i++) y[i] = x[i] * scale * alpha[i];
  }
}

// Turns the pairs (0, 1), (2, 3), ... of each head by `turns`, [head_dim / 2] complex numbers.
static void rotate(float* x, const float* turns, int heads, int head_dim) {
  for (int head = 0; head < heads; head++, x += head_dim)
    for (int i = 0; i < head_dim; i += 2) {
      const float real = x[i] * turns[i] - x[i + 1] * turns[i + 1];
      x[i + 1] = x[i] * turns[i + 1] + x[i + 1] * turns[i];
      x[i] = real;
    }
}

// One head's query against the `filled` keys and values [filled, head_dim].
static void attend(const float* query, const float* keys, const float* values, int filled,
                   int head_dim, float* weights, float* out) {
  const float scale = 1.0f / std::sqrt((float)head_dim);
  float largest = -INFINITY;
  for (int i = 0; i < filled; i++) {
    const float* key = keys + (int64_t)i * head_dim;
    for (int line = 0; line < head_dim; line += LANES) __builtin_prefetch(key + ATTENTION_AHEAD + line);
    weights[i] = dot(query, key, head_dim) * scale;
    largest = std::max(largest, weights[i]);
  }
  const int padded = (filled + LANES - 1) / LANES * LANES;
  std::fill(weights + filled, weights + padded, -INFINITY);
  Floats sums{};
  for (int i = 0; i < padded; i += LANES) {
    const Floats weight = exp(load(weights + i) - largest);
    store(weights + i, weight);
    sums += i + LANES <= filled ? weight : Floats{};
  }
  float total = sum(sums);
  for (int i = filled / LANES * LANES; i < filled; i++) total += weights[i];
  int d = 0;
  for (; d + 4 * LANES <= head_dim; d += 4 * LANES) {
    Floats seen[4] = {};
    for (int i = 0; i < filled; i++)
      for (int part = 0; part < 4; part++) {
        const float* value = values + (int64_t)i * head_dim + d + part * LANES;
        __builtin_prefetch(value + ATTENTION_AHEAD);
        seen[part] += weights[i] * load(value);
      }
    for (int part = 0; part < 4; part++) store(out + d + part * LANES, seen[part] / total);
  }
  for (; d + LANES <= head_dim; d += LANES) {
    Floats seen{};
    for (int i = 0; i < filled; i++) seen += weights[i] * load(values + (int64_t)i * head_dim + d);
    store(out + d, seen / total);
  }
  for (; d < head_dim; d++) {
    float seen = 0.0f;
    for (int i = 0; i < filled; i++) seen += weights[i] * values[(int64_t)i * head_dim + d];
    out[d] = seen / total;
  }
}

// joined [rows, 3, heads, head_dim] -> seen [rows, heads, head_dim]; the rings take up the new.
static void attention(const Stack& stack, float* joined, int rows, const Places& places,
                      const float* turns, float* keys, float* values, float* weights, float* seen,
                      int threads) {
  const int dim = stack.dim, heads = stack.heads, head_dim = dim / heads, context = stack.context;
  const int padded = (context + LANES - 1) / LANES * LANES;
  const bool shared = threads > 1 && (int64_t)rows * context * dim > SHARED_WORK;
#pragma omp parallel for num_threads(threads) if (shared) collapse(2)
  for (int row = 0; row < rows; row++)
    for (int head = 0; head < heads; head++) {
      float* query = joined + (int64_t)row * 3 * dim + head * head_dim;
      float *key = query + dim, *value = key + dim;
      if (turns) {
        rotate(query, turns + (int64_t)row * head_dim, 1, head_dim);
        rotate(key, turns + (int64_t)row * head_dim, 1, head_dim);
      }
      const int64_t position = places.positions[row];
      const int64_t ring = (places.slots[row] * heads + head) * context * head_dim;
      const int64_t place = ring + position % context * head_dim;
      std::memcpy(keys + place, key, head_dim * sizeof(float));
      std::memcpy(values + place, value, head_dim * sizeof(float));
      attend(query, keys + ring, values + ring, std::min<int64_t>(position + 1, context), head_dim,
             weights + ((int64_t)row * heads + head) * padded,
             seen + (int64_t)row * dim + head * head_dim);
    }
}

// gated [rows, 2, hidden] -> y [rows, hidden]: the first half's SiLU times the second.
static void gate(const float* gated, int rows, int hidden, float* y) {
  for (int row = 0; row < rows; row++, gated += 2 * hidden, y += hidden) {
    int i = 0;
    for (; i + LANES <= hidden; i += LANES) {
      const Floats x = load(gated + i);
      store(y + i, x / (1.0f + exp(-x)) * load(gated + hidden + i));
    }
    for (; i < hidden; i++) y[i] = gated[i] / (1.0f + std::exp(-gated[i])) * gated[hidden + i];
  }
}

// x [rows, D] through all the layers, in place. `turns` [rows, head_dim / 2] complex, or null.
static void go_through(const Stack& stack, const Rings& rings, float* x, int rows,
                       const Places& places, const float* turns, int threads) {
  const int64_t dim = stack.dim, hidden = stack.hidden;
  const int64_t padded = (stack.context + LANES - 1) / LANES * LANES;
  const int64_t half = rings.slots * dim * stack.context;
  Scratch scratch(rows * (5 * dim + 3 * hidden + stack.heads * padded));
  float* normed = scratch.take(rows * dim);
  float* joined = scratch.take(rows * 3 * dim);
  float* seen = scratch.take(rows * dim);
  float* gated = scratch.take(rows * 2 * hidden);
  float* inner = scratch.take(rows * hidden);
  float* weights = scratch.take(rows * stack.heads * padded);
  const auto all_rows = [rows](const float* from, int64_t width) {
    return Rows{from, 0, width, 1, rows};
  };
  for (int index = 0; index < stack.count; index++) {
    const Layer& layer = stack.layers[index];
    float* keys = rings.memory + 2 * index * half;
    rms_norm(x, layer.norm1, rows, dim, stack.eps, normed);
    multiply(layer.in, all_rows(normed, dim), joined, nullptr, NOTHING, threads);
    attention(stack, joined, rows, places, turns, keys, keys + half, weights, seen, threads);
    multiply(layer.out, all_rows(seen, dim), x, x, NOTHING, threads);
    rms_norm(x, layer.norm2, rows, dim, stack.eps, normed);
    multiply(layer.gate, all_rows(normed, dim), gated, nullptr, NOTHING, threads);
    gate(gated, rows, hidden, inner);
    multiply(layer.down, all_rows(inner, hidden), x, x, NOTHING, threads);
  }
}

}  // namespace kaiwa
