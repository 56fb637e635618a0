// A register of floats at a time, in the compiler's own vector types: 16 of AVX-512, 8 of AVX2.
#pragma once

#include <cstdint>
#include <cstring>

namespace kaiwa {

#ifdef __AVX512F__
constexpr int LANES = 16, REGISTERS = 32;
#else
constexpr int LANES = 8, REGISTERS = 16;
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

#define KAIWA_INLINE static inline __attribute__((always_inline))

KAIWA_INLINE Floats load(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

KAIWA_INLINE void store(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }

// A float's upper half. Sixteen bits have its range and a third of its precision.
typedef uint16_t Bf16;

KAIWA_INLINE float wide(float value) { return value; }

KAIWA_INLINE float wide(Bf16 value) {
  const uint32_t bits = (uint32_t)value << 16;
  float widened;
  std::memcpy(&widened, &bits, sizeof bits);
  return widened;
}

KAIWA_INLINE Floats load(const Bf16* from) {
  typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
  typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  return (Floats)(__builtin_convertvector(halves, Bits) << 16);
}

// To the nearest, and to the even one of two that are as near.
KAIWA_INLINE void narrow(float value, Bf16* to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  *to = value == value ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fc0;
}

KAIWA_INLINE void narrow(float value, float* to) { *to = value; }

KAIWA_INLINE Floats all(float value) { return value - Floats{}; }

// The sum of the lanes, in halves.
KAIWA_INLINE float sum(Floats v) {
  typedef float Four __attribute__((vector_size(16)));
  Four parts[LANES / 4];
  std::memcpy(parts, &v, sizeof v);
  for (int half = LANES / 8; half > 0; half /= 2)
    for (int i = 0; i < half; i++) parts[i] += parts[i + half];
  const Four four = parts[0];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// e^x to the last bit or two: 2^n times a polynomial on half a binary order to either side.
KAIWA_INLINE Floats exp(Floats x) {
  x = x < -87.0f ? all(-87.0f) : x;
  x = x > 88.0f ? all(88.0f) : x;
  const Floats turns = x * 1.44269504f;
  const Ints n = __builtin_convertvector(turns + (turns < 0.0f ? all(-0.5f) : all(0.5f)), Ints);
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts
  Floats p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * (Floats)((n + 127) << 23);
}

KAIWA_INLINE Floats elu(Floats x) { return x > 0.0f ? x : exp(x) - 1.0f; }

// x / 2 (1 + erf(x / sqrt 2)), erf to 1.5e-7 by Abramowitz and Stegun, 7.1.26.
KAIWA_INLINE Floats gelu(Floats x) {
  const Floats z = (x < 0.0f ? -x : x) * 0.70710678f;
  const Floats t = 1.0f / (1.0f + 0.3275911f * z);
  Floats p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Floats erf = 1.0f - p * t * exp(-z * z);
  return 0.5f * x * (1.0f + (x < 0.0f ? -erf : erf));
}

template <typename Number>
KAIWA_INLINE float dot(const float* a, const Number* b, int count) {
  Floats sums{};
  int i = 0;
  for (; i + LANES <= count; i += LANES) sums += load(a + i) * load(b + i);
  float rest = 0.0f;
  for (; i < count; i++) rest += a[i] * wide(b[i]);
  return sum(sums) + rest;
}

}  // namespace kaiwa
