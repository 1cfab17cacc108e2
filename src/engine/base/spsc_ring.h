#pragma once
// A bounded queue between one producer thread and one consumer thread, without locks.
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace vigie {

// Thread: try_push and full from the one producer, try_pop and empty from the one consumer, size from any.
template <class T>
class SpscRing {
 public:
  // `capacity` is rounded up to a power of two, at least 2.
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(capacity < 2 ? size_t{2} : capacity) - 1), slots_(std::make_unique<Slot[]>(mask_ + 1)) {}
  ~SpscRing() {
    while (try_pop()) {
    }
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return mask_ + 1; }

  // False (and `value` untouched) when full.
  bool try_push(T&& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    new (slots_[tail & mask_].storage) T(std::move(value));
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  std::optional<T> try_pop() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return std::nullopt;
    }
    T* item = std::launder(reinterpret_cast<T*>(slots_[head & mask_].storage));
    std::optional<T> out(std::move(*item));
    item->~T();
    head_.store(head + 1, std::memory_order_release);
    return out;
  }

  // How many are inside; exact only on a quiet ring.
  size_t size() const { return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire); }
  bool empty() const { return size() == 0; }

 private:
  struct Slot {
    alignas(T) std::byte storage[sizeof(T)];
  };
  static constexpr size_t kCacheLine = 64;

  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  alignas(kCacheLine) std::atomic<size_t> head_{0};
  size_t tail_seen_ = 0;  // consumer's copy: the other side's line is read only when the ring looks empty
  alignas(kCacheLine) std::atomic<size_t> tail_{0};
  size_t head_seen_ = 0;  // producer's copy
};

}  // namespace vigie
