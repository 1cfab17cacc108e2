#pragma once
// Random numbers: a fast generator per owner, and secret bytes from the kernel.
#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace vigie {

// xoshiro256**: fast and well spread, never for secrets (nonces, tickets, session ids: use secure_random).
// Thread: one owner. Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018.
class FastRandom {
 public:
  // Seeded by the kernel.
  FastRandom();
  // The same seed gives the same numbers, for simulations and tests.
  explicit FastRandom(uint64_t seed);

  uint64_t next();
  // A number in [0, bound); 0 when bound is 0. The bias is below 2^-32 for bounds under 2^32.
  uint64_t below(uint64_t bound);
  // A number in [0, 1).
  double unit();
  // True with probability `p`.
  bool chance(double p) { return unit() < p; }

  // UniformRandomBitGenerator, for std::shuffle and distributions.
  using result_type = uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return UINT64_MAX; }
  result_type operator()() { return next(); }

 private:
  std::array<uint64_t, 4> state_;
};

// Fills `out` from the kernel's generator (getrandom). Thread: any.
// Errors: a kernel that cannot give random bytes ends the process; going on with guessable secrets would be worse.
void secure_random(std::span<uint8_t> out);
uint64_t secure_random_u64();
// `bytes` of them as lower-case hexadecimal digits: nonces, session ids.
std::string random_hex(size_t bytes);

}  // namespace vigie
