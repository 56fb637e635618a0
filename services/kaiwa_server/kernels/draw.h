// Draws of tokens: temperature, the top k, and the inverse of the distribution function.
#pragma once

#include <algorithm>
#include <vector>

#include "search.h"

namespace kaiwa {

// How each row draws.
struct Draws {
  const float* temperatures;  // [rows]; 0 takes the likeliest
  const int64_t* top_k;       // [rows], at least 1
  const float* uniforms;      // [rows], in [0, 1), `apart` from one to the next
  int64_t apart;
};

// The tokens of a row in buckets by their logits, the likeliest in the first. What lies before a bucket needs no
// order: only a bucket in which something has to be found is sorted.
class Buckets {
 public:
  // The first of the top k whose weight, with the weights before it, exceeds the uniform's share of all of theirs.
  // The temperature is not 0.
  int64_t draw(const float* logits, int64_t size, float temperature, int64_t top_k, float uniform) {
    const float largest = place(logits, size, temperature);
    int last = 0;
    int64_t of_last = std::min(top_k, size);  // how many of the last bucket are in the top k
    for (; counts_[last] < of_last; last++) of_last -= counts_[last];
    weigh(logits, size, largest, temperature, last);
    double total = 0.0;
    for (int bucket = 0; bucket < last; bucket++) total += totals_[bucket];
    const auto& ends = sorted(last);
    for (int64_t i = 0; i < of_last; i++) total += weights_[(uint32_t)ends[i]];
    const double target = uniform * total;
    double passed = 0.0;
    int bucket = 0;
    for (; bucket < last && passed + totals_[bucket] <= target; bucket++) passed += totals_[bucket];
    int32_t drawn = -1;
    for (; bucket <= last; bucket++) {
      const auto& members = sorted(bucket);
      const int64_t count = bucket < last ? members.size() : of_last;
      for (int64_t i = 0; i < count && passed <= target; i++) {
        const float weight = weights_[(uint32_t)members[i]];
        passed += weight;
        if (weight > 0.0f) drawn = tokens_[(uint32_t)members[i]];
      }
      if (passed > target) return drawn;
    }
    // A uniform just below 1 may round up to the whole sum.
    return drawn >= 0 ? drawn : place_of_largest(logits, size);
  }

 private:
  static constexpr int COUNT = 256;
  static constexpr float WEIGHTLESS = -87.0f;  // the power of e that counts as nothing

  // Puts every token into its bucket; gives the largest logit.
  float place(const float* logits, int64_t size, float temperature) {
    const float largest = logits[place_of_largest(logits, size)];
    Floats least_of_each = all(largest);
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) least_of_each = least(load(logits + i), least_of_each);
    float smallest = largest;
    for (int lane = 0; lane < LANES; lane++) smallest = std::min(smallest, least_of_each[lane]);
    for (; i < size; i++) smallest = std::min(smallest, logits[i]);
    const float range = largest - std::max(smallest, largest + WEIGHTLESS * temperature);
    const float scale = range > 0 ? (COUNT - 1) / range : 0.0f;
    places_.resize(size + LANES);
    std::fill_n(counts_, COUNT, 0);
    for (i = 0; i < size; i += LANES) {
      const int here = std::min<int64_t>(LANES, size - i);
      Floats at_hand = all(largest);
      std::memcpy(&at_hand, logits + i, here * sizeof(float));
      // Of what is no number `least` takes the second.
      const Floats place = least((largest - at_hand) * scale, all(COUNT - 1));
      const Ints whole = __builtin_convertvector(place, Ints);
      std::memcpy(&places_[i], &whole, sizeof whole);
      for (int lane = 0; lane < here; lane++) counts_[whole[lane]]++;
    }
    return largest;
  }

  // Weighs the tokens of the buckets up to `last`, in the order of their numbers.
  void weigh(const float* logits, int64_t size, float largest, float temperature, int last) {
    int64_t count = 0;
    tokens_.resize(size), weights_.resize(size + LANES);
    for (int64_t i = 0; i < size; i++) {
      tokens_[count] = i;
      weights_[count] = logits[i] - largest;
      count += places_[i] <= last;
    }
    for (int64_t i = 0; i < count; i += LANES) {
      const Floats power = load(&weights_[i]) / temperature;
      store(&weights_[i], power >= WEIGHTLESS ? exp(power) : Floats{});
    }
    std::fill_n(totals_, last + 1, 0.0);
    for (int64_t i = 0; i < count; i++) totals_[places_[tokens_[i]]] += weights_[i];
    weighed_ = count, logits_ = logits;
  }

  // What lies in a bucket from the likeliest down, ties by number; the lower half of each is its place among those
  // that are weighed.
  const std::vector<uint64_t>& sorted(int bucket) {
    keys_.clear();
    for (int64_t i = 0; i < weighed_; i++)
      if (places_[tokens_[i]] == bucket)
        keys_.push_back((uint64_t)~ascending(logits_[tokens_[i]]) << 32 | i);
    std::sort(keys_.begin(), keys_.end());
    return keys_;
  }

  // A number in the order of the floats; both zeros have one.
  static uint32_t ascending(float value) {
    value += 0.0f;
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | 1u << 31;
  }

  const float* logits_;
  int64_t weighed_;
  std::vector<int32_t> places_;  // the bucket of each token
  std::vector<int32_t> tokens_;  // those that are weighed
  std::vector<float> weights_;
  std::vector<uint64_t> keys_;
  int32_t counts_[COUNT];
  double totals_[COUNT];  // of the weights
};

// logits [rows, size] -> tokens [rows].
static void draw(const Draws& draws, const float* logits, int rows, int64_t size, int64_t* tokens) {
  thread_local Buckets buckets;
  for (int row = 0; row < rows; row++, logits += size) {
    const float temperature = draws.temperatures[row], uniform = draws.uniforms[row * draws.apart];
    const int64_t top_k = draws.top_k[row];
    tokens[row] = temperature == 0.0f || top_k == 1
                      ? place_of_largest(logits, size)
                      : buckets.draw(logits, size, temperature, top_k, uniform);
  }
}

}  // namespace kaiwa
