// Layers of a transformer, for the new positions of each row.
#pragma once

#include <cmath>
#include <vector>

#include "multiply.h"

namespace kaiwa {

struct Norm {
  const float* weight;  // [D]
  const float* bias;    // [D], or null: a root-mean-square norm
};

// What a layer scales its branches with is in the scales of `out` and `down`.
struct Layer {
  Norm norm1, norm2;
  Product in, out, up, down;
};

enum Activation : int32_t { SILU_GATE = 0, GELU = 1 };

struct Stack {
  const Layer* layers;
  int32_t count, dim, heads, hidden, context;
  Activation activation;
  float eps;
};

// The keys and values of all layers: [layers, 2, slots, heads, context, D / heads].
struct Rings {
  void* memory;  // of Bf16 if `narrow`, else of float
  int64_t slots;
  int32_t narrow;
};

// Which slots take up positions, and which: `each` in a row.
struct Places {
  const int64_t* slots;      // [batch]
  const int64_t* positions;  // [batch, each]
  int32_t batch, each;
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

static void normalise(const Norm& norm, const float* x, int rows, int dim, float eps, float* y) {
  for (int row = 0; row < rows; row++, x += dim, y += dim) {
    if (norm.bias) {
      float mean = 0.0f;
      for (int i = 0; i < dim; i++) mean += x[i];
      mean /= dim;
      for (int i = 0; i < dim; i++) y[i] = x[i] - mean;
      const float scale = 1.0f / std::sqrt(dot(y, y, dim) / dim + eps);
      for (int i = 0; i < dim; i++) y[i] = y[i] * scale * norm.weight[i] + norm.bias[i];
    } else {
      const float scale = 1.0f / std::sqrt(dot(x, x, dim) / dim + eps);
      for (int i = 0; i < dim; i++) y[i] = x[i] * scale * norm.weight[i];
    }
  }
}

// Turns the pairs (0, 1), (2, 3), ... of one head by `turns`, [head_dim / 2] complex numbers.
static void rotate(float* x, const float* turns, int head_dim) {
  for (int i = 0; i < head_dim; i += 2) {
    const float real = x[i] * turns[i] - x[i + 1] * turns[i + 1];
    x[i + 1] = x[i] * turns[i + 1] + x[i + 1] * turns[i];
    x[i] = real;
  }
}

// Queries of one head, next to each other in time: what they are, and what they see. The weights are their room.
struct Queries {
  const float* query;  // [QUERIES, head_dim], `apart` from one to the next
  const int64_t* positions;
  float *weights, *seen;  // [QUERIES, padded context], [QUERIES, head_dim]
  int64_t apart, weights_apart, seen_apart;
};

// One head of a slot's ring, [context, head_dim], which holds the positions up to `newest`.
template <typename Number>
struct Ring {
  const Number *keys, *values;
  int64_t newest;
  int context, head_dim;
  int filled() const { return std::min<int64_t>(newest + 1, context); }
};

// How much each query has of each key: weights [QUERIES, filled].
template <int QUERIES, typename Number>
static void score(const Queries& given, const Ring<Number>& ring) {
  const int filled = ring.filled(), head_dim = ring.head_dim;
  const float scale = 1.0f / std::sqrt((float)head_dim);
  int i = 0;
  for (; i + LANES <= filled; i += LANES) {
    const Number* keys = ring.keys + (int64_t)i * head_dim;
    for (int at = 0; at < LANES * head_dim; at += 64 / (int)sizeof(Number))
      fetch_ahead(keys + at);
    for (int query = 0; query < QUERIES; query++)
      store(given.weights + query * given.weights_apart + i,
            dots(given.query + query * given.apart, keys, head_dim) * scale);
  }
  for (; i < filled; i++)
    for (int query = 0; query < QUERIES; query++)
      given.weights[query * given.weights_apart + i] =
          dot(given.query + query * given.apart, ring.keys + (int64_t)i * head_dim, head_dim) * scale;
}

// Softmax over weights [filled] of a query at `position`, but for the division, and then its divisor.
template <typename Number>
static float soften(float* weights, int64_t position, const Ring<Number>& ring) {
  const int filled = ring.filled(), padded = (filled + LANES - 1) / LANES * LANES;
  for (int64_t later = position + 1; later <= ring.newest; later++)
    weights[later % ring.context] = -INFINITY;
  std::fill(weights + filled, weights + padded, -INFINITY);
  Floats largest_of_each = all(-INFINITY);
  for (int i = 0; i < padded; i += LANES) largest_of_each = most(largest_of_each, load(weights + i));
  float largest = -INFINITY;
  for (int lane = 0; lane < LANES; lane++) largest = std::max(largest, largest_of_each[lane]);
  Floats sums{};
  for (int i = 0; i < padded; i += LANES) {
    const Floats weight = exp(load(weights + i) - largest);
    store(weights + i, weight);
    sums += i + LANES <= filled ? weight : Floats{};
  }
  float total = sum(sums);
  for (int i = filled / LANES * LANES; i < filled; i++) total += weights[i];
  return total;
}

// PARTS registers of what the queries see, from channel `first` on.
template <int QUERIES, int PARTS, typename Number>
static void add_up(const Queries& given, const Ring<Number>& ring, const float* totals, int first) {
  constexpr int A_LINE = 64 / sizeof(Number);
  Floats seen[QUERIES][PARTS] = {};
  const int filled = ring.filled();
  const Number* value = ring.values + first;
  for (int i = 0; i < filled; i++, value += ring.head_dim)
    for (int part = 0; part < PARTS; part++) {
      if (part * LANES % A_LINE == 0) fetch_ahead(value + part * LANES);
      const Floats channels = load(value + part * LANES);
      for (int query = 0; query < QUERIES; query++)
        seen[query][part] =
            fused(all(given.weights[query * given.weights_apart + i]), channels, seen[query][part]);
    }
  for (int query = 0; query < QUERIES; query++)
    for (int part = 0; part < PARTS; part++)
      store(given.seen + query * given.seen_apart + first + part * LANES,
            seen[query][part] / totals[query]);
}

template <int QUERIES, typename Number>
static void attend(const Queries& given, const Ring<Number>& ring) {
  score<QUERIES>(given, ring);
  float totals[QUERIES];
  for (int query = 0; query < QUERIES; query++)
    totals[query] = soften(given.weights + query * given.weights_apart, given.positions[query], ring);
  constexpr int PARTS = 64 / LANES;  // as many channels as most heads have
  int d = 0;
  for (; d + PARTS * LANES <= ring.head_dim; d += PARTS * LANES)
    add_up<QUERIES, PARTS>(given, ring, totals, d);
  for (; d + LANES <= ring.head_dim; d += LANES) add_up<QUERIES, 1>(given, ring, totals, d);
  for (; d < ring.head_dim; d++)
    for (int query = 0; query < QUERIES; query++) {
      float seen = 0.0f;
      for (int i = 0; i < ring.filled(); i++)
        seen += given.weights[query * given.weights_apart + i] *
                wide(ring.values[(int64_t)i * ring.head_dim + d]);
      given.seen[query * given.seen_apart + d] = seen / totals[query];
    }
}

// joined [batch, each, 3, heads, head_dim] -> seen [batch, each, heads, head_dim]; the rings take
// up all of the new keys and values first.
template <typename Number>
static void attention(const Stack& stack, float* joined, const Places& places, const float* turns,
                      Number* keys, Number* values, float* weights, float* seen, int threads) {
  const int dim = stack.dim, heads = stack.heads, head_dim = dim / heads, context = stack.context;
  const int each = places.each, padded = (context + LANES - 1) / LANES * LANES;
  const bool shared = threads > 1 && (int64_t)places.batch * each * context * dim > SHARED_WORK;
#pragma omp parallel for num_threads(threads) if (shared) collapse(2)
  for (int slot = 0; slot < places.batch; slot++)
    for (int head = 0; head < heads; head++) {
      const int64_t ring = (places.slots[slot] * heads + head) * context * head_dim;
      const int64_t newest = places.positions[(slot + 1) * each - 1];
      for (int row = slot * each; row < (slot + 1) * each; row++) {
        float* query = joined + (int64_t)row * 3 * dim + head * head_dim;
        float *key = query + dim, *value = key + dim;
        if (turns) {
          rotate(query, turns + (int64_t)row * head_dim, head_dim);
          rotate(key, turns + (int64_t)row * head_dim, head_dim);
        }
        const int64_t place = ring + places.positions[row] % context * head_dim;
        for (int i = 0; i < head_dim; i++) narrow(key[i], keys + place + i);
        for (int i = 0; i < head_dim; i++) narrow(value[i], values + place + i);
      }
      const Ring<Number> own{keys + ring, values + ring, newest, context, head_dim};
      for (int row = slot * each; row < (slot + 1) * each;) {
        const Queries queries{joined + (int64_t)row * 3 * dim + head * head_dim,
                              places.positions + row,
                              weights + 2 * ((int64_t)slot * heads + head) * padded,
                              seen + (int64_t)row * dim + head * head_dim,
                              3 * dim,
                              padded,
                              dim};
        const bool pair = row + 1 < (slot + 1) * each;
        pair ? attend<2>(queries, own) : attend<1>(queries, own);
        row += pair ? 2 : 1;
      }
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

static void gelu(float* x, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(x + i, gelu(load(x + i)));
  for (; i < count; i++) x[i] *= 0.5f * (1.0f + std::erf(x[i] * (float)M_SQRT1_2));
}

// x [rows, D] through all the layers, in place. `turns` [rows, head_dim / 2] complex, or null.
static void go_through(const Stack& stack, const Rings& rings, float* x, const Places& places,
                       const float* turns, int threads) {
  const int rows = places.batch * places.each;
  const int64_t dim = stack.dim, hidden = stack.hidden;
  const int64_t padded = (stack.context + LANES - 1) / LANES * LANES;
  const int64_t half = rings.slots * dim * stack.context;
  Scratch scratch(rows * (5 * dim + 3 * hidden) + 2 * places.batch * stack.heads * padded);
  float* normed = scratch.take(rows * dim);
  float* joined = scratch.take(rows * 3 * dim);
  float* seen = scratch.take(rows * dim);
  float* gated = scratch.take(rows * 2 * hidden);
  float* inner = scratch.take(rows * hidden);
  float* weights = scratch.take(2 * places.batch * stack.heads * padded);
  const auto all_rows = [rows](const float* from, int64_t width) {
    return Rows{from, 0, width, 1, rows};
  };
  for (int index = 0; index < stack.count; index++) {
    const Layer& layer = stack.layers[index];
    normalise(layer.norm1, x, rows, dim, stack.eps, normed);
    multiply(layer.in, all_rows(normed, dim), {joined, nullptr, nullptr}, threads);
    if (rings.narrow) {
      Bf16* keys = static_cast<Bf16*>(rings.memory) + 2 * index * half;
      attention(stack, joined, places, turns, keys, keys + half, weights, seen, threads);
    } else {
      float* keys = static_cast<float*>(rings.memory) + 2 * index * half;
      attention(stack, joined, places, turns, keys, keys + half, weights, seen, threads);
    }
    multiply(layer.out, all_rows(seen, dim), {x, x, nullptr}, threads);
    normalise(layer.norm2, x, rows, dim, stack.eps, normed);
    if (stack.activation == SILU_GATE) {
      multiply(layer.up, all_rows(normed, dim), {gated, nullptr, nullptr}, threads);
      gate(gated, rows, hidden, inner);
    } else {
      multiply(layer.up, all_rows(normed, dim), {inner, nullptr, nullptr}, threads);
      gelu(inner, rows * hidden);
    }
    multiply(layer.down, all_rows(inner, hidden), {x, x, nullptr}, threads);
  }
}

}  // namespace kaiwa
