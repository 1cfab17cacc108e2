#include "base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"

namespace vigie {
namespace {
// SplitMix64, to spread a seed over the state.
uint64_t next_seed(uint64_t& at) {
  uint64_t z = (at += 0x9E3779B97F4A7C15ULL);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
  return z ^ z >> 31;
}
}  // namespace

FastRandom::FastRandom() : FastRandom(secure_random_u64()) {}

FastRandom::FastRandom(uint64_t seed) : state_{} {
  for (uint64_t& word : state_) word = next_seed(seed);
}

uint64_t FastRandom::next() {
  const uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return out;
}

uint64_t FastRandom::below(uint64_t bound) {
  if (bound <= UINT32_MAX) return (next() >> 32) * bound >> 32;
  return next() % bound;
}

double FastRandom::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

void secure_random(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();
    }
    out = out.subspan(static_cast<size_t>(got));
  }
}

uint64_t secure_random_u64() {
  std::array<uint8_t, 8> bytes;
  secure_random(bytes);
  return std::bit_cast<uint64_t>(bytes);
}

std::string random_hex(size_t bytes) {
  std::vector<uint8_t> raw(bytes);
  secure_random(raw);
  return hex_text(raw);
}

}  // namespace vigie
