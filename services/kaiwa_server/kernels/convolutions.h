// Causal convolutions one after the other, with ELU between them, in one call.
//
// At the rate of samples much passes through and there are few weights; at the rate of latents it is the other way round. So
// the former goes session by session, and what a convolution puts out is still in the cache when the next
// takes it in; the latter goes for all sessions together, and the weights are read once.
#pragma once

#include "multiply.h"

namespace kaiwa {

// Of windows of inputs [T, C], each `stride` inputs after the one before.
struct Convolution {
  Product product;  // [kernel * C] -> what is put out at one time, or at several that follow each other
  int32_t channels, kernel, stride;
  int32_t keeps;  // what it puts out, before ELU, is added to what the second one after it puts out
};

// Whose inputs they are, and what the convolutions remember: the tails of each, [slots, kernel - stride, C].
struct Sessions {
  const int64_t* slots;  // [batch]
  float* const* tails;
  int32_t batch;
};

// Inputs of products are in bf16 if Input is, else in fp32.
template <class Input>
class Convolutions {
 public:
  Convolutions(const Convolution* steps, int count, const Sessions& sessions, int64_t length)
      : steps_(steps), count_(count), sessions_(sessions), lengths_{length} {
    for (int i = 0; i + 1 < count; i++) lengths_.push_back(put_out(i) / steps[i + 1].channels);
  }

  // x [batch, T, C] -> y [batch, T', C'].
  void operator()(const float* x, float* y, int threads) const {
    const int batch = sessions_.batch;
    Between& all = own<Between>();
    Section section{0, 0, room(all.inputs[0], batch * taken_in(0)), nullptr, nullptr, nullptr, y};
    copy(x, batch * taken_in(0), section.in);
    for (int turn = 1; section.to < count_; turn = 1 - turn) {
      section.from = section.to;
      const bool together = batch == 1 || goes_together(section.from);
      while (section.to < count_ && (batch == 1 || goes_together(section.to) == together)) section.to++;
      const int last = section.to - 1;
      section.next = section.to < count_ ? room(all.inputs[turn], batch * taken_in(section.to)) : nullptr;
      section.kept_next = steps_[last].keeps ? room(all.kept[turn], batch * put_out(last)) : nullptr;
      if (together) {
        go_through(section, 0, batch, threads);
      } else {
        const bool shared = threads > 1 && batch >= threads;
#pragma omp parallel for num_threads(threads) if (shared)
        for (int session = 0; session < batch; session++)
          go_through(part_of(section, session), session, 1, shared ? 1 : threads);
      }
      section.in = section.next;
      section.kept = section.kept_next;
    }
  }

 private:
  // Past the end of what is read in bf16 there are zeros.
  static constexpr int SLACK = DEPTH;
  // Fewer windows of each session than these are gathered, to be multiplied together.
  static constexpr int FEW_WINDOWS = 32;

  // Steps `from` to `to`: what they take in and have to add, and what they leave to the next section or, being the last,
  // put out; all [batch, T, C].
  struct Section {
    int from, to;
    Input* in;
    float* kept;
    Input* next;
    float *kept_next, *y;
  };

  // What lies between sections, in turns: what is taken in, and what is kept.
  struct Between {
    std::vector<Input> inputs[2];
    std::vector<float> kept[2];
  };

  // What lies between the steps of a section: what is taken in, in turns, that with tails, windows side by side, what is kept.
  struct Within {
    std::vector<Input> inputs[2], tailed, gathered;
    std::vector<float> kept;
  };

  // Memory that stays with its thread.
  template <class Buffers>
  static Buffers& own() {
    thread_local Buffers buffers;
    return buffers;
  }

  template <class Number>
  static Number* room(std::vector<Number>& memory, int64_t numbers) {
    if ((int64_t)memory.size() < numbers) memory.resize(numbers);
    return memory.data();
  }

  static void copy(const float* from, int64_t count, float* to) { std::copy_n(from, count, to); }
#ifdef __AVX512BF16__
  static void copy(const float* from, int64_t count, Bf16* to) { narrow_all(from, count, to); }
#endif

  int64_t taken_in(int i) const { return lengths_[i] * steps_[i].channels; }
  int64_t windows(int i) const { return lengths_[i] / steps_[i].stride; }
  int64_t put_out(int i) const { return windows(i) * steps_[i].product.outputs; }
  int64_t tail(int i) const {
    return (int64_t)(steps_[i].kernel - steps_[i].stride) * steps_[i].channels;
  }
  bool adds(int i) const { return i >= 2 && steps_[i - 2].keeps; }

  // Whether there is much more to read of the weights than passes through for a session.
  bool goes_together(int i) const {
    if (adds(i)) return goes_together(i - 1);
    const int64_t weights = (int64_t)steps_[i].product.inputs * steps_[i].product.outputs;
    return weights * (int64_t)sizeof(Input) > 4 * (taken_in(i) + put_out(i)) * (int64_t)sizeof(float);
  }

  Section part_of(const Section& whole, int session) const {
    Section part = whole;
    const auto move = [session](auto*& pointer, int64_t numbers) {
      if (pointer) pointer += session * numbers;
    };
    move(part.in, taken_in(part.from));
    if (part.from > 0) move(part.kept, put_out(part.from - 1));
    if (part.to < count_) move(part.next, taken_in(part.to));
    move(part.kept_next, put_out(part.to - 1));
    move(part.y, put_out(count_ - 1));
    return part;
  }

  void go_through(const Section& section, int first, int batch, int threads) const {
    Within& here = own<Within>();
    Input* in = section.in;
    if (batch == 1) {
      in = room_for(here, section.from, 1);
      std::copy_n(section.in, taken_in(section.from), in);
    }
    for (int i = section.from; i < section.to; i++) {
      const bool last = i + 1 == section.to;
      Results<Input> results{};
      if (steps_[i].keeps)
        results.y = last ? section.kept_next : room(here.kept, batch * put_out(i));
      if (adds(i)) results.plus = i - 2 < section.from ? section.kept : here.kept.data();
      if (i + 1 == count_)
        results.y = section.y;
      else
        results.next = last ? section.next : room_for(here, i + 1, batch);
      multiply(steps_[i].product, rows(here, i, first, batch, in), results, threads);
      in = results.next;
    }
  }

  // Where step i takes in from: there is room for a tail in front, and behind for what is read past the end.
  Input* room_for(Within& here, int i, int batch) const {
    return room(here.inputs[i % 2], tail(i) + batch * taken_in(i) + past(i)) + tail(i);
  }

  int64_t past(int i) const {
    return (int64_t)(ROWS_PAST * steps_[i].stride + steps_[i].kernel) * steps_[i].channels + SLACK;
  }

  RowsOf<Input> rows(Within& here, int i, int first, int batch, Input* in) const {
    const Convolution& step = steps_[i];
    const int64_t advance = (int64_t)step.stride * step.channels;
    const int count = windows(i);
    if (batch == 1) {
      put_tail(i, sessions_.slots[first], in - tail(i));
      return {in - tail(i), 0, advance, 1, count};
    }
    const int64_t apart = tail(i) + taken_in(i) + SLACK, inputs = step.product.inputs;
    Input* tailed = room(here.tailed, batch * apart + past(i));
    for (int session = 0; session < batch; session++) {
      Input* begin = tailed + session * apart;
      std::copy_n(in + session * taken_in(i), taken_in(i), begin + tail(i));
      put_tail(i, sessions_.slots[first + session], begin);
    }
    if (count >= FEW_WINDOWS) return {tailed, apart, advance, batch, count};
    // Side by side, an odd number of lines apart, or they would lie at the same place of the cache.
    const int64_t line = (inputs + DEPTH - 1) / DEPTH | 1, stride = line * DEPTH;
    Input* gathered = room(here.gathered, (batch * count + ROWS_PAST) * stride);
    for (int64_t row = 0; row < batch * count; row++) {
      Input* end = std::copy_n(tailed + row / count * apart + row % count * advance, inputs,
                               gathered + row * stride);
      std::fill_n(end, stride - inputs, Input{});
    }
    return {gathered, 0, stride, 1, batch * count};
  }

  // Puts what the slot's last call left before the inputs at `begin`, and leaves what the next one needs.
  void put_tail(int i, int64_t slot, Input* begin) const {
    float* remembered = sessions_.tails[i] + slot * tail(i);
    copy(remembered, tail(i), begin);
    Input* left = begin + taken_in(i);
    for (int64_t k = 0; k < tail(i); k++) remembered[k] = wide(left[k]);
    std::fill_n(left + tail(i), SLACK, Input{});
  }

  const Convolution* steps_;
  const int count_;
  const Sessions sessions_;
  std::vector<int64_t> lengths_;  // what each step takes in, in inputs
};

}  // namespace kaiwa
