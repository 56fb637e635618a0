// The entries of codebooks that are nearest to vectors, each codebook's to what those before it left over.
#pragma once

#include "multiply.h"

namespace kaiwa {

// How near an entry is: what it scores is larger the nearer it is.
struct Searched {
  Product scores;        // [D] -> [entries]
  const float* entries;  // [entries, D]
};

// The place of the largest of `count` numbers, the first of several.
static int64_t place_of_largest(const float* numbers, int64_t count) {
  Floats largest = all(-INFINITY);
  Ints places{};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const Floats at_hand = load(numbers + i);
    const Ints larger = at_hand > largest;
    largest = larger ? at_hand : largest;
    places = larger ? Ints{} + (int)i : places;
  }
  float most = -INFINITY;
  int64_t place = 0;
  for (int lane = 0; lane < LANES; lane++)
    if (largest[lane] > most || (largest[lane] == most && places[lane] + lane < place))
      most = largest[lane], place = places[lane] + lane;
  for (; i < count; i++)
    if (numbers[i] > most) most = numbers[i], place = i;
  return place;
}

// rest [rows, D] -> tokens [rows, count]; of the rest stays what the last entry leaves over.
static void search(const Searched* codebooks, int count, float* rest, int rows, int64_t* tokens,
                   int threads) {
  std::vector<float> scores;
  for (int codebook = 0; codebook < count; codebook++) {
    const auto& [product, entries] = codebooks[codebook];
    const int64_t dim = product.inputs;
    scores.resize(rows * product.outputs);
    multiply(product, Rows{rest, 0, dim, 1, rows}, {scores.data(), nullptr, nullptr}, threads);
    for (int row = 0; row < rows; row++) {
      const int64_t token = place_of_largest(&scores[row * product.outputs], product.outputs);
      tokens[row * count + codebook] = token;
      for (int64_t i = 0; i < dim; i++) rest[row * dim + i] -= entries[token * dim + i];
    }
  }
}

}  // namespace kaiwa
