// Products in bf16 on the matrix units of Intel's processors (AMX): tiles of 16 rows times 32 inputs.
//
// The weights [N, K] lie as the units take them, in pairs of inputs: [N / 32, K / 32, 2, 16, 16, 2],
// which is panel, block of inputs, half of the panel, pair, output, input of the pair; N and K are
// filled up with zeros. Sums are fp32. A row's do not depend on its neighbours.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include "narrow.h"
#include "product.h"

namespace kaiwa {

constexpr int TILE = 16;         // rows, and outputs
constexpr int BLOCK = 2 * TILE;  // rows that are multiplied with a panel at once
static_assert(BLOCK == ROWS_PAST);

// Asks Linux for the registers, once for the process: whether there are any.
static bool may_use_tiles() {
  constexpr long REQUEST = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

// Eight whole tiles, for as long as it lives.
class Tiles {
 public:
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE};
    } shapes;
    _tile_loadconfig(&shapes);
  }
  ~Tiles() { _tile_release(); }
};

// Sums [BLOCK, PANEL] that wait for what becomes of them. It is done while the tiles of the next are multiplied: one
// unit has time then, and what tiles have stored has reached the cache.
class Waiting {
 public:
  explicit Waiting(const Finish<Bf16>& finish) : finish_(finish) {}
  void take(const float* sums, int rows, int64_t row, int64_t first) {
    sums_ = sums, rows_ = rows, row_ = row, first_ = first, done_ = 0;
  }
  inline __attribute__((always_inline)) void go_on(int until) {
    for (; done_ < until; done_++)
      finish_(load(sums_ + done_ * PANEL), load(sums_ + done_ * PANEL + LANES), row_ + done_, first_);
  }
  int rows() const { return rows_; }

 private:
  const Finish<Bf16> finish_;
  const float* sums_ = nullptr;
  int rows_ = 0, done_ = 0;
  int64_t row_ = 0, first_ = 0;
};

// Up to 32 rows with one panel: sums [32, 32].
static void multiply_tiles(const Bf16* w, const Bf16* x, int64_t stride, int rows, int blocks,
                           float* sums, const Fetch& fetch, Waiting& waiting) {
  const int64_t bytes = stride * sizeof(Bf16);
  const bool second = rows > TILE;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int each = (waiting.rows() + blocks - 1) / blocks;
  int until = 0;
  for (int block = 0; block < blocks; block++, x += DEPTH, w += 2 * TILE * DEPTH) {
    fetch(block);
    _tile_loadd(4, x, bytes);
    _tile_loadd(6, w, 64);
    _tile_loadd(7, w + TILE * DEPTH, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (second) {
      _tile_loadd(5, x + TILE * stride, bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    until = std::min(until + each, waiting.rows());
    waiting.go_on(until);
  }
  _tile_stored(0, sums, PANEL * sizeof(float));
  _tile_stored(1, sums + TILE, PANEL * sizeof(float));
  if (second) {
    _tile_stored(2, sums + TILE * PANEL, PANEL * sizeof(float));
    _tile_stored(3, sums + TILE * PANEL + TILE, PANEL * sizeof(float));
  }
}

static void multiply_in_tiles(const Product& product, const RowsOf<Bf16>& in,
                              const Results<Bf16>& to, int threads) {
  const int64_t inputs = product.inputs, outputs = product.outputs;
  const int blocks = (inputs + DEPTH - 1) / DEPTH, panels = (outputs + PANEL - 1) / PANEL;
  const int chunk = std::max<int64_t>(CHUNK_BYTES / (2 * inputs) / BLOCK, 1) * BLOCK;
  const int chunks = (in.count + chunk - 1) / chunk;
  const int64_t parts = (int64_t)in.batches * chunks * panels;
  const auto weights = static_cast<const Bf16*>(product.weights);
  const Finish<Bf16> finish(product, to);
  const bool shared = threads > 1 && in.batches * in.count * inputs * outputs > SHARED_WORK;
#pragma omp parallel num_threads(threads) if (shared)
  {
    const Tiles tiles;
    alignas(64) float sums[2][BLOCK * PANEL];
    Waiting waiting(finish);
    int turn = 0;
#pragma omp for
    for (int64_t part = 0; part < parts; part++) {
      const int64_t panel = part % panels, start = part / panels % chunks * chunk;
      const int64_t batch = part / panels / chunks;
      const int64_t end = std::min<int64_t>(start + chunk, in.count);
      const Bf16* w = weights + panel * blocks * PANEL * DEPTH;
      const int times = (end - start + BLOCK - 1) / BLOCK;
      for (int time = 0; time < times; time++, turn = 1 - turn) {
        const int64_t row = start + time * BLOCK;
        const int rows = std::min<int64_t>(BLOCK, end - row);
        const Fetch fetch(w, PANEL * DEPTH * sizeof *w, blocks, time, times);
        multiply_tiles(w, in.at(batch, row), in.stride, rows, blocks, sums[turn], fetch, waiting);
        waiting.take(sums[turn], rows, batch * in.count + row, panel * PANEL);
      }
    }
    waiting.go_on(waiting.rows());
  }
}

}  // namespace kaiwa
