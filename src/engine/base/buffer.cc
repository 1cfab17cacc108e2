#include "base/buffer.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace vigie {
namespace {

constexpr size_t kMinClassLog2 = 8;
constexpr size_t kMaxClassLog2 = 24;
constexpr size_t kStepsPerDoubling = 4;
constexpr size_t kClasses = (kMaxClassLog2 - kMinClassLog2) * kStepsPerDoubling + 1;
constexpr uint32_t kNoClass = UINT32_MAX;
constexpr size_t kCachedShareOfUse = 8;

size_t class_capacity(uint32_t index) {
  const size_t base = size_t{1} << (kMinClassLog2 + index / kStepsPerDoubling);
  return base + base / kStepsPerDoubling * (index % kStepsPerDoubling);
}

uint32_t class_for(size_t capacity) {
  if (capacity <= class_capacity(0)) return 0;
  if (capacity > class_capacity(kClasses - 1)) return kNoClass;
  const size_t log2 = std::bit_width(capacity) - 1;
  const size_t step = size_t{1} << (log2 - 2);
  const size_t above = capacity - (size_t{1} << log2);
  return static_cast<uint32_t>((log2 - kMinClassLog2) * kStepsPerDoubling + (above + step - 1) / step);
}

}  // namespace

using Block = internal::BufferBlock;

// Shared between the pool and its outstanding blocks; freed by whoever is last.
struct internal::PoolCore {
  std::atomic<size_t> holders{1};  // the pool itself + each block in use
  std::atomic<size_t> in_use{0};
  std::atomic<size_t> cached{0};
  std::atomic<bool> closed{false};
  std::atomic<pthread_t> resident{};      // the thread that may touch `free` when it gives back; none: {}
  std::atomic<Block*> returned{nullptr};  // Treiber stack, pushed by any thread, taken whole by the home
  size_t cached_limit = 0;
  // The home thread's. `free_bytes` is what each class's list holds.
  std::array<Block*, kClasses> free{};
  std::array<size_t, kClasses> free_bytes{};

  static void destroy(Block* block) {
    block->~Block();
    std::free(block);
  }

  void drop_holder() {
    if (holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    take_returned();
    for (Block* head : free) {
      while (head) destroy(std::exchange(head, head->next_free));
    }
    delete this;
  }

  void push_free(Block* block) {
    block->next_free = free[block->size_class];
    free[block->size_class] = block;
    free_bytes[block->size_class] += block->capacity;
  }

  Block* pop_free(size_t size_class) {
    Block* block = free[size_class];
    free[size_class] = block->next_free;
    free_bytes[size_class] -= block->capacity;
    cached.fetch_sub(block->capacity, std::memory_order_relaxed);
    return block;
  }

  // Thread: any.
  void push_returned(Block* block) {
    Block* head = returned.load(std::memory_order_relaxed);
    do {
      block->next_free = head;
    } while (!returned.compare_exchange_weak(head, block, std::memory_order_release, std::memory_order_relaxed));
  }

  void take_returned() {
    Block* block = returned.exchange(nullptr, std::memory_order_acquire);
    while (block) push_free(std::exchange(block, block->next_free));
  }

  // Logs hold whole GOPs, of sizes that wander: a part of what is in use may wait for its next use.
  size_t may_wait() const { return std::max(cached_limit, in_use.load(std::memory_order_relaxed) / kCachedShareOfUse); }

  // Where a full cache has nothing of a class, what it is full of is no longer asked for: without this it would stay full
  // of that for ever, and every block would come from the heap and go back there.
  void make_room(size_t capacity) {
    while (cached.load(std::memory_order_relaxed) + capacity > may_wait()) {
      const auto hoard = std::max_element(free_bytes.begin(), free_bytes.end());
      if (*hoard == 0) return;
      destroy(pop_free(static_cast<size_t>(hoard - free_bytes.begin())));
    }
  }

  static Block* make_block(uint32_t size_class, size_t capacity, PoolCore* core) {
    void* memory = std::malloc(sizeof(Block) + capacity);
    if (!memory) throw std::bad_alloc();
    auto* block = new (memory) Block;
    block->size_class = size_class;
    block->capacity = capacity;
    block->core = core;
    return block;
  }

  Block* make(size_t capacity) {
    const uint32_t size_class = class_for(capacity);
    Block* block = nullptr;
    if (size_class != kNoClass) {
      if (!free[size_class]) take_returned();
      if (free[size_class]) {
        block = pop_free(size_class);
      } else if (size_class + 1 < kClasses && free[size_class + 1]) {
        block = pop_free(size_class + 1);  // sizes wander between the classes: it costs less than the heap
      }
    }
    if (block) {
      block->refs.store(1, std::memory_order_relaxed);
      block->size = 0;
    } else {
      const size_t bytes = size_class == kNoClass ? capacity : class_capacity(size_class);
      if (size_class != kNoClass) make_room(bytes);
      block = make_block(size_class, bytes, this);
    }
    in_use.fetch_add(block->capacity, std::memory_order_relaxed);
    holders.fetch_add(1, std::memory_order_relaxed);
    return block;
  }

  void give_back(Block* block) {
    in_use.fetch_sub(block->capacity, std::memory_order_relaxed);
    const bool keep = block->size_class != kNoClass && !closed.load(std::memory_order_relaxed) &&
                      cached.load(std::memory_order_relaxed) + block->capacity <= may_wait();
    if (keep) {
      cached.fetch_add(block->capacity, std::memory_order_relaxed);
      if (resident.load(std::memory_order_relaxed) == pthread_self()) {
        push_free(block);
      } else {
        push_returned(block);
      }
    } else {
      destroy(block);
    }
    drop_holder();
  }
};

BufferPool::BufferPool(size_t cached_bytes_limit) : core_(new internal::PoolCore) {
  core_->cached_limit = cached_bytes_limit;
}

BufferPool::~BufferPool() {
  core_->closed.store(true, std::memory_order_relaxed);
  core_->drop_holder();
}

void BufferPool::enter_thread() { core_->resident.store(pthread_self(), std::memory_order_relaxed); }
void BufferPool::leave_thread() { core_->resident.store({}, std::memory_order_relaxed); }

size_t BufferPool::bytes_in_use() const { return core_->in_use.load(std::memory_order_relaxed); }
size_t BufferPool::bytes_cached() const { return core_->cached.load(std::memory_order_relaxed); }

Buffer BufferPool::make(size_t capacity) { return Buffer(core_->make(capacity)); }

Buffer Buffer::make_heap(size_t capacity) {
  return Buffer(internal::PoolCore::make_block(kNoClass, capacity, nullptr));
}

uint8_t* Buffer::mutable_data() {
  assert(unique());
  return block_->bytes();
}

void Buffer::set_size(size_t size) {
  assert(unique() && size <= block_->capacity);
  block_->size = size;
}

void Buffer::reserve(size_t capacity) {
  assert(unique());
  if (capacity > block_->capacity) move_to(capacity);
}

void Buffer::shrink() {
  assert(unique());
  if (block_->size + block_->capacity / 3 < block_->capacity) move_to(block_->size);
}

void Buffer::move_to(size_t capacity) {
  Buffer other = block_->core ? Buffer(block_->core->make(capacity)) : make_heap(capacity);
  std::memcpy(other.block_->bytes(), block_->bytes(), block_->size);
  other.block_->size = block_->size;
  *this = std::move(other);
}

void Buffer::append(std::span<const uint8_t> bytes) {
  assert(unique());
  const size_t needed = block_->size + bytes.size();
  if (needed > block_->capacity) reserve(std::max(needed, block_->capacity * 2));
  if (!bytes.empty()) std::memcpy(block_->bytes() + block_->size, bytes.data(), bytes.size());
  block_->size = needed;
}

void Buffer::release(Block* block) {
  if (block->core) {
    block->core->give_back(block);
  } else {
    internal::PoolCore::destroy(block);
  }
}

}  // namespace vigie
