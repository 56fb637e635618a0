// A register of floats at a time, in the compiler's own vector types: 16 of AVX-512, 8 of AVX2.
#pragma once

#include <immintrin.h>

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

// Fetches a line of the next 16 KB after those that the line at hand lies in. Who goes through memory line by line
// and calls this with each has all of it fetched, in four streams: they are faster than one.
KAIWA_INLINE void fetch_ahead(const void* at) {
  constexpr uintptr_t LINE = 64, STREAMS = 4, SPAN = 1 << 14;
  const uintptr_t address = (uintptr_t)at, line = address % SPAN / LINE;
  const uintptr_t place = line % STREAMS * (SPAN / STREAMS) + line / STREAMS * LINE;
  __builtin_prefetch((const void*)(address / SPAN * SPAN + SPAN + place));
}

// The compiler's own conversions go by halves, or by way of the stack.
KAIWA_INLINE Ints widened(const uint16_t* from) {
#ifdef __AVX512F__
  return (Ints)_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256((const __m256i*)from));
#else
  return (Ints)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)from));
#endif
}

KAIWA_INLINE Ints widened(const int8_t* from) {
#ifdef __AVX512F__
  return (Ints)_mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i*)from));
#else
  return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from));
#endif
}

KAIWA_INLINE Floats load(const Bf16* from) {
  return (Floats)(widened(from) << 16);
}

// To the nearest, and to the even one of two that are as near.
KAIWA_INLINE void narrow(float value, Bf16* to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  *to = value == value ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fc0;
}

KAIWA_INLINE void narrow(float value, float* to) { *to = value; }

// a b + c, rounded once. What is not said to be fused is not: a compiler's choice would depend on what is around it.
KAIWA_INLINE Floats fused(Floats a, Floats b, Floats c) {
#ifdef __AVX512F__
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#endif
}

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

#ifdef __AVX512F__
// With masks of all lanes, since compilers warn of what the others leave undefined. If either is not a
// number the second comes of it.
KAIWA_INLINE Floats least(Floats a, Floats b) {
  return (Floats)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
}
KAIWA_INLINE Floats most(Floats a, Floats b) {
  return (Floats)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
}
KAIWA_INLINE Floats rounded(Floats x) {
  return (Floats)_mm512_maskz_roundscale_ps(0xffff, (__m512)x, 0);
}
// x 2^n
KAIWA_INLINE Floats scaled(Floats x, Floats n) {
  return (Floats)_mm512_maskz_scalef_ps(0xffff, (__m512)x, (__m512)n);
}
#else
KAIWA_INLINE Floats least(Floats a, Floats b) { return (Floats)_mm256_min_ps((__m256)a, (__m256)b); }
KAIWA_INLINE Floats most(Floats a, Floats b) { return (Floats)_mm256_max_ps((__m256)a, (__m256)b); }
KAIWA_INLINE Floats rounded(Floats x) { return (Floats)_mm256_round_ps((__m256)x, 0); }
KAIWA_INLINE Floats scaled(Floats x, Floats n) {
  return x * (Floats)((__builtin_convertvector(n, Ints) + 127) << 23);
}
#endif

// e^x to the last bit or two: 2^n times a polynomial on half a binary order to either side.
KAIWA_INLINE Floats exp(Floats x) {
  x = most(all(-87.0f), least(all(88.0f), x));
  const Floats n = rounded(x * 1.44269504f);
  // ln 2 in two parts
  const Floats r = fused(n, all(2.12194440e-4f), fused(n, all(-0.693359375f), x));
  Floats p = fused(r, all(1.0f / 5040), all(1.0f / 720));
  p = fused(p, r, all(1.0f / 120));
  p = fused(p, r, all(1.0f / 24));
  p = fused(p, r, all(1.0f / 6));
  p = fused(p, r, all(0.5f));
  p = fused(p, r, all(1.0f));
  p = fused(p, r, all(1.0f));
  return scaled(p, n);
}

KAIWA_INLINE Floats elu(Floats x) { return x > 0.0f ? x : exp(x) - 1.0f; }

KAIWA_INLINE void store_elu(float* to, Floats x) { store(to, elu(x)); }

#ifdef __AVX512BF16__
KAIWA_INLINE void store(Bf16* to, Floats v) {
  const __m256bh narrowed = _mm512_cvtneps_pbh((__m512)v);
  std::memcpy(to, &narrowed, sizeof narrowed);
}

// With e^x to 14 bits, where 8 are stored: 2^n times a polynomial on half a binary order to either side.
KAIWA_INLINE void store_elu(Bf16* to, Floats x) {
  const Floats turns = most(all(-100.0f), x * 1.44269504f);
  const Floats n = rounded(turns);
  const Floats r = turns - n;
  Floats p = fused(r, all(0.00961813f), all(0.05550411f));
  p = fused(p, r, all(0.24022651f));
  p = fused(p, r, all(0.69314718f));
  p = fused(p, r, all(1.0f));
  store(to, x > 0.0f ? x : scaled(p, n) - 1.0f);
}
#endif

// x / 2 (1 + erf(x / sqrt 2)), erf to 1.5e-7 by Abramowitz and Stegun, 7.1.26.
KAIWA_INLINE Floats gelu(Floats x) {
  const Floats z = (x < 0.0f ? -x : x) * 0.70710678f;
  const Floats t = 1.0f / (1.0f + 0.3275911f * z);
  Floats p = fused(t, all(1.061405429f), all(-1.453152027f));
  p = fused(p, t, all(1.421413741f));
  p = fused(p, t, all(-0.284496736f));
  p = fused(p, t, all(0.254829592f));
  const Floats erf = 1.0f - p * t * exp(-z * z);
  return 0.5f * x * (1.0f + (x < 0.0f ? -erf : erf));
}

template <typename Number>
KAIWA_INLINE float dot(const float* a, const Number* b, int count) {
  Floats sums{};
  int i = 0;
  for (; i + LANES <= count; i += LANES) sums = fused(load(a + i), load(b + i), sums);
  float rest = 0.0f;
  for (; i < count; i++) rest += a[i] * wide(b[i]);
  return sum(sums) + rest;
}

// Sums within two registers, side by side: of each group of 2 WIDTH lanes of `a` its halves added, then those
// of `b`.
template <int WIDTH>
KAIWA_INLINE Floats folded(Floats a, Floats b) {
  static constexpr auto chosen = [] {
    struct {
      int32_t low[LANES], high[LANES];
    } lanes{};
    for (int lane = 0; lane < LANES; lane++) {
      const int from_b = lane / WIDTH % 2;
      lanes.low[lane] = lane - from_b * WIDTH + from_b * LANES;
      lanes.high[lane] = lanes.low[lane] + WIDTH;
    }
    return lanes;
  }();
  Ints low, high;
  std::memcpy(&low, chosen.low, sizeof low);
  std::memcpy(&high, chosen.high, sizeof high);
  return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// The dot products of `a` with LANES vectors `b` in a row, as `dot` has them to the last bit.
template <typename Number>
KAIWA_INLINE Floats dots(const float* a, const Number* b, int count) {
  Floats sums[LANES];
  const int whole = count / LANES * LANES;
#pragma GCC unroll 16
  for (int row = 0; row < LANES; row++) {
    sums[row] = Floats{};
    for (int i = 0; i < whole; i += LANES)
      sums[row] = fused(load(a + i), load(b + row * count + i), sums[row]);
  }
#pragma GCC unroll 8
  for (int row = 0; row < LANES / 2; row++)
    sums[row] = folded<LANES / 2>(sums[row], sums[row + LANES / 2]);
#pragma GCC unroll 4
  for (int row = 0; row < LANES / 4; row++)
    sums[row] = folded<LANES / 4>(sums[row], sums[row + LANES / 4]);
#pragma GCC unroll 2
  for (int row = 0; row < LANES / 8; row++)
    sums[row] = folded<LANES / 8>(sums[row], sums[row + LANES / 8]);
  Floats total = LANES == 8 ? sums[0] : folded<1>(sums[0], sums[1]);
  Floats rest{};
  for (int i = whole; i < count; i++)
    for (int row = 0; row < LANES; row++) rest[row] += a[i] * wide(b[row * count + i]);
  return total + rest;
}

}  // namespace kaiwa
